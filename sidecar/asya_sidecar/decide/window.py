"""How many deliveries may be in hand?

Pure: from the handler times and body sizes seen lately, the window (contract: sidecar, How much is in hand).
Called by act/consumer.py after every call. Small windows keep work for other replicas and bound the damage of a crash;
large ones hide the round trips of fast handlers.
"""

from collections import deque
from typing import Final

TARGET_US: Final = 100_000
"""A window holds about this much handler time. In whole microseconds, so that a running sum never drifts."""
CALLS_TO_GROW: Final = 20
SLOW_CALL_S: Final = 1.0
"""A longer call sends the window back to 1; waiting deliveries that cannot start within this time are returned."""
BODY_BUDGET_BYTES: Final = 32 * 1024 * 1024


class Window:
    """The memory of the last 20 calls. `fixed` is a number from the configuration, None for `auto`."""

    __slots__ = ("_bodies", "_fixed", "_maximum", "_times_us", "_total_us")

    def __init__(self, fixed: int | None, maximum: int) -> None:
        self._fixed = fixed
        self._maximum = maximum
        self._times_us: deque[int] = deque(maxlen=CALLS_TO_GROW)
        self._bodies: deque[int] = deque(maxlen=CALLS_TO_GROW)
        self._total_us = 0

    @property
    def is_fixed(self) -> bool:
        """A number was configured: slow calls change nothing."""
        return self._fixed is not None

    def called(self, duration_s: float) -> None:
        """A call took so long."""
        if duration_s > SLOW_CALL_S:
            self.fall()
        times = self._times_us
        if len(times) == CALLS_TO_GROW:
            self._total_us -= times[0]
        times.append(round(duration_s * 1e6))
        self._total_us += times[-1]

    def received(self, body_bytes: int) -> None:
        """A body of this size arrived."""
        self._bodies.append(body_bytes)

    def fall(self) -> None:
        """The runtime was restarted, or a call is slow: begin again with 1."""
        self._times_us.clear()
        self._total_us = 0

    @property
    def mean_s(self) -> float | None:
        """Mean handler time of the last calls; None before the first."""
        return self._total_us / 1e6 / len(self._times_us) if self._times_us else None

    @property
    def size(self) -> int:
        """Deliveries that may be unsettled now, at least 1."""
        if self._fixed is not None:
            wanted = self._fixed
        elif len(self._times_us) < CALLS_TO_GROW:
            return 1
        else:
            wanted = min(TARGET_US * CALLS_TO_GROW // max(self._total_us, 1), self._maximum)
        largest = max(self._bodies, default=0)
        if largest * wanted > BODY_BUDGET_BYTES:
            wanted = BODY_BUDGET_BYTES // largest
        return _power_of_two(wanted) if self._fixed is None or wanted != self._fixed else wanted


def _power_of_two(at_most: int) -> int:
    return 1 << (max(at_most, 1).bit_length() - 1)
