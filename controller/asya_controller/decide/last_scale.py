"""When did the wanted number of pods last change, and how is that told?

Called by status.py and timers.py (contract: crd, Columns and write rates: Last-Scale). The text changes only at the boundaries
of its buckets, so that an idle actor is written rarely.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from asya_controller.decide.pods import time_of
from asya_controller.decide.world import World

BUCKETS: tuple[tuple[timedelta, str], ...] = (
    *((timedelta(minutes=n), f"{n}m") for n in (1, 2, 5, 10, 30)),
    *((timedelta(hours=n), f"{n}h") for n in (1, 2, 6, 12)),
    *((timedelta(days=n), f"{n}d") for n in range(1, 31)),
)


@dataclass(frozen=True, slots=True)
class LastScale:
    """Time and direction of the last change of Desired; None when it never changed."""

    at: datetime | None
    direction: str | None

    def told(self, now: datetime) -> str:
        """`-`, `<1m ago (up)`, `5m ago (down)`."""
        if self.at is None:
            return "-"
        passed = [text for age, text in BUCKETS if now - self.at >= age]
        return f"{passed[-1] if passed else '<1m'} ago ({self.direction})"

    def next_boundary(self, now: datetime) -> datetime | None:
        """When the text changes next; None after 30 days and while there is none."""
        if self.at is None:
            return None
        return next((self.at + age for age, _ in BUCKETS if self.at + age > now), None)


def last_scale(world: World, desired: int, now: datetime) -> LastScale:
    """Now, when Desired differs from the value written last; the first value does not count."""
    former = world.previous.get("desiredReplicas")
    if isinstance(former, int) and former != desired:
        return LastScale(now.replace(microsecond=0), "up" if desired > former else "down")
    at = time_of(world.previous.get("lastScaleTime"))
    direction = world.previous.get("lastScaleDirection")
    return LastScale(at, str(direction)) if at and direction else LastScale(None, None)
