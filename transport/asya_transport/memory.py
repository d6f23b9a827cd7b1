"""A broker inside one process: for tests of everything above the port, and to see the port's promises without a disk.

Product code: it passes the same contract suite as every other adapter. `MemoryBroker` is the broker, its `transport()` is a client,
and so is `memory_admin.MemoryAdmin`. All of it lives on one event loop, knows no other clock, and does not survive the process. A broker
can be switched off (`stop`, `begin`), which ends the generations of its consumers as a lost connection does.
A little over the usual length: the broker and its client are two sides of every promise, and are read together.
"""

from __future__ import annotations

import asyncio
from bisect import insort
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from asya_schemas.names import dead_letter_queue
from asya_transport.admin import Stored
from asya_transport.callbacks import call_back
from asya_transport.port import (
    BROKER_UNREACHABLE,
    DELIVERY_LIMIT,
    PUBLISH_TIMEOUT_S,
    QUEUE_MISSING,
    STARTING,
    Connected,
    Delivery,
    Outcome,
)

DEAD_LETTER_SUFFIX: Final = dead_letter_queue("")  # such a queue has no limit of its own


@dataclass(slots=True)
class Message:
    """One in a queue, or in somebody's hands."""

    number: int
    stored: Stored
    deliveries: int = 0
    redelivered: bool = False
    due_s: float = 0.0
    owner: MemoryTransport | None = None


@dataclass(slots=True)
class Queue:
    """One queue."""

    name: str
    messages: list[Message] = field(default_factory=list)
    """In order of arrival, those in somebody's hands included."""


class MemoryBroker:
    """Queues, and who consumes from them."""

    def __init__(self, *, max_message_bytes: int | None = None, delivery_limit: int = DELIVERY_LIMIT) -> None:
        self.max_message_bytes = max_message_bytes
        self.delivery_limit = delivery_limit
        self.up = True
        self.queues: dict[str, Queue] = {}
        self.clients: list[MemoryTransport] = []
        self.changes = 0
        self._numbers = 0

    def transport(self, *, publish_timeout_s: float = PUBLISH_TIMEOUT_S) -> MemoryTransport:
        """A client, not started."""
        return MemoryTransport(self, publish_timeout_s)

    def stop(self) -> None:
        """Go away: every connection is lost, messages stay."""
        self.up = False
        for client in self.clients:
            client.lose()

    def begin(self) -> None:
        """Come back."""
        self.up = True
        self.changed()

    def changed(self, *_: object) -> None:
        """Something may be ready: let everybody look."""
        self.changes += 1
        for client in list(self.clients):
            client.look()

    def put(self, queue: str, stored: Stored, delay_s: float = 0.0) -> Outcome:
        """Store a message."""
        if self.max_message_bytes is not None and len(stored.body) > self.max_message_bytes:
            return Outcome.REFUSED
        found = self.queues.get(queue)
        if found is None:
            return Outcome.UNROUTABLE
        self._numbers += 1
        message = Message(self._numbers, stored)
        found.messages.append(message)
        if delay_s > 0:
            loop = asyncio.get_running_loop()
            message.due_s = loop.time() + delay_s
            loop.call_at(message.due_s, self._is_due, message)
        self.changed()
        return Outcome.CONFIRMED

    def _is_due(self, message: Message) -> None:
        """The loop's timer has the last word: it may be early by the resolution of the clock, and nobody would look again."""
        message.due_s = 0.0
        self.changed()

    def declare(self, queue: str) -> None:
        """The queue and its dead-letter queue."""
        self.queues.setdefault(queue, Queue(queue))
        if not queue.endswith(DEAD_LETTER_SUFFIX):
            self.declare(dead_letter_queue(queue))
        self.changed()

    def delete(self, queue: str) -> int:
        """The queue and all its messages; its consumers lose what they hold."""
        gone = self.queues.pop(queue, None)
        if gone is None:
            return 0
        for owner in {message.owner for message in gone.messages if message.owner is not None}:
            owner.lose()
        self.changed()
        return len(gone.messages)

    def give_back(self, queue: str, message: Message, *, counted: bool) -> None:
        """To where it was; to the dead letters when it came back too often."""
        message.owner, message.redelivered = None, True
        if not counted:
            message.deliveries -= 1
        elif message.deliveries >= self.delivery_limit and not queue.endswith(DEAD_LETTER_SUFFIX):
            self.declare(dead_letter_queue(queue))
            self.queues[queue].messages.remove(message)
            message.deliveries, message.redelivered = 0, False
            insort(self.queues[dead_letter_queue(queue)].messages, message, key=lambda other: other.number)


class MemoryTransport:
    """Implements `port.Transport`."""

    kind = "memory"
    max_delay_s: float | None = None

    def __init__(self, broker: MemoryBroker, publish_timeout_s: float) -> None:
        self.max_message_bytes = broker.max_message_bytes
        self.on_change: Callable[[str, str | None], None] = lambda _reason, _sentence: None
        self.on_lost: Callable[[int], None] = lambda _generation: None
        self._broker = broker
        self._publish_timeout_s = publish_timeout_s
        self._reasons: dict[str, str] = {STARTING: "not started"}
        self._queue = ""
        self._on_delivery: Callable[[Delivery], None] | None = None
        self._window = 1
        self._paused = self._closed = self._look_coming = False
        self._generation = 0
        self._hand: dict[Delivery, Message] = {}
        self._waiting: list[tuple[asyncio.Future[Outcome], str, Stored, float]] = []

    @property
    def reasons(self) -> frozenset[str]:
        """Why not everything works now."""
        return frozenset(self._reasons)

    @property
    def consuming(self) -> bool:
        """Registered, not paused, nothing in the way."""
        return self._on_delivery is not None and not self._paused and not self._closed and not self._reasons

    @property
    def connected(self) -> Connected:
        """Both ways are one."""
        up = self._reasons.keys().isdisjoint((STARTING, BROKER_UNREACHABLE))
        return Connected(consume=up, publish=up)

    def start(self) -> None:
        """Connect."""
        self._loop = asyncio.get_running_loop()
        self._broker.clients.append(self)
        self.look()

    async def close(self) -> None:
        """Give back what is held."""
        if self._closed:
            return
        self._closed = True
        self._broker.clients.remove(self)
        self.on_lost = lambda _generation: None
        self.lose()
        for future, *_ in self._waiting:
            self._time_out(future)

    def consume(self, queue: str, on_delivery: Callable[[Delivery], None], window: int = 1) -> None:
        """Register, once."""
        if self._on_delivery is not None:
            raise RuntimeError(f"this transport consumes from {self._queue} already; open another one for {queue}")
        self._queue, self._on_delivery, self._window = queue, on_delivery, max(1, window)
        self.look()

    def set_window(self, window: int) -> None:
        """Change the number of unsettled deliveries."""
        self._window = max(1, window)
        self.look()

    def pause(self) -> None:
        """Fetch nothing more."""
        self._paused = True

    def resume(self) -> None:
        """Fetch again."""
        self._paused = False
        self.look()

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
        """Store it in the next round of the loop: an answer is never there before the question's caller has gone on."""
        future: asyncio.Future[Outcome] = self._loop.create_future()
        if self._closed:
            future.set_result(Outcome.UNKNOWN)
            return future
        self._waiting.append((future, queue, Stored(body, message_id, trace_id, sender, 0), delay_s))
        if not self._broker.up:
            self._loop.call_later(self._publish_timeout_s, self._time_out, future)
        self.look()
        return future

    def _time_out(self, future: asyncio.Future[Outcome]) -> None:
        if not future.done():
            future.set_result(Outcome.UNKNOWN)

    def alive(self, delivery: Delivery) -> bool:
        """In hand, and of this generation."""
        return delivery in self._hand

    def ack(self, delivery: Delivery) -> Awaitable[bool]:
        """Done."""
        message = self._hand.pop(delivery, None)
        if message is not None:
            self._broker.queues[self._queue].messages.remove(message)
            self._broker.changed()
        return self._answer(message is not None)

    def release(self, delivery: Delivery) -> Awaitable[bool]:
        """Back, not counted."""
        return self._give_back(delivery, counted=False)

    def release_counted(self, delivery: Delivery) -> Awaitable[bool]:
        """Back, counted."""
        return self._give_back(delivery, counted=True)

    def _give_back(self, delivery: Delivery, *, counted: bool) -> asyncio.Future[bool]:
        message = self._hand.pop(delivery, None)
        if message is not None:
            self._broker.give_back(self._queue, message, counted=counted)
            self._broker.changed()
        return self._answer(message is not None)

    def _answer(self, result: bool) -> asyncio.Future[bool]:
        future: asyncio.Future[bool] = self._loop.create_future()
        future.set_result(result)
        return future

    # Called by the broker

    def look(self) -> None:
        """See in the next round of the loop what there is to do."""
        if not self._look_coming and not self._closed:
            self._look_coming = True
            self._loop.call_soon(self._work)

    def lose(self) -> None:
        """The connection, or the queue, is gone."""
        hand, self._hand = self._hand, {}
        queue = self._broker.queues.get(self._queue)
        for message in hand.values():
            if queue is not None:
                self._broker.give_back(self._queue, message, counted=True)
        self._generation += 1
        waiting, self._waiting = self._waiting, []
        for future, *_ in waiting:  # asked before, and not stored: the connection took the question with it
            self._time_out(future)
        self.look()
        self._broker.changed()
        call_back(self._loop, self.kind, self.on_lost, self._generation - 1)

    def _work(self) -> None:
        self._look_coming = False
        self._set_reasons()
        if self._closed or not self._broker.up:
            return
        waiting, self._waiting = self._waiting, []
        for future, queue, stored, delay_s in waiting:
            if not future.done():
                future.set_result(self._broker.put(queue, stored, delay_s))
        queue_found = self._broker.queues.get(self._queue)
        if queue_found is not None and self._on_delivery is not None:
            self._fetch(queue_found, self._on_delivery)

    def _fetch(self, queue: Queue, on_delivery: Callable[[Delivery], None]) -> None:
        now = self._loop.time()
        for message in list(queue.messages):
            if self._paused or self._closed or len(self._hand) >= self._window:
                return
            if message.owner is not None or message.due_s > now or message not in queue.messages:
                continue
            message.owner, message.deliveries = self, message.deliveries + 1
            stored = message.stored
            delivery = Delivery(
                stored.body,
                stored.message_id,
                message.deliveries,
                message.redelivered,
                self._generation,
                message.number,
                now,
            )
            self._hand[delivery] = message
            if not call_back(self._loop, self.kind, on_delivery, delivery):
                self.release_counted(delivery)

    def _set_reasons(self) -> None:
        reasons = {}
        if not self._broker.up:
            reasons[BROKER_UNREACHABLE] = "the broker is switched off"
        elif self._on_delivery is not None and self._queue not in self._broker.queues:
            reasons[QUEUE_MISSING] = f"queue {self._queue} is not declared; waiting for it"
        before, self._reasons = self._reasons, reasons
        for reason in before.keys() - reasons.keys():
            call_back(self._loop, self.kind, self.on_change, reason, None)
        for reason in reasons.keys() - before.keys():
            call_back(self._loop, self.kind, self.on_change, reason, reasons[reason])
