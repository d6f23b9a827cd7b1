"""What the sidecars' log lines say about traffic: counts, rates, edges. Pure; called by `mesh.py` with every line.

One line `envelope done` per delivery is the contract (contract: sidecar, Logs), so nothing is counted twice or missed when
processes are killed, which counters inside them could not promise.
"""

import json
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

RATE_WINDOW_S = 10.0
# Not the end of an envelope's stay at an actor.
_UNFINISHED = frozenset({"returned"})
_FAILED = frozenset({"error"})


def delivery(text: bytes) -> dict[str, Any] | None:
    """The members of an `envelope done` line, None for any other line."""
    if b"envelope done" not in text:  # most lines of a handler never get further than this
        return None
    try:
        members = json.loads(text)
    except ValueError:
        return None
    done = isinstance(members, dict) and members.get("msg") == "envelope done" and "outcome" in members
    return members if done else None


@dataclass(slots=True)
class Meter:
    """The traffic of one actor since the mesh started."""

    processed: int = 0
    failed: int = 0
    retried: int = 0
    edges: Counter[str] = field(default_factory=Counter)
    last_error: dict[str, Any] | None = None
    _recent: deque[float] = field(default_factory=deque)

    def add(self, members: dict[str, Any], now_s: float) -> None:
        """Count one delivery."""
        outcome = members.get("outcome")
        if outcome in _UNFINISHED:
            return
        self.processed += 1
        self._recent.append(now_s)
        if outcome in _FAILED:
            self.failed += 1
            keep = ("time", "envelope_id", "reason", "error_type", "error_message")
            self.last_error = {name: members[name] for name in keep if name in members}
        if outcome == "retried":
            self.retried += 1
        else:
            self.edges.update(str(name) for name in members.get("destinations") or ())

    def rate(self, now_s: float) -> float:
        """Deliveries per second over the last window."""
        while self._recent and self._recent[0] < now_s - RATE_WINDOW_S:
            self._recent.popleft()
        return len(self._recent) / RATE_WINDOW_S
