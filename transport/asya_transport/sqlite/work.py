"""What the event loop hands to the thread that owns the mesh file, and what it gets back.

Values only. Made and read by `transport` (loop) and `worker` (thread); a `key` is the loop's future, which the thread never touches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from asya_transport.port import Outcome
from asya_transport.sqlite.store import Claimed, Message


@dataclass(slots=True, eq=False)
class Send:
    """A publish on its way; `key` is the loop's."""

    key: object
    message: Message
    withdrawn: Callable[[], bool]


@dataclass(slots=True, eq=False)
class Settle:
    """A settlement on its way; `key` is the loop's."""

    key: object
    id: int
    generation: int
    how: str
    """`ack`, `release` or `counted`."""


@dataclass(slots=True, eq=False)
class Abandon:
    """The loop says that a generation is over."""

    generation: int


@dataclass(slots=True, eq=False)
class Flush:
    """Answered, as a settlement is, when everything before it has been reported; `key` is the loop's."""

    key: object


Work = Send | Settle | Abandon | Flush


@dataclass(slots=True, eq=False)
class Report:
    """What one transaction, or one failure, brought. The loop obeys in the order of the fields."""

    sent: list[tuple[object, Outcome]] = field(default_factory=list)
    settled: list[tuple[object, bool]] = field(default_factory=list)
    lost: int | None = None
    """This generation is over."""
    lease_until_s: float = 0.0
    claimed: list[Claimed] = field(default_factory=list)
    generation: int = 0
    """Of the claimed."""
    reasons: dict[str, str] | None = None
    """All that are true now, each with its sentence; None: as before."""
    fault: BaseException | None = None
    """A mistake of ours."""
    ended: bool = False
    """The thread's last word."""
