"""The port on the event loop: futures, the window of what is in hand, and the clock of the lease.

Made by `choose.open_transport`. All work with the file is done by `worker` in its thread; what it reports arrives in `_on_report`.
A little over the usual length: the port is one class, and half of it is the port's own words.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from asya_transport.callbacks import call_back
from asya_transport.port import (
    BROKER_UNREACHABLE,
    PUBLISH_TIMEOUT_S,
    QUEUE_MISSING,
    STARTING,
    Connected,
    Delivery,
    Outcome,
)
from asya_transport.sqlite.bell import wake_folder
from asya_transport.sqlite.consumer import Consumer
from asya_transport.sqlite.schema import now_ms
from asya_transport.sqlite.store import Claimed, Message
from asya_transport.sqlite.work import Abandon, Flush, Report, Send, Settle, Work
from asya_transport.sqlite.worker import CLOSE_WITHIN_S, Worker

LEASE_S: Final = 10.0  # contract: sidecar, section 12
RENEW_S: Final = 3.0
LEASE_MARGIN_S: Final = 0.5
"""We stop trusting a lease so much before it ends, so that a settlement under way is not overtaken by the next owner."""
MAX_MESSAGE_BYTES: Final = 128 * 1024 * 1024  # RabbitMQ's largest; SQLite itself would take a gigabyte


class SqliteTransport:
    """Implements `port.Transport`."""

    kind = "sqlite"
    max_delay_s: float | None = None

    def __init__(
        self,
        path: Path,
        *,
        lease_s: float = LEASE_S,
        renew_s: float = RENEW_S,
        publish_timeout_s: float = PUBLISH_TIMEOUT_S,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        max_pages: int | None = None,
    ) -> None:
        self.max_message_bytes: int | None = max_message_bytes
        self.on_change: Callable[[str, str | None], None] = _ignore_change
        self.on_lost: Callable[[int], None] = _ignore_loss
        self._publish_timeout_s = publish_timeout_s
        self._consumer = Consumer(wake_folder(path), lease_ms=int(lease_s * 1000), renew_ms=int(renew_s * 1000))
        self._worker = Worker(path, self._post, self._consumer, max_pages)
        self._reasons: dict[str, str] = {STARTING: f"{path} is not open yet"}
        self._on_delivery: Callable[[Delivery], None] | None = None
        self._paused = self._closing = False
        self._generation = 0
        self._hand: set[Delivery] = set()
        self._settling: set[asyncio.Future[bool]] = set()
        self._lease_until_s = 0.0
        self._lease_timer: asyncio.TimerHandle | None = None
        self._open_sends: deque[tuple[float, asyncio.Future[Outcome]]] = deque()
        self._send_timer: asyncio.TimerHandle | None = None
        self._kick_coming = False
        self._ended: asyncio.Future[None] | None = None

    @property
    def reasons(self) -> frozenset[str]:
        """Why not everything works now."""
        return frozenset(self._reasons)

    @property
    def consuming(self) -> bool:
        """Registered, not paused, and the file can be read."""
        blocked = self._reasons.keys() & {STARTING, BROKER_UNREACHABLE, QUEUE_MISSING}
        return self._on_delivery is not None and not self._paused and not self._closing and not blocked

    @property
    def connected(self) -> Connected:
        """Both ways are one file."""
        up = self._reasons.keys().isdisjoint((STARTING, BROKER_UNREACHABLE))
        return Connected(consume=up, publish=up)

    def start(self) -> None:
        """Begin on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        self._worker.start()

    async def close(self) -> None:
        """Give back what is held and end the thread; one that is stuck in the disk is left behind."""
        if self._closing:
            return
        self._closing = self._consumer.paused = True
        if self._ended is None:
            return
        if BROKER_UNREACHABLE not in self._reasons:
            # What was claimed and is on its way to us comes first, and goes back uncounted (contract: sidecar, row 53).
            flushed: asyncio.Future[bool] = self._loop.create_future()
            self._submit(Flush(flushed))
            await asyncio.wait([flushed], timeout=CLOSE_WITHIN_S / 2)
        self._worker.stop()
        await asyncio.wait([self._ended], timeout=CLOSE_WITHIN_S + 0.5)
        for _, future in self._open_sends:
            _resolve(future, Outcome.UNKNOWN)
        self._lose(self._generation)
        for timer in (self._send_timer, self._lease_timer):
            if timer is not None:
                timer.cancel()

    # Consuming

    def consume(self, queue: str, on_delivery: Callable[[Delivery], None], window: int = 1) -> None:
        """Register, once."""
        if self._on_delivery is not None:
            raise RuntimeError(
                f"this transport consumes from {self._consumer.queue} already; open another one for {queue}"
            )
        self._on_delivery = on_delivery
        self._consumer.window = max(1, window)
        self._consumer.queue = queue
        self._kick()

    def set_window(self, window: int) -> None:
        """Change the number of unsettled deliveries."""
        self._consumer.window = max(1, window)
        self._kick()

    def pause(self) -> None:
        """Fetch nothing more."""
        self._paused = self._consumer.paused = True

    def resume(self) -> None:
        """Fetch again."""
        self._paused = False
        self._consumer.paused = self._closing
        self._kick()

    # Publishing

    def publish(
        self,
        queue: str,
        body: bytes,
        *,
        message_id: str | None = None,
        trace_id: str | None = None,
        sender: str | None = None,
        delay_s: float = 0.0,
        longest_s: float | None = None,  # noqa: ARG002 - waits are exact here
    ) -> asyncio.Future[Outcome]:
        """Hand a message to the worker."""
        future: asyncio.Future[Outcome] = self._loop.create_future()
        if self._closing:
            future.set_result(Outcome.UNKNOWN)
        elif self.max_message_bytes is not None and len(body) > self.max_message_bytes:
            future.set_result(Outcome.REFUSED)
        else:
            due = due_wall = None
            if delay_s > 0:
                due, due_wall = now_ms() + math.ceil(delay_s * 1000) + 1, time.time() + delay_s
            self._watch_send(future)
            self._submit(Send(future, Message(queue, body, message_id, trace_id, sender, due, due_wall), future.done))
        return future

    def _watch_send(self, future: asyncio.Future[Outcome]) -> None:
        """One timer for all: the oldest open publish is the first to run out of time."""
        sends = self._open_sends
        while sends and sends[0][1].done():
            sends.popleft()
        sends.append((self._loop.time() + self._publish_timeout_s, future))
        if self._send_timer is None:
            self._send_timer = self._loop.call_at(sends[0][0], self._end_sends)

    def _end_sends(self) -> None:
        sends, now = self._open_sends, self._loop.time()
        while sends and (sends[0][1].done() or sends[0][0] <= now):
            _resolve(sends.popleft()[1], Outcome.UNKNOWN)
        self._send_timer = self._loop.call_at(sends[0][0], self._end_sends) if sends else None

    # Settling

    def alive(self, delivery: Delivery) -> bool:
        """In hand, and the lease is good."""
        return delivery in self._hand and time.monotonic() < self._lease_until_s

    def ack(self, delivery: Delivery) -> Awaitable[bool]:
        """Done."""
        return self._settle(delivery, "ack")

    def release(self, delivery: Delivery) -> Awaitable[bool]:
        """Back, not counted."""
        return self._settle(delivery, "release")

    def release_counted(self, delivery: Delivery) -> Awaitable[bool]:
        """Back, counted."""
        return self._settle(delivery, "counted")

    def _settle(self, delivery: Delivery, how: str) -> asyncio.Future[bool]:
        future: asyncio.Future[bool] = self._loop.create_future()
        if not self.alive(delivery):
            future.set_result(False)
            return future
        self._hand.discard(delivery)
        self._settling.add(future)
        self._submit(Settle(future, delivery.tag, delivery.generation, how))
        return future

    # To and from the thread

    def _submit(self, work: Work) -> None:
        self._worker.inbox.append(work)
        self._kick()

    def _kick(self) -> None:
        """At the end of this round of the loop, so that all it asks for goes into one transaction."""
        if not self._kick_coming:
            self._kick_coming = True
            self._loop.call_soon(self._kick_now)

    def _kick_now(self) -> None:
        self._kick_coming = False
        if self._ended is not None and not self._ended.done():
            self._worker.kick()

    def _post(self, report: Report) -> bool:
        """Called in the thread; False when the loop is closed."""
        try:
            self._loop.call_soon_threadsafe(self._on_report, report)
        except RuntimeError:  # asyncio's way to say that the loop is closed
            return False
        return True

    def _on_report(self, report: Report) -> None:
        self._worker.seen()
        for future, outcome in report.sent:
            _resolve(future, outcome)
        for future, result in report.settled:
            self._settling.discard(future)
            _resolve(future, result)
        if report.lost is not None:
            self._lose(report.lost)
        if report.lease_until_s:
            self._set_lease(report.lease_until_s - LEASE_MARGIN_S)
        if report.reasons is not None:
            self._set_reasons(report.reasons)
        if report.claimed and report.generation == self._generation:
            self._deliver(report.claimed)
        if report.fault is not None:
            self._loop.call_exception_handler(
                {"message": "the sqlite transport made a mistake and starts anew", "exception": report.fault}
            )
        if report.ended and self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    def _deliver(self, claimed: list[Claimed]) -> None:
        now = self._loop.time()
        for found in claimed:
            delivery = Delivery(
                found.body, found.message_id, found.deliveries, found.redelivered, self._generation, found.row, now
            )
            self._hand.add(delivery)
            if self._paused or self._closing or self._on_delivery is None:
                self.release(delivery)
            elif not call_back(self._loop, self.kind, self._on_delivery, delivery):
                self.release_counted(delivery)

    def _set_lease(self, until_s: float) -> None:
        self._lease_until_s = until_s
        if self._lease_timer is None:
            self._lease_timer = self._loop.call_at(until_s, self._check_lease)

    def _check_lease(self) -> None:
        """The thread could not renew: it is stuck, or the whole process was."""
        self._lease_timer = None
        if not self._hand and not self._settling:
            return
        if self._loop.time() < self._lease_until_s:
            self._lease_timer = self._loop.call_at(self._lease_until_s, self._check_lease)
            return
        lost = self._generation
        self._lose(lost)
        self._submit(Abandon(lost))

    def _lose(self, generation: int) -> None:
        if generation != self._generation:
            return
        self._generation += 1
        self._hand.clear()
        settling, self._settling = self._settling, set()
        for future in settling:
            _resolve(future, False)
        if not self._closing:
            call_back(self._loop, self.kind, self.on_lost, generation)

    def _set_reasons(self, reasons: dict[str, str]) -> None:
        before, self._reasons = self._reasons, reasons
        for reason in before.keys() - reasons.keys():
            call_back(self._loop, self.kind, self.on_change, reason, None)
        for reason, sentence in reasons.items():
            if before.get(reason) != sentence:
                call_back(self._loop, self.kind, self.on_change, reason, sentence)


def _resolve(future: Any, result: object) -> None:
    """A cancelled one has nobody waiting."""
    if not future.done():
        future.set_result(result)


def _ignore_change(_reason: str, _sentence: str | None) -> None:
    """Nobody listens."""


def _ignore_loss(_generation: int) -> None:
    """Nobody listens."""
