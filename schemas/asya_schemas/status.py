"""The status block: read leniently, written by one method for each event (contract: envelope, Status).

Used by the sidecar whenever it sends, by the end actors' reports and by the command line's listings.
Must not look at the clock: `now` is a parameter, with its offset.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, Literal

import msgspec
from msgspec.structs import replace

from asya_schemas import strictjson
from asya_schemas.durations import format_time, parse_time
from asya_schemas.errors import ErrorInfo
from asya_schemas.names import is_actor_name
from asya_schemas.refusal import invalid

Phase = Literal["pending", "processing", "retrying", "succeeded", "failed", "paused", "canceled"]

_PHASES: Final = frozenset(("pending", "processing", "retrying", "succeeded", "failed", "paused", "canceled"))
# Nobody counts so far; a longer integer would only be somebody's way to make us compute with it.
_MAX_COUNT: Final = 1_000_000_000
# Times are carried as they came, so a longer one could keep an error envelope from fitting.
_MAX_TIME_CHARACTERS: Final = 64


class Status(msgspec.Struct, frozen=True):
    """What is known of an envelope. Times and `deadline_at` are text as received, `error` and `extra` JSON text.

    `received` is the whole block as received: it is sent on unchanged until an event changes the status.
    `warnings` name the members that count as absent; they are for the log only.
    """

    phase: str | None = None
    reason: str | None = None
    actor: str | None = None
    attempt: int = 1
    max_attempts: int = 1
    created_at: str | None = None
    updated_at: str | None = None
    deadline_at: str | None = None
    error: bytes | None = None
    extra: Mapping[str, bytes] = {}
    received: bytes | None = None
    warnings: tuple[str, ...] = ()

    @property
    def deadline(self) -> datetime | None:
        """Absolute end of the whole task, None for none."""
        return parse_time(self.deadline_at) if self.deadline_at is not None else None

    def attempt_at(self, actor: str) -> int:
        """Handler attempt at `actor`: 1 when the block speaks of another."""
        return self.attempt if self.actor == actor else 1

    def handed_over(self, actor: str, now: datetime) -> Status:
        """Event: handed to the runtime of `actor`."""
        return self._carried(now, "processing", None, actor)

    def sent(self, to: str, now: datetime) -> Status:
        """Event: sent to the next actor `to`."""
        return self._written(now, "pending", None, to, 1, 1)

    def succeeded(self, actor: str, now: datetime) -> Status:
        """Event: route finished behind `actor`, or the next name is the sink."""
        return self._carried(now, "succeeded", "Completed", actor)

    def aborted(self, actor: str, now: datetime) -> Status:
        """Event: the handler of `actor` returned nothing."""
        return self._carried(now, "succeeded", "Aborted", actor)

    def retrying(self, actor: str, max_attempts: int, error: ErrorInfo, now: datetime) -> Status:
        """Event: another attempt at `actor` is scheduled, `max_attempts` being the limit of its policy."""
        return self._written(now, "retrying", None, actor, self.attempt_at(actor) + 1, max_attempts, error)

    def routed(self, actor: str, error: ErrorInfo, now: datetime, max_attempts: int | None = None) -> Status:
        """Event: `actor` gave up and sends to a recovery actor."""
        return self._carried(now, "failed", "PolicyRouted", actor, error, max_attempts)

    def expired(self, actor: str, now: datetime, error: ErrorInfo | None = None) -> Status:
        """Event: the deadline passed before the (next) call; `error` is a last error to keep, if there was one."""
        error = error or ErrorInfo("DeadlineExceeded", f"deadline {self.deadline_at} passed before the call")
        return self._carried(now, "failed", "Timeout", actor, error)

    def canceled(self, actor: str, now: datetime) -> Status:
        """Event: the task was cancelled."""
        return self._carried(now, "canceled", "Canceled", actor)

    def failed(
        self, actor: str, reason: str, error: ErrorInfo, now: datetime, max_attempts: int | None = None
    ) -> Status:
        """Event: any other failure, with a reason of the contract's table; `max_attempts` of the policy, if any."""
        return self._carried(now, "failed", reason, actor, error, max_attempts)

    def encode(self) -> bytes | None:
        """JSON text of the block; None when there is none."""
        if self.received is not None or self.phase is None:
            return self.received
        texts = {
            b"phase": self.phase,
            b"reason": self.reason,
            b"actor": self.actor,
            b"created_at": self.created_at,
            b"updated_at": self.updated_at,
            b"deadline_at": self.deadline_at,
        }
        parts = [b'"%b":%b' % (name, strictjson.text(value)) for name, value in texts.items() if value is not None]
        parts.append(b'"attempt":%d,"max_attempts":%d' % (self.attempt, self.max_attempts))
        if self.error is not None:
            parts.append(b'"error":' + self.error)
        if self.extra:
            parts.append(strictjson.object_of(self.extra)[1:-1])
        return b"{" + b",".join(parts) + b"}"

    def _carried(
        self,
        now: datetime,
        phase: Phase,
        reason: str | None,
        actor: str,
        error: ErrorInfo | None = None,
        max_attempts: int | None = None,
    ) -> Status:
        carried = self.max_attempts if self.actor == actor else 1
        return self._written(now, phase, reason, actor, self.attempt_at(actor), max_attempts or carried, error)

    def _written(
        self,
        now: datetime,
        phase: Phase,
        reason: str | None,
        actor: str,
        attempt: int,
        max_attempts: int,
        error: ErrorInfo | None = None,
    ) -> Status:
        written_at = format_time(now)
        return Status(
            phase=phase,
            reason=reason,
            actor=actor,
            attempt=attempt,
            max_attempts=max_attempts,
            created_at=self.created_at or written_at,
            updated_at=written_at,
            deadline_at=self.deadline_at,
            error=error.status_error() if error is not None else None,
            extra=self.extra,
        )


def parse_status(raw: bytes) -> Status:
    """Read the JSON text of a block. Wrongly typed members count as absent and are named in `warnings`.

    Raises Refused (validation_error, `status`) when it is neither an object nor null. The text must be strict JSON.
    """
    if raw == b"null":
        return Status()
    return _parse_usual(raw) or _parse_any(raw)


class _Block(msgspec.Struct, forbid_unknown_fields=True):
    phase: str | None = None
    reason: str | None = None
    actor: str | None = None
    attempt: int = 1
    max_attempts: int = 1
    created_at: str | None = None
    updated_at: str | None = None


_BLOCK: Final = msgspec.json.Decoder(_Block)


def _parse_usual(raw: bytes) -> Status | None:
    """The quick way for a block as the mesh writes it for an envelope on its way: no deadline, no error, nothing unknown or wrong."""
    try:
        block = _BLOCK.decode(raw)
    except msgspec.ValidationError:
        return None
    attempt, max_attempts, created, updated = block.attempt, block.max_attempts, block.created_at, block.updated_at
    if (
        block.phase not in _PHASES
        or (block.actor is not None and not is_actor_name(block.actor))
        or not (1 <= attempt <= _MAX_COUNT and 1 <= max_attempts <= _MAX_COUNT)
        or (created is not None and len(created) > _MAX_TIME_CHARACTERS)
        or (updated is not None and len(updated) > _MAX_TIME_CHARACTERS)
    ):
        return None
    return Status(block.phase, block.reason, block.actor, attempt, max_attempts, created, updated, received=raw)


def _parse_any(raw: bytes) -> Status:
    extra = strictjson.members_of(raw)
    if extra is None:
        raise invalid("status", "status must be an object or null")
    values: dict[str, Any] = {}
    warnings: list[str] = []
    for name, read in _READERS.items():
        text = extra.pop(name, b"null")
        if text == b"null":
            continue
        value = read(text)
        if value is None:
            warnings.append(f"status.{name} is not what it should be and counts as absent")
        else:
            values[name] = value
    status = Status(**values, extra=extra, received=raw, warnings=tuple(warnings))
    if status.deadline_at is not None and status.deadline is None:
        return replace(status, warnings=(*warnings, "status.deadline_at is no RFC 3339 time: there is no deadline"))
    return status


def _phase(raw: bytes) -> str | None:
    text = strictjson.text_in(raw)
    return text if text in _PHASES else None


def _actor(raw: bytes) -> str | None:
    text = strictjson.text_in(raw)
    return text if text is not None and is_actor_name(text) else None


def _time(raw: bytes) -> str | None:
    text = strictjson.text_in(raw)
    return text if text is not None and len(text) <= _MAX_TIME_CHARACTERS else None


def _count(raw: bytes) -> int | None:
    count = strictjson.integer_in(raw)
    return count if count is not None and 1 <= count <= _MAX_COUNT else None


def _object(raw: bytes) -> bytes | None:
    return raw if raw[:1] == b"{" else None


_READERS: Final[Mapping[str, Callable[[bytes], Any]]] = {
    "phase": _phase,
    "reason": strictjson.text_in,
    "actor": _actor,
    "attempt": _count,
    "max_attempts": _count,
    "created_at": _time,
    "updated_at": _time,
    "deadline_at": _time,
    "error": _object,
}
