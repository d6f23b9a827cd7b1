"""What can go wrong between us and the API server, by what the caller does about it.

Raised by api.py alone; nobody else here sees an exception of the HTTP library.
"""

import re
from collections.abc import Mapping

_UNTYPED = re.compile(r"failed to (create typed|create manager for existing fields|convert) ?")


class ApiError(Exception):
    """An answer other than 2xx, or none (`code` 0). `message` is the server's own sentence; `headers` have lower-case names."""

    def __init__(self, code: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{code} {message}" if code else message)
        self.code = code
        self.message = message
        self.headers = {name.lower(): value for name, value in (headers or {}).items()}

    @property
    def retry_after_s(self) -> float | None:
        """What `Retry-After` asks for, in seconds; None without one that can be read."""
        text = self.headers.get("retry-after", "")
        return float(text) if text.isascii() and text.isdigit() else None


class NoAnswer(ApiError):
    """No connection, or none of the answer within the time allowed: a write may or may not have happened."""

    def __init__(self, message: str) -> None:
        super().__init__(0, message)


class NotFound(ApiError):
    """404."""


class Conflict(ApiError):
    """409: another version, another uid, or fields that somebody else owns."""


class Untyped(ApiError):
    """500 of a server-side apply: what is sent, or what is stored, is not what the installed definition says. A merge patch still works."""


class Gone(ApiError):
    """410: the resource version is too old to go on from."""


class Busy(ApiError):
    """429, or 503 with Retry-After: come back later."""


def error_of(code: int, message: str, headers: Mapping[str, str]) -> ApiError:
    """The error for an answer."""
    lower = {name.lower(): value for name, value in headers.items()}
    if code == 429 or (code == 503 and "retry-after" in lower):
        return Busy(code, message, lower)
    if code == 500 and _UNTYPED.match(message):
        return Untyped(code, message, lower)
    return {404: NotFound, 409: Conflict, 410: Gone}.get(code, ApiError)(code, message, lower)
