"""The simulation's own promises: time passes only when nothing else happens, and who is killed does nothing more."""

import asyncio
import time

import pytest

from asya_transport.admin import Stored
from asya_transport.memory import MemoryBroker
from asya_transport.port import Delivery
from tests.faults.virtual_time import Life, VirtualLoop


def test_an_hour_passes_in_no_time_and_in_order() -> None:
    seen: list[tuple[float, str]] = []

    async def wait(seconds: float, name: str) -> None:
        await asyncio.sleep(seconds)
        seen.append((asyncio.get_running_loop().time(), name))

    async def all_of_them() -> None:
        await asyncio.gather(wait(3600, "late"), wait(1, "early"), wait(60, "between"))

    began = time.monotonic()
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(all_of_them())
    assert seen == [(1, "early"), (60, "between"), (3600, "late")]
    assert time.monotonic() - began < 60


def test_a_wait_without_end_is_an_error_and_no_standstill() -> None:
    loop = VirtualLoop()
    future = loop.create_future()
    with pytest.raises(AssertionError, match="nothing is left that could ever happen"):
        loop.run_until_complete(future)
    loop.close()


def test_who_is_killed_does_nothing_more() -> None:
    done: list[str] = []

    async def work() -> None:
        asyncio.get_running_loop().call_later(2, done.append, "timer")
        await asyncio.sleep(2)
        done.append("task")

    async def kill_one() -> None:
        lives = [Life("killed"), Life("living")]
        for life in lives:
            life.run(asyncio.get_running_loop().create_task, work())
        await asyncio.sleep(1)
        lives[0].kill()
        await asyncio.sleep(10)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(kill_one())
    assert sorted(done) == ["task", "timer"]


def test_the_broker_in_memory_delivers_what_is_due_although_timers_are_early_by_the_resolution_of_the_clock() -> None:
    """Found by the state machine: a timer came with another one, half a nanosecond early; nothing was due yet and nobody looked again."""
    got: list[Delivery] = []

    async def two_almost_at_once() -> None:
        broker = MemoryBroker()
        broker.declare("q")
        transport = broker.transport()
        transport.start()
        transport.consume("q", got.append, 2)
        for delay_s in (1.0, 1.0 + 5e-10):
            broker.put("q", Stored(b"", None, None, None, 0), delay_s)
        await asyncio.sleep(2)
        await transport.close()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(two_almost_at_once())
    assert len(got) == 2
