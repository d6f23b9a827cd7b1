"""The moments at which something may go wrong in the simulated mesh, and what may.

A point is a moment before or after something that others can see of a sidecar. The pointed neighbours (pointed_*.py) ask the world at
each of them which fault happens there. Must not know what a fault does.
"""

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

ENDS: Final = ("x-sink", "x-sump")


@dataclass(frozen=True)
class Point:
    """The `number`-th of a run, at this actor, of this kind, about this envelope."""

    number: int
    actor: str
    name: str
    id: str


class Fault(enum.Enum):
    """What may happen at a point."""

    KILL = "the sidecar is killed"
    STOP = "the sidecar is asked to stop"
    CUT = "its connection to the broker is cut"
    RUNTIME_DIES = "the runtime dies in the call"
    RUNTIME_GONE = "the runtime is not to be reached"
    UNSENT = "the message does not reach the broker, and nobody knows"
    REFUSED = "the broker refuses the message"
    UNCONFIRMED = "the message is stored, and nobody knows"
    UNREPORTED = "the report does not reach the gateway"
    UNANSWERED = "the report is settled, and nobody knows"


EVERYWHERE: Final = (Fault.KILL, Fault.CUT, Fault.STOP)
POSSIBLE: Final[Mapping[str, tuple[Fault, ...]]] = {
    "delivered": EVERYWHERE,
    "call": (*EVERYWHERE, Fault.RUNTIME_DIES, Fault.RUNTIME_GONE),
    "answered": (*EVERYWHERE, Fault.RUNTIME_DIES),
    "publish": (*EVERYWHERE, Fault.UNSENT, Fault.REFUSED),
    "stored": (*EVERYWHERE, Fault.UNCONFIRMED),
    "confirmed": EVERYWHERE,
    "ack": EVERYWHERE,
    "acked": EVERYWHERE,
    "release": EVERYWHERE,
    "released": EVERYWHERE,
    "release_counted": EVERYWHERE,
    "released_counted": EVERYWHERE,
    "report": (*EVERYWHERE, Fault.UNREPORTED),
    "reported": (*EVERYWHERE, Fault.UNANSWERED),
}
"""Every point, and the faults that mean something there."""


def read(body: bytes, message_id: str | None) -> tuple[str, str | None]:
    """The ids of the envelope and of its parent; that of the message where none can be read."""
    try:
        found = json.loads(body)
        return str(found["id"]), found.get("parent_id")
    except (ValueError, KeyError, TypeError):
        return message_id or "without id", None
