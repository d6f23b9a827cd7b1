"""A timer that costs nothing to move later.

Every call has a time limit and almost none reaches it. Arming and cancelling a timer of the event loop for each
would cost more than the rest of the bookkeeping, so one timer stays armed for the earliest moment asked for, and
whoever is called looks whether its time has really come. Called by act/runtime_client.py and act/consumer.py.
"""

import asyncio
from collections.abc import Callable


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
