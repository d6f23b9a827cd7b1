"""Background work of the sidecar whose end nobody awaits: kept while it runs, and its faults are told.

Called by act/consumer.py and act/runtime_client.py.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Tasks:
    """The running ones. A task that raises is a fault of our own, which `on_fault` hears of. Make it on the loop."""

    def __init__(self, on_fault: Callable[[BaseException], None]) -> None:
        self._on_fault = on_fault
        self._loop = asyncio.get_running_loop()
        self._running: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it beside what goes on."""
        task = self._loop.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)

    def cancel(self) -> None:
        """Drop whatever still runs."""
        for task in self._running:
            task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_fault(error)
