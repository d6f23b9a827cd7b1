"""What happened in a simulated mesh, in the words of ledger.py, which judges it.

Kept by world.py and what stands around its sidecars. The times of its lines are their numbers: in virtual time too much happens at once.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from tests.faults.ledger import Line
from tests.faults.points import ENDS, read


class Record:
    """Lines of the ledger, but for what was attempted, which the test knows."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.parents: dict[str, str | None] = {}
        """Of every id seen so far."""
        self.ended: set[str] = set()
        """Ids that an end actor has stored."""
        self.reports: set[tuple[str, str, str]] = set()
        """Id, kind and status of what the gateway has settled."""
        self.complaints: list[str] = []
        """Faults of a sidecar's own, and what must never happen, not even for a moment."""

    def write(self, what: str, **members: Any) -> None:
        self.lines.append({"what": what, **members})

    def recognise(self, body: bytes, message_id: str | None) -> str:
        """The id in a message, whose parent is remembered."""
        found, parent = read(body, message_id)
        self.parents.setdefault(found, parent)
        return found

    def interrupted(self, kind: str, found: str) -> None:
        """What is in hand counts as a run even where no handler is called: it has a pod and a place of its own, and a fault there."""
        number = len(self.lines)
        self.write("run", id=found, place=f"hand {number}", pod=f"hand {number}", begin=number, done=None)
        self.write("fault", kind=kind, pod=f"hand {number}", begin=number + 1, until=number + 1)

    def called(self, actor: str, message: Mapping[str, Any]) -> None:
        """A handler runs. Attempts and hops are places of their own. End actors call until it is stored, and count only then."""
        if actor not in ENDS:
            status, route = message["status"], message["route"]
            hops = route["current"] if "actors" in route else len(route["prev"])
            self._ran(f"{actor}, {hops} hops done, attempt {status['attempt']}", message)

    def _ran(self, place: str, message: Mapping[str, Any]) -> None:
        number = len(self.lines)
        self.write("run", id=message["id"], place=place, pod="well", begin=number, done=number)

    def stored(self, actor: str, message: Mapping[str, Any]) -> None:
        """An end actor's handler has stored."""
        parked = (message.get("headers") or {}).get("x-asya-parked", 0)
        self._ran(f"{actor}, parked {parked} times", message)
        self.lines.append(ended(actor, message))
        self.ended.add(message["id"])


def ended(place: str, message: Mapping[str, Any]) -> Line:
    """`result` is all that must be the same in every run: everything but times and what counts interruptions."""
    told = json.loads(re.sub(r"\b\d+ deliveries", "n deliveries", json.dumps(message)))
    told["headers"].pop("x-asya-parked", None)
    for moving in ("created_at", "updated_at"):
        (told.get("status") or {}).pop(moving, None)
    result = json.dumps(told, sort_keys=True)
    reason = (told.get("status") or {}).get("reason", "")
    parent = message.get("parent_id")
    return {"what": "ended", "id": message["id"], "parent": parent, "reason": reason, "result": result, "place": place}
