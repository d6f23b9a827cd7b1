"""Speaks with the runtime beside us: one call at a time, and whether it is healthy.

Called by act/consumer.py (calls) and act/process.py (start, stop). The connection is kept; its end is noticed at once.
Reports what happened as a value of decide/answer.py; must not decide what that means for the envelope.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from asya_sidecar.act.http_answer import AnswerBroken, AnswerReader, AnswerTooLarge, EventStream
from asya_sidecar.act.lazy_timer import BEAT_S, LazyTimer, next_beat
from asya_sidecar.act.runtime_connection import RuntimeConnection
from asya_sidecar.act.tasks import Tasks
from asya_sidecar.decide.answer import (
    Broken,
    Ended,
    Late,
    Reply,
    TooLarge,
    Unavailable,
    Unreachable,
    plain_reply,
    stream_reply,
)

HEALTH_TIMEOUT_S: Final = 1.0
IDLE_FAILURES: Final = 3
MIN_PROBE_PAUSE_S: Final = 0.02
MAX_PROBE_PAUSE_S: Final = 0.5
DRAINING: Final = "the runtime is draining"
HEALTH_ANSWER_BYTES: Final = 65_536
HEALTH_REQUEST: Final = b"GET /healthz HTTP/1.1\r\nHost: runtime\r\n\r\n"


class _Health(msgspec.Struct):
    status: str = ""
    busy: bool = False


class RuntimeClient:
    """`ready` is true while the runtime may be called; every change is told through `on_change`."""

    def __init__(
        self,
        path: Path,
        max_answer_bytes: int,
        max_frames: int,
        on_change: Callable[[], None],
        on_fault: Callable[[BaseException], None],
    ) -> None:
        self._path = path
        self._max_answer_bytes = max_answer_bytes
        self._max_frames = max_frames
        self._on_change = on_change
        self._loop = asyncio.get_running_loop()
        self._connection: RuntimeConnection | None = None
        self._turn = asyncio.Lock()  # calls and health checks take turns on the one connection
        self._limit = LazyTimer(self._check_limit)
        self._limit_at: float | None = None
        self._call: asyncio.Future[None] | None = None
        self._last_use = 0.0
        self._losses = 0
        """How often it was lost since the last call that was begun: a runtime that only seems ready must not make us spin."""
        self._tasks = Tasks(on_fault)
        self._idle_timer: asyncio.TimerHandle | None = None
        self._closed = False
        self.ready = False
        self.why = "the runtime has not answered yet"
        """While not ready: one sentence for the log."""
        self.draining = False
        """It was lost because it is about to end by itself, so nothing can start soon."""

    def start(self) -> None:
        """Begin to ask for health until the runtime is ready."""
        self._tasks.spawn(self._probe())

    def close(self) -> None:
        """Stop asking and drop the connection."""
        self._closed = True
        self.ready = False
        self._limit.cancel()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self._tasks.cancel()
        self._drop()

    async def call(self, body: bytes, limit_s: float, on_partial: Callable[[bytes], None] | None) -> Reply:
        """Run the handler on one envelope; `limit_s` counts from the moment the request is written."""
        if self._turn.locked():
            async with self._turn:  # a health check is on its way; it takes a second at most
                pass
        connection = self._connection
        if not self.ready or connection is None or not connection.is_open:
            return Unreachable(self.why)
        stream = EventStream(self._max_answer_bytes, self._max_frames, on_partial or _ignore)
        reader = AnswerReader(self._max_answer_bytes, stream)
        async with self._turn:
            reply = await self._exchange(connection, body, limit_s, reader)
        self._last_use = self._loop.time()
        if not isinstance(reply, (Unavailable, Unreachable)):
            self._losses = 0
        if isinstance(reply, (Unavailable, Unreachable, Ended, Broken, TooLarge)):
            self._lose(reply.message)
        elif reader.closes:
            self._lose(DRAINING)
        return reply

    async def _exchange(
        self, connection: RuntimeConnection, body: bytes, limit_s: float, reader: AnswerReader
    ) -> Reply:
        head = (
            b"POST /invoke HTTP/1.1\r\nHost: runtime\r\nContent-Type: application/json\r\n"
            b"X-Asya-Deadline-Ms: %d\r\nContent-Length: %d\r\n\r\n" % (max(1, int(limit_s * 1000)), len(body))
        )
        try:
            self._call = waiter = connection.ask((head, body), reader)
        except OSError as error:
            return Unreachable(f"the runtime closed the connection: {error}")
        self._limit_at = self._loop.time() + limit_s
        self._limit.ask(self._limit_at)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.cancelled() and self._limit_at is None:
                return Late(limit_s)
            raise
        except ConnectionError as error:
            return Ended(str(error))
        except AnswerTooLarge as error:
            return TooLarge(str(error))
        except AnswerBroken as error:
            return Broken(str(error))
        finally:
            self._call = None
            self._limit_at = None
        if reader.stream is None:
            return plain_reply(reader.status, reader.body)
        return stream_reply(reader.stream.frames, reader.stream.error, reader.stream.done)

    def _check_limit(self) -> None:
        if self._limit_at is None or self._call is None:
            return
        if self._loop.time() < self._limit_at:
            self._limit.ask(self._limit_at)
            return
        self._limit_at = None
        self._call.cancel()

    # health

    async def _probe(self) -> None:
        """Ask until it is ready, first often, then every half second: a local restart must not cost half a second."""
        began = self._loop.time()
        if self._losses > 1:
            await asyncio.sleep(min(MAX_PROBE_PAUSE_S, MIN_PROBE_PAUSE_S * float(1 << min(self._losses, 10))))
        while not self._closed:
            health = await self._ask_health()
            if health is not None and health.status == "ready" and not health.busy:
                self.ready = True
                self._last_use = self._loop.time()
                self._watch_idle()
                self._on_change()
                return
            self.why = _why(health)
            waited_s = self._loop.time() - began
            await asyncio.sleep(min(MAX_PROBE_PAUSE_S, max(MIN_PROBE_PAUSE_S, waited_s / 10)))

    async def _ask_health(self) -> _Health | None:
        """None: no usable answer within a second. Any failure drops the connection."""
        async with self._turn:
            try:
                async with asyncio.timeout(HEALTH_TIMEOUT_S):
                    if self._connection is None or not self._connection.is_open:
                        self._connection = RuntimeConnection(self._path, self._on_end)
                    reader = AnswerReader(HEALTH_ANSWER_BYTES, EventStream(0, 0, _ignore))
                    await self._connection.ask((HEALTH_REQUEST,), reader)
                return msgspec.json.decode(reader.body, type=_Health)
            except (OSError, TimeoutError, AnswerBroken, AnswerTooLarge, msgspec.DecodeError):
                self._drop()
                return None

    def _watch_idle(self) -> None:
        """Ask in every beat before which nobody called: a busy connection proves itself."""
        if self._closed or not self.ready:
            return
        now = self._loop.time()
        if self._call is None and self._last_use < now - BEAT_S / 2:
            self._tasks.spawn(self._check_idle())
        else:
            self._idle_timer = self._loop.call_at(next_beat(now), self._watch_idle)

    async def _check_idle(self) -> None:
        for _ in range(IDLE_FAILURES):
            health = await self._ask_health()
            if not self.ready or self._closed:
                return  # the end of the connection was noticed meanwhile
            if health is not None:
                break
        if health is None or health.status != "ready":
            self._lose(_why(health))
            return
        self._last_use = self._loop.time()
        self._watch_idle()

    def _on_end(self, connection: RuntimeConnection) -> None:
        if connection is self._connection:
            self._connection = None
            if self.ready and self._call is None and not self._turn.locked():
                self._lose("the runtime closed the connection")

    def _lose(self, why: str) -> None:
        self._drop()
        if not self.ready or self._closed:
            return
        self.ready = False
        self._losses += 1
        self.draining = why == DRAINING
        self.why = why
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self._on_change()
        self._tasks.spawn(self._probe())

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _ignore(_partial: bytes) -> None:
    """Nobody watches."""


def _why(health: _Health | None) -> str:
    if health is None:
        return "the runtime does not answer on its socket"
    return (
        "the runtime is busy with a call that is not ours"
        if health.busy
        else f"the runtime is {health.status or 'not ready'}"
    )
