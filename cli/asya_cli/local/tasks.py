"""Background work of the mesh, with one place that hears of its faults.

Every long-lived coroutine is started here. A task that raises is a fault of our own: it is kept for `mesh.py`, which ends
the mesh with the traceback instead of going on with a part missing.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Tasks:
    """The running tasks. Make it on the loop."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()
        self.fault: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> "asyncio.Task[Any]":
        """Run `work` in the background."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._over)
        return task

    def _over(self, task: "asyncio.Task[Any]") -> None:
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not self.fault.done():
            self.fault.set_result(error)

    async def cancel(self) -> None:
        """End whatever still runs."""
        for task in list(self._running):
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)


async def happens(event: asyncio.Event, within_s: float) -> bool:
    """Wait for an event; False when the time is over.

    Not `asyncio.wait_for`: before Python 3.12 that one loses a cancellation that comes together with the event.
    """
    try:
        async with asyncio.timeout(within_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
