"""What went wrong, bounded, as `status.error` and as `payload.details` (contract: envelope, The error envelope).

Used by status and failure, made by the sidecar from a runtime's answer or from its own finding.
Must always encode to strict JSON of bounded size, whatever texts it was made of.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from asya_schemas import strictjson
from asya_schemas.limits import (
    ERROR_MESSAGE_BYTES,
    ERROR_MESSAGE_SHORT_CHARACTERS,
    ERROR_MRO_BYTES,
    ERROR_MRO_NAMES,
    ERROR_TRACEBACK_BYTES,
    ERROR_TRACEBACK_HEAD_BYTES,
    ERROR_TRACEBACK_SHORT_BYTES,
    ERROR_TYPE_BYTES,
)

_MARK: Final = "\n... cut ...\n"
_MARK_BYTES: Final = len(_MARK) + _MARK.count("\n")  # as JSON, where a line break takes two bytes


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """`mro` lists the ancestors of `type` and, like `traceback`, is None where no exception was raised; `code` and
    `path` belong to a refused message. Texts may be of any length: they are bounded when written.
    """

    type: str
    message: str
    mro: tuple[str, ...] | None = None
    traceback: str | None = None
    code: str | None = None
    path: str | None = None

    def details(self) -> bytes:
        """JSON text of `payload.details`."""
        parts = {"message": _head(self.message, ERROR_MESSAGE_BYTES), "type": _head(self.type, ERROR_TYPE_BYTES)}
        for name, value in (("code", self.code), ("path", self.path)):
            if value is not None:
                parts[name] = _head(value, ERROR_TYPE_BYTES)
        return strictjson.object_of(parts | self._exception())

    def status_error(self) -> bytes:
        """JSON text of `status.error`."""
        parts = {"type": _head(self.type, ERROR_TYPE_BYTES), "message": _head(self.message, ERROR_MESSAGE_BYTES)}
        return strictjson.object_of(parts | self._exception())

    def _exception(self) -> dict[str, bytes]:
        parts: dict[str, bytes] = {}
        if self.mro is not None:
            parts["mro"] = _ancestors(self.mro)
        if self.traceback is not None:
            parts["traceback"] = strictjson.text(cut_middle(self.traceback, ERROR_TRACEBACK_BYTES))
        return parts

    def shortened(self) -> Sequence[ErrorInfo]:
        """Ever shorter versions, for a message that does not fit: short traceback, no traceback, short message."""
        short = self
        if self.traceback is not None:
            short = replace(self, traceback=cut_middle(self.traceback, ERROR_TRACEBACK_SHORT_BYTES))
        none = replace(self, traceback=None)
        return short, none, replace(none, message=self.message[:ERROR_MESSAGE_SHORT_CHARACTERS])


def cut_middle(value: str, max_bytes: int) -> str:
    """`value`, or its first quarter and last three quarters around a mark, at most `max_bytes` of JSON text."""
    if _fits(value, max_bytes):
        return value
    first_bytes = max_bytes * ERROR_TRACEBACK_HEAD_BYTES // ERROR_TRACEBACK_BYTES
    first = value[: _fitting(value[:max_bytes], first_bytes)]
    last_bytes = max_bytes - first_bytes - _MARK_BYTES
    backwards = value[-max_bytes:][::-1]
    return first + _MARK + backwards[: _fitting(backwards, last_bytes)][::-1]


def _head(value: str, max_bytes: int) -> bytes:
    return strictjson.text(value if _fits(value, max_bytes) else value[: _fitting(value[:max_bytes], max_bytes)])


def _ancestors(mro: Sequence[str]) -> bytes:
    kept: list[str] = []
    left_bytes = ERROR_MRO_BYTES
    for name in mro[:ERROR_MRO_NAMES]:
        left_bytes -= _size(name[:ERROR_MRO_BYTES]) + len('"",')
        if left_bytes < 0:
            break
        kept.append(name)
    return strictjson.list_of(kept)


def _size(value: str) -> int:
    return len(strictjson.text(value)) - len('""')


def _fits(value: str, max_bytes: int) -> bool:
    return len(value) <= max_bytes and _size(value) <= max_bytes


def _fitting(value: str, max_bytes: int) -> int:
    """How many characters of `value` take at most `max_bytes`, escapes never divided."""
    return bisect_right(range(1, len(value) + 1), max_bytes, key=lambda length: _size(value[:length]))
