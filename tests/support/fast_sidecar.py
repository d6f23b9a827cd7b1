"""A real sidecar whose event loop lives 60 times as fast: five minutes of waiting pass in five seconds.

`FastSidecar` runs this file in place of `python -m asya_sidecar`, for tests of what happens only after minutes. Everything
else is as it is: the same code, real sockets, a real broker (whose delays keep to the wall clock).
"""

import asyncio
import selectors
import sys
from collections.abc import Mapping
from pathlib import Path

from asya_sidecar.__main__ import main
from tests.support.sidecar_process import Process, Sidecar

FACTOR = 60
ROOT = Path(__file__).parents[2]


class FastSidecar(Sidecar):
    """A sidecar process as the tests know it, in fast time."""

    def __init__(self, log: Path, env: Mapping[str, str]) -> None:
        Process.__init__(self, [sys.executable, "-m", "tests.support.fast_sidecar"], env, log, cwd=ROOT)


class FastSelector(selectors.DefaultSelector):
    """Waits a sixtieth of what the loop believes it waits."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(timeout if timeout is None else timeout / FACTOR)


class FastLoop(asyncio.SelectorEventLoop):
    """Its clock runs 60 times as fast."""

    def __init__(self) -> None:
        super().__init__(FastSelector())

    def time(self) -> float:
        return super().time() * FACTOR


class FastPolicy(asyncio.DefaultEventLoopPolicy):
    """Every loop of this process is a fast one."""

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return FastLoop()


if __name__ == "__main__":
    asyncio.set_event_loop_policy(FastPolicy())
    sys.exit(main())
