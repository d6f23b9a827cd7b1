"""The verdict on a body that is no valid envelope (contract: envelope, Golden cases).

Raised by strictjson, route and envelope; read by the sidecar, the command line and later the gateway.
Must carry no part of the body: its message goes into logs.
"""

from __future__ import annotations

from typing import Literal

Verdict = Literal["parse_error", "validation_error"]


class Refused(Exception):
    """This body is refused, with the code of the golden cases.

    `path` names the member in dots and brackets (`route.next[1]`); it is None when the fault has no member.
    """

    def __init__(self, verdict: Verdict, code: str, message: str, path: str | None = None) -> None:
        super().__init__(message)
        self.verdict: Verdict = verdict
        self.code = code
        self.message = message
        self.path = path

    @property
    def type(self) -> str:
        """`ParseError` or `ValidationError`: the reason in `status` and the type in `details`."""
        return "ParseError" if self.verdict == "parse_error" else "ValidationError"


def unparsable(code: str, message: str, path: str | None = None) -> Refused:
    """A refusal of the text itself: it is not the JSON we read."""
    return Refused("parse_error", code, message, path)


def invalid(code: str, message: str, path: str | None = None) -> Refused:
    """A refusal of a member: JSON, but no envelope."""
    return Refused("validation_error", code, message, path or code)
