"""The status block: read leniently, written by one method for each event (contract: envelope, Status).

Used by the sidecar whenever it sends, by the end actors' reports and by the command line's listings.
Must not look at the clock: `now` is a parameter, with its offset.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from asya_schemas.errors import ErrorInfo

Phase = Literal["pending", "processing", "retrying", "succeeded", "failed", "paused", "canceled"]


@dataclass(frozen=True, slots=True)
class Status:
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
    extra: Mapping[str, bytes] = field(default_factory=dict)
    received: bytes | None = None
    warnings: tuple[str, ...] = ()

    @property
    def deadline(self) -> datetime | None:
        """Absolute end of the whole task, None for none."""
        raise NotImplementedError

    def attempt_at(self, actor: str) -> int:
        """Handler attempt at `actor`: 1 when the block speaks of another."""
        raise NotImplementedError

    def handed_over(self, actor: str, now: datetime) -> Status:
        """Event: handed to the runtime of `actor`."""
        raise NotImplementedError

    def sent(self, to: str, now: datetime) -> Status:
        """Event: sent to the next actor `to`."""
        raise NotImplementedError

    def succeeded(self, actor: str, now: datetime) -> Status:
        """Event: route finished behind `actor`, or the next name is the sink."""
        raise NotImplementedError

    def aborted(self, actor: str, now: datetime) -> Status:
        """Event: the handler of `actor` returned nothing."""
        raise NotImplementedError

    def retrying(self, actor: str, max_attempts: int, error: ErrorInfo, now: datetime) -> Status:
        """Event: another attempt at `actor` is scheduled."""
        raise NotImplementedError

    def routed(self, actor: str, error: ErrorInfo, now: datetime, max_attempts: int | None = None) -> Status:
        """Event: `actor` gave up and sends to a recovery actor."""
        raise NotImplementedError

    def expired(self, actor: str, now: datetime, error: ErrorInfo | None = None) -> Status:
        """Event: the deadline passed before the (next) call."""
        raise NotImplementedError

    def canceled(self, actor: str, now: datetime) -> Status:
        """Event: the task was cancelled."""
        raise NotImplementedError

    def failed(
        self, actor: str, reason: str, error: ErrorInfo, now: datetime, max_attempts: int | None = None
    ) -> Status:
        """Event: any other failure, with a reason of the contract's table."""
        raise NotImplementedError

    def encode(self) -> bytes | None:
        """JSON text of the block; None when there is none."""
        raise NotImplementedError


def parse_status(raw: bytes) -> Status:
    """Read the JSON text of a block. Wrongly typed members count as absent and are named in `warnings`.

    Raises Refused (validation_error, `status`) when it is neither an object nor null. The text must be strict JSON.
    """
    raise NotImplementedError
