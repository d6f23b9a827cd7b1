"""An event loop that never waits: when nothing is ready, its clock jumps to the next timer.

Used by the simulated mesh (world.py). Five minutes of waiting cost nothing, and the same run always happens in the same order. Nothing
on such a loop may speak to another process or thread: their time would stand still.
"""

import asyncio
import selectors
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, TypeVar

BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
owner: ContextVar["Life | None"] = ContextVar("owner", default=None)
T = TypeVar("T")


def outside(function: Callable[..., T], *arguments: object) -> T:
    """Call on behalf of nobody: a broker's timers outlive whoever published."""
    return Context().run(function, *arguments)


class Life:
    """One life of a simulated process. What was started in its context ends when it is killed: nothing runs on, as after SIGKILL."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.tasks: set[asyncio.Task[Any]] = set()
        self._context = copy_context()
        self._context.run(owner.set, self)

    def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Call on its behalf: what that starts belongs to this life, whoever calls."""
        return self._context.copy().run(function, *arguments)

    def kill(self) -> None:
        """Its timers never fire again; its tasks get no further than where they wait."""
        self.alive = False
        for task in list(self.tasks):
            task.cancel()

    def fire(self, callback: Callable[..., object], *arguments: object) -> None:
        """A timer's callback, unless it comes too late."""
        if self.alive:
            callback(*arguments)


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise AssertionError("nothing is left that could ever happen on this loop")
        if not ready and timeout:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Signals are not for the simulated, and timers and tasks belong to the life that made them."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        self.set_task_factory(_owned_task)

    def time(self) -> float:
        return self._jumping.now

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        life = owner.get()
        if life is None:
            return super().call_at(when, callback, *args, context=context)
        return super().call_at(when, life.fire, callback, *args, context=context)

    def add_signal_handler(self, sig: int, callback: Callable[..., object], *args: Any) -> None:
        """A simulated process is killed or stopped by the test, not by signals to the test runner."""


def _owned_task(loop: asyncio.AbstractEventLoop, coroutine: Any, context: Context | None = None) -> asyncio.Task[Any]:
    task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, context=context)
    life = owner.get() if context is None else context.get(owner)
    if life is not None:
        life.tasks.add(task)
        task.add_done_callback(life.tasks.discard)
        if not life.alive:  # made by a callback that was on its way when the life ended
            task.cancel()
    return task


class WallClock:
    """Stands where modules have `datetime`: the loop's time as a date; `shift_s` is what somebody set the clock by."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.shift_s = 0.0

    def now(self, _zone: tzinfo | None = None) -> datetime:
        return BEGAN + timedelta(seconds=self._loop.time() + self.shift_s)
