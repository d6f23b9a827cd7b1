"""How soon may a changed status be written?

The write rates of contract: crd, Columns and write rates. Called by act/status.py with the status written last and the new one. Must not
write or wait itself.
"""

from collections.abc import Mapping
from typing import Any

COUNTERS = ("readyReplicas", "pendingReplicas", "failingPods", "totalReplicas")
MESSAGES = ("queuedMessages", "processingMessages")
COUNTERS_EVERY_S = 1.0
MESSAGES_EVERY_S = 30.0
MESSAGES_JUMP_S = 5.0
"""When a number of messages becomes or leaves 0 or changes its length, sooner: that is what people look for."""

Status = Mapping[str, Any]


def write_in(before: Status, after: Status, since_s: float) -> float | None:
    """Seconds until `after` may be written, `since_s` after the last write; 0 is now, None never, as nothing differs."""
    if weighty(before) != weighty(after):
        return 0.0
    waits = [
        *([COUNTERS_EVERY_S] if light(before) != light(after) else []),
        *(
            MESSAGES_JUMP_S if jumps(before.get(key), after.get(key)) else MESSAGES_EVERY_S
            for key in differing(before, after)
        ),
    ]
    return max(0.0, min(waits) - since_s) if waits else None


def differing(before: Status, after: Status) -> list[str]:
    """The message counts that differ."""
    return [key for key in MESSAGES if before.get(key) != after.get(key)]


def jumps(before: int | None, after: int | None) -> bool:
    """Unknown, zero, or another number of digits."""
    if before is None or after is None or not before or not after:
        return True
    return len(str(before)) != len(str(after))


def weighty(status: Status) -> dict[str, Any]:
    """What is written at once: everything but counters, message counts and the wording of conditions."""
    kept = {key: value for key, value in status.items() if key not in (*COUNTERS, *MESSAGES, "conditions", "message")}
    return kept | {
        "conditions": {key: (entry.get("status"), entry.get("reason")) for key, entry in by_type(status).items()}
    }


def light(status: Status) -> tuple[Any, ...]:
    """Counters, wording."""
    words = {key: entry.get("message") for key, entry in by_type(status).items()}
    return (*(status.get(key) for key in COUNTERS), status.get("message"), words)


def by_type(status: Status) -> dict[str, Mapping[str, Any]]:
    """The conditions; their order means nothing."""
    return {str(entry.get("type")): entry for entry in status.get("conditions") or ()}
