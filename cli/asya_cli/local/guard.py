"""A tiny process that ends the whole mesh when `asya up` dies, even by SIGKILL. Run as a script, never imported.

It leads the process group that every sidecar and runtime joins, and waits at a pipe of which only `asya up` holds the
other end. When that end closes, in whatever way `asya up` went, it removes the socket folder (its one argument) and kills
the group, itself included. Standard library alone and started with -I -S: it must be there first and cost nothing.
"""

import os
import shutil
import signal
import sys


def main() -> None:
    """Wait for the end of `asya up`, then take everything along."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while os.read(0, 4096):
        pass
    shutil.rmtree(sys.argv[1], ignore_errors=True)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    main()
