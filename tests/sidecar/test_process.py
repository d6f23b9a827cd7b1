"""The whole sidecar on one event loop, with a broker in memory that a test can break (contract: sidecar, section 1)."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from asya_sidecar.act.health import Health
from asya_sidecar.act.metrics import Metrics
from asya_sidecar.act.process import Exit, Sidecar
from asya_sidecar.settings import from_environ
from asya_transport.admin import Stored
from asya_transport.memory import MemoryBroker
from tests.support.decisions import BASE, body
from tests.support.scripted_runtime import ScriptedRuntime, answer
from tests.support.wait import until

FRAMES = answer(b'{"frames":[{"payload":1,"route":{"prev":["a"],"curr":"b","next":[]}}]}')


class Lines:
    """A log that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def __getattr__(self, level: str) -> Callable[..., None]:
        return lambda event, **members: self.lines.append((level, event, members))

    def of(self, event: str) -> list[tuple[str, dict[str, Any]]]:
        return [(level, members) for level, found, members in self.lines if found == event]


class InLoop:
    """A sidecar, its broker and its peer."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.broker = MemoryBroker()
        for actor in ("a", "b", "x-sink", "x-sump"):
            self.broker.declare(f"asya-ns-{actor}")
        self.runtime = ScriptedRuntime(folder / "asya-runtime.sock", lambda _, peer: peer.sendall(FRAMES))
        settings = from_environ(BASE | {"ASYA_SOCKET_DIR": str(folder)} | variables)
        self.log = Lines()
        self.metrics = Metrics(settings.queue, "memory")
        self.health = Health(self.log, self.metrics.stalled)
        self.transport = self.broker.transport()
        self.sidecar = Sidecar(settings, self.transport, self.log, self.metrics, self.health)
        self.running = asyncio.get_running_loop().create_task(self.sidecar.run())

    def send(self, message: bytes, actor: str = "a") -> None:
        self.broker.put(f"asya-ns-{actor}", Stored(message, None, None, None, 0))

    def bodies(self, actor: str) -> list[Any]:
        return [json.loads(message.stored.body) for message in self.broker.queues[f"asya-ns-{actor}"].messages]

    async def until(self, condition: Callable[[], object], within_s: float = 10.0) -> None:
        """Turn the loop until the condition holds."""
        end = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < end, f"not within {within_s} s; log: {self.log.lines[-5:]}"
            assert not self.running.done(), self.running.result()
            await asyncio.sleep(0.005)

    async def stop(self) -> Exit:
        if not self.running.done():
            self.sidecar.stop("the test is over")
        return await self.running


@asynccontextmanager
async def in_loop(folder: Path, **variables: str) -> AsyncIterator[InLoop]:
    opened = InLoop(folder, **variables)
    try:
        await opened.until(lambda: opened.health.ready or opened.running.done())
        yield opened
    finally:
        await opened.stop()
        opened.runtime.close()


def blocking(opened: InLoop) -> Callable[[bytes], None]:
    """Calls are not answered before the function returned here is called; later ones are, at once."""
    waiting: list[socket.socket] = []

    def hold(_body: bytes, peer: socket.socket) -> None:
        waiting.append(peer)

    def go(answer_now: bytes) -> None:
        # The loop stands still meanwhile, the runtime's thread does not.
        until(lambda: waiting, what="the call that is to be answered")
        opened.runtime.script = lambda _, peer: peer.sendall(FRAMES)
        for peer in waiting:
            peer.sendall(answer_now)

    opened.runtime.script = hold
    return go


def test_p4_a_refused_send_is_repeated_until_it_is_confirmed(short_folder: Path) -> None:
    async def run() -> None:
        async with in_loop(short_folder) as opened:
            opened.send(body())
            opened.broker.max_message_bytes = 10
            await opened.until(lambda: opened.metrics.messages_failed["transport_error"] >= 2)
            assert opened.health.reasons == ("publish_refused",)
            assert len(opened.bodies("a")) == 1
            opened.broker.max_message_bytes = None
            await opened.until(lambda: opened.bodies("b") and not opened.bodies("a"))
            assert opened.health.ready
            assert len(opened.runtime.requests) == 1

    asyncio.run(run())


def test_p5_results_of_a_lost_delivery_are_dropped(short_folder: Path) -> None:
    async def run() -> None:
        async with in_loop(short_folder) as opened:
            go = blocking(opened)
            opened.send(body())
            await opened.until(lambda: opened.runtime.requests)
            opened.broker.stop()
            opened.broker.begin()
            go(FRAMES)
            await opened.until(lambda: opened.bodies("b"))
            await opened.until(lambda: not opened.bodies("a"))
            assert len(opened.runtime.requests) == 2  # the first result was not sent, so it was run once more
            assert len(opened.bodies("b")) == 1
            assert opened.metrics.reconnects == 1

    asyncio.run(run())


def test_p5_a_send_that_is_being_repeated_ends_with_its_delivery(short_folder: Path) -> None:
    async def run() -> None:
        async with in_loop(short_folder) as opened:
            opened.send(body())
            opened.broker.delete("asya-ns-b")
            await opened.until(lambda: opened.runtime.requests)
            opened.broker.stop()
            opened.broker.declare("asya-ns-b")
            opened.broker.begin()
            await opened.until(lambda: not opened.bodies("a"))
            assert len(opened.bodies("b")) == 1

    asyncio.run(run())


def test_p10_a_fault_of_our_own_costs_a_counted_return_and_a_traceback(short_folder: Path) -> None:
    async def run() -> None:
        async with in_loop(short_folder) as opened:
            opened.metrics.runtime_execution = None  # type: ignore[assignment]  # any bug of ours: here, nothing to count with
            opened.send(body())
            await opened.until(lambda: opened.bodies("x-sump"))
            assert opened.bodies("x-sump")[0]["status"]["reason"] == "Crashed"
            assert opened.metrics.messages_failed["internal_error"] == 5
            assert [level for level, _ in opened.log.of("fault while handling a delivery")] == ["exception"] * 5
            assert opened.bodies("b") == []

    asyncio.run(run())


def test_a_broken_task_of_our_own_ends_the_process_with_4(short_folder: Path) -> None:
    async def run() -> Exit:
        async with in_loop(short_folder) as opened:
            opened.metrics.messages_processed = {}  # a bug in the accounting, behind the settlement
            opened.send(body())
            return await opened.running

    end = asyncio.run(run())
    assert end.code == 4
    assert "KeyError" in end.sentence


def test_without_the_runtime_it_gives_up_after_the_time_it_was_given(short_folder: Path) -> None:
    async def run() -> Exit:
        opened = InLoop(short_folder / "empty", ASYA_RUNTIME_READY_TIMEOUT="300ms")
        opened.runtime.health = b'{"status":"ready","busy":true}'
        end = await opened.running
        opened.runtime.close()
        return end

    end = asyncio.run(run())
    assert end.code == 3
    assert end.sentence.startswith("runtime not ready after 0.3 s: the runtime is busy")


def test_a_runtime_that_drains_gets_nothing_more_and_what_waits_goes_back(short_folder: Path) -> None:
    async def run() -> None:
        async with in_loop(short_folder, ASYA_PREFETCH="4") as opened:
            go = blocking(opened)
            for number in range(4):
                opened.send(body(id=f"e-{number}"))
            await opened.until(lambda: opened.metrics.active_messages == 4)
            opened.runtime.health = b'{"status":"draining","busy":false}'
            go(FRAMES.replace(b"Content-Type", b"Connection: close\r\nContent-Type"))
            await opened.until(lambda: opened.metrics.active_messages == 0)
            assert opened.health.reasons == ("runtime_not_ready",)
            assert (len(opened.bodies("b")), len(opened.bodies("a"))) == (1, 3)
            assert len(opened.runtime.requests) == 1

    asyncio.run(run())


def test_while_the_sink_is_missing_nothing_is_acknowledged(short_folder: Path) -> None:
    end = {"prev": [], "curr": "a", "next": []}
    frame = b'{"frames":[{"payload":1,"route":{"prev":["a"],"curr":"","next":[]}}]}'

    async def run() -> None:
        async with in_loop(short_folder) as opened:
            opened.runtime.script = lambda _, peer: peer.sendall(answer(frame))
            opened.broker.delete("asya-ns-x-sink")
            opened.send(body(route=end))
            await opened.until(lambda: opened.metrics.messages_failed["transport_error"] >= 2)
            assert opened.health.reasons == ("destination_missing",)
            assert len(opened.bodies("a")) == 1
            opened.broker.declare("asya-ns-x-sink")
            await opened.until(lambda: opened.bodies("x-sink") and not opened.bodies("a"))
            await opened.until(lambda: opened.health.ready)

    asyncio.run(run())
