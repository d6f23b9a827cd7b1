"""Blocking calls away from the event loop."""

import asyncio
import subprocess
import sys
import threading
import time

import pytest

from asya_sidecar.act.gateway.apart import apart


def test_the_result_comes_back() -> None:
    assert asyncio.run(apart(lambda: 7)) == 7


def test_an_error_comes_back_as_it_is() -> None:
    def fail() -> None:
        raise OSError("no such host")

    with pytest.raises(OSError, match="no such host"):
        asyncio.run(apart(fail))


def test_the_loop_turns_while_a_call_blocks() -> None:
    async def live() -> int:
        free, turns = threading.Event(), 0
        waiting = asyncio.create_task(apart(free.wait))
        for _ in range(10):
            await asyncio.sleep(0)
            turns += 1
        free.set()
        assert await waiting
        return turns

    assert asyncio.run(live()) == 10


def test_a_call_that_never_ends_does_not_keep_the_process_from_ending() -> None:
    script = """
import asyncio, threading
from asya_sidecar.act.gateway.apart import apart
async def live():
    try:
        async with asyncio.timeout(0.1):
            await apart(threading.Event().wait)
    except TimeoutError:
        print("given up")
asyncio.run(live())
"""
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "given up\n"
    assert time.monotonic() - began < 20
