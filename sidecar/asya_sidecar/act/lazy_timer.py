"""Timers that cost next to nothing: one that is moved later, and a beat that all who look now and then share.

Every call has a time limit and almost none reaches it. Arming and cancelling a timer of the event loop for each
would cost more than the rest of the bookkeeping, so one timer stays armed for the earliest moment asked for, and
whoever is called looks whether its time has really come. Called by act/runtime_client.py, act/consumer.py and act/health.py.
"""

import asyncio
from collections.abc import Callable
from typing import Final

BEAT_S: Final = 3.0
"""Waking costs an idle process more than what it then does, so it wakes once for everything that is to be looked at."""


def next_beat(now_s: float) -> float:
    """The next moment of the beat after `now_s`, by the event loop's clock."""
    return (now_s // BEAT_S + 1) * BEAT_S


class LazyTimer:
    """Calls `wake` not later than the last `at` asked for, perhaps earlier; `wake` checks the time and asks again."""

    __slots__ = ("_handle", "_loop", "_wake")

    def __init__(self, wake: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._wake = wake
        self._handle: asyncio.TimerHandle | None = None

    def ask(self, at: float) -> None:
        """`at` is in seconds of the event loop's clock."""
        handle = self._handle
        if handle is not None:
            if handle.when() <= at:
                return
            handle.cancel()
        self._handle = self._loop.call_at(at, self._fire)

    def cancel(self) -> None:
        """Never call again."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _fire(self) -> None:
        self._handle = None
        self._wake()
