"""The controller with its resync every few seconds instead of every 10 minutes; everything else is as in a cluster.

Run by bench/controller/phases.py, `python -m bench.controller.resynced`, with BENCH_RESYNC_S.
"""

import os
import sys

from asya_controller import __main__ as controller
from asya_controller.act import reconcile


def main() -> int:
    """The controller's exit code."""
    every_s = float(os.environ["BENCH_RESYNC_S"])
    reconcile.RESYNC_S = (every_s, every_s)
    return controller.main()


if __name__ == "__main__":
    sys.exit(main())
