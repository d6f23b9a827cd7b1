"""How is this actor scaled, and how many pods should it have now?

The KEDA objects (contract: controller, KEDA), and the rule they stand for as a function, `replicas_wanted`, which the local mesh runs
itself. Must not read a clock: `now_s` is any monotonic time.
"""

from dataclasses import dataclass

SCALE_DOWN_WINDOW_S = 300.0
"""The autoscaler acts on the highest need of this window when it goes down."""
SCALE_DOWN_STEP_S = 60.0
"""At most one pod goes per this time, down to one."""


@dataclass(frozen=True, slots=True)
class ScalingRule:
    """The effective scaling of one actor. Take it from a spec with `ScalingRule.of(spec)`."""

    queue_length: int = 5
    minimum: int = 0
    maximum: int = 50
    cooldown_s: float = 60.0
    window_s: float = SCALE_DOWN_WINDOW_S
    step_s: float = SCALE_DOWN_STEP_S


@dataclass(frozen=True, slots=True)
class ScalingMemory:
    """What the rule remembers: start with `ScalingMemory()` and hand back what the last call returned."""

    needs: tuple[tuple[float, int], ...] = ()
    """(time, pods needed), falling: the highest need of the window stands first."""
    active_at_s: float | None = None
    """Last time a message was waiting or in work."""
    stepped_at_s: float | None = None
    """Last time a pod was taken away."""


def replicas_wanted(
    rule: ScalingRule, current: int, queued: int, in_work: int, memory: ScalingMemory, now_s: float
) -> tuple[int, ScalingMemory]:
    """Pods wanted now, and the memory for the next call.

    (queued + in_work) / queue_length rounded up, within minimum and maximum. Up at once, also from zero. From N towards 1 by the
    highest need of the last `window_s`, one pod per `step_s`. To zero, from any size, after `cooldown_s` without a message.
    """
    raise AssertionError
