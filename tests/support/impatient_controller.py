"""The real controller with less patience for others: what it bears for minutes it bears for seconds.

Run by tests as `python -m tests.support.impatient_controller`. Watches end and begin again every few seconds, so that only one that hangs
is without a sign of life for long.
"""

import sys
from datetime import timedelta

from asya_controller import __main__ as controller
from asya_controller.act import controller as parts
from asya_controller.act import reflector, steps
from asya_controller.decide import conditions

PATIENCE_S = 3.0
"""With an API server that fails; else 60 s."""
STUCK_S = 10.0
"""For a watch (else 3 min) and for a pass (else 10 min)."""


def main() -> int:
    """The controller's exit code."""
    conditions.API_PATIENCE = steps.API_PATIENCE = timedelta(seconds=PATIENCE_S)
    parts.STUCK_WATCH_S = parts.STUCK_PASS_S = STUCK_S
    reflector.LASTING_S = (2.0, 3.0)
    reflector.LONGEST_PAUSE_S = 1.0
    return controller.main()


if __name__ == "__main__":
    sys.exit(main())
