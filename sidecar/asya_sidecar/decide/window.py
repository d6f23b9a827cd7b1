"""How many deliveries may be in hand?

Pure: from the handler times and body sizes seen lately, the window (contract: sidecar, How much is in hand).
Called by act/consumer.py after every call. Small windows keep work for other replicas and bound the damage of a crash;
large ones hide the round trips of fast handlers.
"""

from collections import deque
from typing import Final

TARGET_S: Final = 0.1
"""A window holds about this much handler time."""
CALLS_TO_GROW: Final = 20
SLOW_CALL_S: Final = 1.0
"""A longer call sends the window back to 1; waiting deliveries that cannot start within this time are returned."""
BODY_BUDGET_BYTES: Final = 32 * 1024 * 1024


class Window:
    """The memory of the last 20 calls. `fixed` is a number from the configuration, None for `auto`."""

    __slots__ = ("_bodies", "_fixed", "_maximum", "_times", "_total_s")

    def __init__(self, fixed: int | None, maximum: int) -> None:
        self._fixed = fixed
        self._maximum = maximum
        self._times: deque[float] = deque(maxlen=CALLS_TO_GROW)
        self._bodies: deque[int] = deque(maxlen=CALLS_TO_GROW)
        self._total_s = 0.0

    def called(self, duration_s: float) -> None:
        """A call took so long."""
        if duration_s > SLOW_CALL_S:
            self.fall()
        times = self._times
        if len(times) == CALLS_TO_GROW:
            self._total_s -= times[0]
        times.append(duration_s)
        self._total_s += duration_s

    def received(self, body_bytes: int) -> None:
        """A body of this size arrived."""
        self._bodies.append(body_bytes)

    def fall(self) -> None:
        """The runtime was restarted, or a call is slow: begin again with 1."""
        self._times.clear()
        self._total_s = 0.0

    @property
    def mean_s(self) -> float | None:
        """Mean handler time of the last calls; None before the first."""
        return max(self._total_s, 0.0) / len(self._times) if self._times else None

    @property
    def size(self) -> int:
        """Deliveries that may be unsettled now, at least 1."""
        if self._fixed is not None:
            wanted = self._fixed
        elif len(self._times) < CALLS_TO_GROW:
            return 1
        else:
            wanted = min(int(TARGET_S * CALLS_TO_GROW / max(self._total_s, 1e-9)), self._maximum)
        largest = max(self._bodies, default=0)
        if largest * wanted > BODY_BUDGET_BYTES:
            wanted = BODY_BUDGET_BYTES // largest
        return _power_of_two(wanted) if self._fixed is None or wanted != self._fixed else wanted


def _power_of_two(at_most: int) -> int:
    return 1 << (max(at_most, 1).bit_length() - 1)
