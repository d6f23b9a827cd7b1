"""Calls and health over one kept connection, against a peer that says what a test wants."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from asya_sidecar.act.runtime_client import RuntimeClient
from asya_sidecar.decide.answer import (
    Broken,
    Ended,
    Late,
    Nothing,
    Raised,
    Refused,
    Streamed,
    TooLarge,
    Unavailable,
    Whole,
)
from tests.support.scripted_runtime import ScriptedRuntime, answer

FRAMES = b'{"frames":[]}'


@pytest.fixture
def runtime(short_folder: Path) -> Iterator[ScriptedRuntime]:
    scripted = ScriptedRuntime(short_folder / "s", lambda _, connection: connection.sendall(answer(FRAMES)))
    yield scripted
    scripted.close()


@asynccontextmanager
async def client(folder: Path, max_bytes: int = 1000) -> AsyncIterator[tuple[RuntimeClient, "Changes"]]:
    changes = Changes()
    opened = RuntimeClient(folder / "s", max_bytes, 10, changes, changes.fault)
    opened.start()
    try:
        yield opened, changes
    finally:
        opened.close()
        await asyncio.sleep(0)
        assert changes.faults == []


class Changes:
    """Counts the changes of health; `until` waits for a condition that one of them may bring."""

    def __init__(self) -> None:
        self.count = 0
        self._event = asyncio.Event()
        self.faults: list[BaseException] = []
        self.fault = self.faults.append

    def __call__(self) -> None:
        self.count += 1
        self._event.set()

    async def until(self, condition: Callable[[], bool], within_s: float = 10.0) -> None:
        async with asyncio.timeout(within_s):
            while not condition():
                self._event.clear()
                await self._event.wait()


def call_once(folder: Path, body: bytes = b"{}", limit_s: float = 10.0, max_bytes: int = 1000) -> object:
    async def run() -> object:
        async with client(folder, max_bytes) as (opened, changes):
            await changes.until(lambda: opened.ready)
            return await opened.call(body, limit_s, None)

    return asyncio.run(run())


def say(runtime: ScriptedRuntime, *pieces: bytes, then_close: bool = False) -> None:
    def script(_body: bytes, connection: socket.socket) -> None:
        for piece in pieces:
            connection.sendall(piece)
        if then_close:
            connection.shutdown(socket.SHUT_RDWR)

    runtime.script = script


def error_body(message: str) -> bytes:
    return json.dumps({"error": "processing_error", "details": {"message": message, "type": "ValueError"}}).encode()


def test_a_call_returns_the_body_of_the_answer(runtime: ScriptedRuntime, short_folder: Path) -> None:
    assert call_once(short_folder, b'{"id":1}') == Whole(FRAMES)
    assert runtime.requests == [b'{"id":1}']


def test_204_is_nothing(runtime: ScriptedRuntime, short_folder: Path) -> None:
    say(runtime, b"HTTP/1.1 204 No Content\r\n\r\n")
    assert call_once(short_folder) == Nothing()


def test_500_is_what_the_handler_raised(runtime: ScriptedRuntime, short_folder: Path) -> None:
    say(runtime, answer(error_body("boom"), b"500 Internal Server Error"))
    reply = call_once(short_folder)
    assert isinstance(reply, Raised)
    assert (reply.error.type, reply.error.message) == ("ValueError", "boom")


def test_an_error_body_may_be_a_list_as_in_older_documents(runtime: ScriptedRuntime, short_folder: Path) -> None:
    say(runtime, answer(b"[" + error_body("boom") + b"]", b"500 Internal Server Error"))
    assert isinstance(call_once(short_folder), Raised)


def test_400_is_a_refusal(runtime: ScriptedRuntime, short_folder: Path) -> None:
    say(runtime, answer(error_body("bad"), b"400 Bad Request"))
    assert isinstance(call_once(short_folder), Refused)


def test_503_is_no_call_at_all(runtime: ScriptedRuntime, short_folder: Path) -> None:
    say(runtime, answer(error_body("busy"), b"503 Service Unavailable"))
    assert isinstance(call_once(short_folder), Unavailable)


@pytest.mark.parametrize("status", [b"302 Found", b"404 Not Found", b"413 Too Large", b"201 Created"])
def test_another_status_breaks_the_protocol(runtime: ScriptedRuntime, short_folder: Path, status: bytes) -> None:
    say(runtime, answer(FRAMES, status))
    assert isinstance(call_once(short_folder), Broken)


def test_garbage_breaks_the_protocol(runtime: ScriptedRuntime, short_folder: Path) -> None:
    say(runtime, b"hello\r\n\r\n")
    assert isinstance(call_once(short_folder), Broken)


def test_an_error_body_that_is_no_json_breaks_the_protocol(runtime: ScriptedRuntime, short_folder: Path) -> None:
    say(runtime, answer(b"oops", b"500 Internal Server Error"))
    assert isinstance(call_once(short_folder), Broken)


def test_an_answer_above_the_limit_is_not_read(runtime: ScriptedRuntime, short_folder: Path) -> None:
    say(runtime, b"HTTP/1.1 200 OK\r\nContent-Length: 2000000000\r\n\r\n", b"x" * 1000)
    assert isinstance(call_once(short_folder), TooLarge)


def test_a_connection_that_ends_in_the_call_is_known_as_ended(runtime: ScriptedRuntime, short_folder: Path) -> None:
    say(runtime, b"HTTP/1.1 200 OK\r\nContent-Le", then_close=True)
    assert isinstance(call_once(short_folder), Ended)


def test_a_stream_without_done_is_known_as_ended(runtime: ScriptedRuntime, short_folder: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    event = b"event: frame\ndata: {}\n\n"
    say(runtime, head, b"%x\r\n%s\r\n0\r\n\r\n" % (len(event), event))
    assert isinstance(call_once(short_folder), Ended)


def test_a_stream_gives_its_frames_at_the_end_and_its_partials_at_once(
    runtime: ScriptedRuntime, short_folder: Path
) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    events = b'event: partial\ndata: "t"\n\nevent: frame\ndata: {"n":1}\n\nevent: done\ndata: {}\n\n'
    say(runtime, head, b"%x\r\n%s\r\n0\r\n\r\n" % (len(events), events))
    partials: list[bytes] = []

    async def run() -> object:
        async with client(short_folder) as (opened, changes):
            await changes.until(lambda: opened.ready)
            return await opened.call(b"{}", 10, partials.append)

    assert asyncio.run(run()) == Streamed((b'{"n":1}',))
    assert partials == [b'"t"']


def test_a_call_past_its_limit_is_late(runtime: ScriptedRuntime, short_folder: Path) -> None:
    say(runtime)
    began = time.monotonic()
    assert call_once(short_folder, limit_s=0.3) == Late(0.3)
    assert 0.3 <= time.monotonic() - began < 5


def test_bytes_that_trickle_do_not_extend_the_limit(runtime: ScriptedRuntime, short_folder: Path) -> None:
    def trickle(_body: bytes, connection: socket.socket) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n":
            connection.sendall(bytes([byte]))
            time.sleep(0.05)

    runtime.script = trickle
    assert call_once(short_folder, limit_s=0.4) == Late(0.4)


def test_many_calls_use_one_connection(runtime: ScriptedRuntime, short_folder: Path) -> None:
    async def run() -> list[object]:
        async with client(short_folder) as (opened, changes):
            await changes.until(lambda: opened.ready)
            return [await opened.call(b"{}", 10, None) for _ in range(50)]

    assert asyncio.run(run()) == [Whole(FRAMES)] * 50
    assert runtime.connections == 1


def test_it_is_not_ready_while_an_older_call_keeps_the_runtime_busy(
    runtime: ScriptedRuntime, short_folder: Path
) -> None:
    runtime.health = b'{"status":"ready","busy":true}'

    async def run() -> None:
        async with client(short_folder) as (opened, changes):
            with pytest.raises(TimeoutError):
                await changes.until(lambda: opened.ready, 0.3)
            runtime.health = b'{"status":"ready","busy":false}'
            await changes.until(lambda: opened.ready)

    asyncio.run(run())


def test_a_file_or_a_link_at_the_path_is_no_runtime(short_folder: Path) -> None:
    scripted = ScriptedRuntime(short_folder / "real", lambda _, connection: connection.sendall(answer(FRAMES)))
    (short_folder / "s").symlink_to(short_folder / "real")

    async def run() -> None:
        async with client(short_folder) as (opened, changes):
            with pytest.raises(TimeoutError):
                await changes.until(lambda: opened.ready, 0.3)

    asyncio.run(run())
    assert scripted.connections == 0
    scripted.close()


def test_the_end_of_an_idle_connection_is_noticed_at_once_and_healed(
    runtime: ScriptedRuntime, short_folder: Path
) -> None:
    async def run() -> tuple[float, float]:
        async with client(short_folder) as (opened, changes):
            await changes.until(lambda: opened.ready)
            began = time.monotonic()
            runtime.drop_connections()
            await changes.until(lambda: not opened.ready)
            lost_s = time.monotonic() - began
            await changes.until(lambda: opened.ready)
            return lost_s, time.monotonic() - began

    lost_s, healed_s = asyncio.run(run())
    assert lost_s < 1
    assert healed_s < 1


def test_an_answer_that_says_close_means_that_the_runtime_is_draining(
    runtime: ScriptedRuntime, short_folder: Path
) -> None:
    say(runtime, b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 13\r\n\r\n" + FRAMES)

    async def run() -> tuple[object, bool, bool]:
        async with client(short_folder) as (opened, changes):
            await changes.until(lambda: opened.ready)
            return await opened.call(b"{}", 10, None), opened.ready, opened.draining

    assert asyncio.run(run()) == (Whole(FRAMES), False, True)


def test_an_idle_runtime_that_answers_nothing_is_lost_within_seconds(
    runtime: ScriptedRuntime, short_folder: Path
) -> None:
    async def run() -> float:
        async with client(short_folder) as (opened, changes):
            await changes.until(lambda: opened.ready)
            runtime.health = b""
            began = time.monotonic()
            await changes.until(lambda: not opened.ready, 20)
            return time.monotonic() - began

    assert asyncio.run(run()) < 15


def test_a_runtime_that_refuses_every_call_is_not_asked_in_a_busy_loop(
    runtime: ScriptedRuntime, short_folder: Path
) -> None:
    say(runtime, answer(error_body("busy"), b"503 Service Unavailable"))

    async def run() -> None:
        async with client(short_folder) as (opened, changes):
            end = time.monotonic() + 1
            while time.monotonic() < end:
                await changes.until(lambda: opened.ready)
                await opened.call(b"{}", 10, None)

    asyncio.run(run())
    assert 2 <= len(runtime.requests) < 20
