"""A whole sidecar inside the test, on an event loop that lives 30 times as fast: five minutes of waiting pass in ten seconds.

Called by tests of what happens only after minutes. The code, the runtime and the gateway are real; the broker is the one in memory, because
it alone keeps to the event loop's clock.
"""

import asyncio
import selectors
import signal
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from asya_sidecar.act.health import Health
from asya_sidecar.act.metrics import Metrics
from asya_sidecar.act.process import Sidecar
from asya_sidecar.settings import from_environ
from asya_transport.memory import MemoryBroker
from asya_transport.memory_admin import MemoryAdmin

FACTOR = 30


class FastSelector(selectors.DefaultSelector):
    """Waits a thirtieth of what the loop believes it waits."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(timeout if timeout is None else timeout / FACTOR)


class FastLoop(asyncio.SelectorEventLoop):
    """Its clock runs 30 times as fast."""

    def __init__(self) -> None:
        super().__init__(FastSelector())

    def time(self) -> float:
        return super().time() * FACTOR


class Quiet:
    """A log nobody reads."""

    def __getattr__(self, level: str) -> Callable[..., None]:
        return lambda *_, **__: None


class FastMesh:
    """The running sidecar and its broker, as a test sees them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.settings = from_environ(environ)
        self.metrics = Metrics(self.settings.queue, self.settings.transport)
        self.health = Health(Quiet(), self.metrics.stalled)
        self._broker = MemoryBroker()
        self.admin = MemoryAdmin(self._broker)
        for queue in (self.settings.queue, self.settings.sink_queue, self.settings.sump_queue):
            self.admin.declare(queue)
        self._sidecar = Sidecar(self.settings, self._broker.transport(), Quiet(), self.metrics, self.health)

    async def run(self, scenario: Callable[["FastMesh"], Coroutine[Any, Any, None]]) -> None:
        """Run the sidecar until the scenario is over, then end it as an orchestrator does."""
        life = asyncio.create_task(self._sidecar.run())
        try:
            await scenario(self)
        finally:
            if not life.done():  # else nobody listens to the signal but the test runner itself
                signal.raise_signal(signal.SIGTERM)
            await life

    async def until(self, condition: Callable[[], Any], within_real_s: float, what: str) -> None:
        """Wait for a condition, by the clock on the wall."""
        try:
            async with asyncio.timeout(within_real_s * FACTOR):
                while not condition():
                    await asyncio.sleep(0.02 * FACTOR)
        except TimeoutError:
            raise AssertionError(f"not within {within_real_s:g} s: {what}") from None


def run_fast(environ: Mapping[str, str], scenario: Callable[[FastMesh], Coroutine[Any, Any, None]]) -> None:
    """Run a sidecar with these variables in fast time, and the scenario beside it."""

    async def live() -> None:
        await FastMesh(environ).run(scenario)

    with asyncio.Runner(loop_factory=FastLoop) as runner:
        runner.run(live())
