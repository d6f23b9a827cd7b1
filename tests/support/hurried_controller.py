"""The real controller, doing twenty times as often what it does by the clock alone, so that ten idle minutes are thirty seconds.

Run by tests as `python -m tests.support.hurried_controller`. What waits for others (answers, KEDA, a broker) keeps its times.
"""

import sys

from asya_controller import __main__ as controller
from asya_controller.act import controller as parts
from asya_controller.act import reconcile, reflector

TIMES = 20.0


def hurried(between: tuple[float, float]) -> tuple[float, float]:
    """Bounds of a random time, nearer."""
    return between[0] / TIMES, between[1] / TIMES


def main() -> int:
    """The controller's exit code."""
    reconcile.RESYNC_S = hurried(reconcile.RESYNC_S)
    reflector.LASTING_S = hurried(reflector.LASTING_S)
    parts.KEDA_EVERY_S /= TIMES
    parts.SWEEP_EVERY_S /= TIMES
    return controller.main()


if __name__ == "__main__":
    sys.exit(main())
