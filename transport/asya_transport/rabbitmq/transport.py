"""The port on RabbitMQ: two links, the generations of the consuming one, and what is in hand.

Made by `choose.open_transport`. All of it lives on one event loop; sockets are asyncio's, so nothing here waits for anything.
A little over the usual length: the port is one class, and half of it is the port's own words.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from asya_transport.callbacks import call_back
from asya_transport.port import (
    ACCESS_REFUSED,
    BROKER_UNREACHABLE,
    CONSUMER_CANCELLED,
    PUBLISH_TIMEOUT_S,
    STARTING,
    Connected,
    Delivery,
    Outcome,
)
from asya_transport.rabbitmq import frames
from asya_transport.rabbitmq.address import RabbitmqAddress
from asya_transport.rabbitmq.connection import CONNECTION_FORCED, Connection, close_code
from asya_transport.rabbitmq.consumer import GIVE_UP_S, Consumer
from asya_transport.rabbitmq.link import Link
from asya_transport.rabbitmq.publisher import Publisher
from asya_transport.rabbitmq.topology import version_of

CHECK_EVERY_S: Final = 0.5
"""Contract: sidecar, P6."""
STALLED_S: Final = 18.0
"""The broker gives up a peer after two heartbeats of silence; a process that stood still for nearly so long trusts nothing it holds."""
MAX_MESSAGE_BYTES: Final = 128 * 1024 * 1024
"""RabbitMQ's own limit before 4.0; a smaller one is learnt from its first complaint."""
CLOSE_WITHIN_S: Final = 1.0
UNTIL_REGISTERED: Final = (STARTING, BROKER_UNREACHABLE, ACCESS_REFUSED, CONSUMER_CANCELLED)
COUNTS_ONLY_FAULTS: Final = (4, 3)
"""From this version on a `nack` with requeue does not count as a delivery."""


class RabbitmqTransport:
    """Implements `port.Transport`."""

    kind = "rabbitmq"

    def __init__(
        self,
        address: RabbitmqAddress,
        *,
        name: str = "asya",
        publish_timeout_s: float = PUBLISH_TIMEOUT_S,
        register_timeout_s: float = GIVE_UP_S,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
    ) -> None:
        self.max_message_bytes: int | None = max_message_bytes
        self.max_delay_s: float | None = address.delay_tiers[-1][1] if address.delay_tiers else 0.0
        self.on_change: Callable[[str, str | None], None] = _ignore_change
        self.on_lost: Callable[[int], None] = _ignore_loss
        self._address = address
        self._reasons: dict[str, str] = {STARTING: "not connected yet"}
        self._intake = Link(address, f"{name} consume", self._intake_up, self._intake_down, self._tell)
        self._outlet = Link(address, f"{name} publish", self._outlet_up, self._outlet_down, self._tell)
        self._publisher = Publisher(address.delay_tiers, publish_timeout_s, self._tell, self._limited, self._patience)
        self._register_timeout_s = register_timeout_s
        self._consumer: Consumer | None = None
        self._queue = ""
        self._on_delivery: Callable[[Delivery], None] | None = None
        self._window = 1
        self._paused = self._closing = self._started = False
        self._generation = 0
        self._served = False
        """A consumer was registered once."""
        self._lost_why: tuple[str, str] | None = None
        """Why the last generation ended, until something else is known."""
        self._checked_at = 0.0
        self._check_timer: asyncio.TimerHandle | None = None
        self._leaving: set[int] = set()
        """Deliveries that are on their way back as a new message."""
        self._moves: set[asyncio.Task[bool]] = set()

    @property
    def reasons(self) -> frozenset[str]:
        """Why not everything works now."""
        return frozenset(self._reasons)

    @property
    def consuming(self) -> bool:
        """Registered at the broker and not paused."""
        consumer = self._consumer  # once: threads that show figures ask, too
        return consumer is not None and consumer.registered and not self._paused and not self._closing

    @property
    def connected(self) -> Connected:
        """The two links."""
        return Connected(self._intake.connection is not None, self._outlet.connection is not None)

    def start(self) -> None:
        """Connect, on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._started = True
        self._checked_at = self._loop.time()
        self._intake.start()
        self._outlet.start()
        self._check_timer = self._loop.call_later(CHECK_EVERY_S, self._check)

    async def close(self) -> None:
        """First what was asked for, then the connections, which gives back what is in hand."""
        if self._closing:
            return
        self._paused = self._closing = True
        if not self._started:
            return
        if self._check_timer is not None:
            self._check_timer.cancel()
        if self._consumer is not None:
            self._consumer.set_paused(True)
        until = self._loop.time() + CLOSE_WITHIN_S
        while not (self._publisher.idle and self._settled()) and self._loop.time() < until:
            if self._intake.connection is None and self._outlet.connection is None:
                break
            await asyncio.sleep(0.005)
        self._lose()
        await asyncio.gather(*(link.close(CLOSE_WITHIN_S / 2) for link in (self._intake, self._outlet)))
        self._publisher.close()

    def _settled(self) -> bool:
        return not self._moves and (self._consumer is None or self._consumer.proved)

    # Consuming

    def consume(self, queue: str, on_delivery: Callable[[Delivery], None], window: int = 1) -> None:
        """Register, once."""
        if self._on_delivery is not None:
            raise RuntimeError(f"this transport consumes from {self._queue} already; open another one for {queue}")
        self._queue, self._on_delivery, self._window = queue, on_delivery, max(1, window)
        if self._intake.connection is not None:
            self._intake_up(self._intake.connection)
            self._tell()

    def set_window(self, window: int) -> None:
        """Change the number of unsettled deliveries."""
        self._window = max(1, window)
        if self._consumer is not None:
            self._consumer.set_window(self._window)

    def pause(self) -> None:
        """Fetch nothing more."""
        self._set_paused(True)

    def resume(self) -> None:
        """Fetch again."""
        self._set_paused(self._closing)

    def _set_paused(self, paused: bool) -> None:
        self._paused = paused
        if self._consumer is not None:
            self._consumer.set_paused(paused)
            self._tell()

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
        longest_s: float | None = None,
    ) -> asyncio.Future[Outcome]:
        """Send it, or keep it until that is possible."""
        refused = self.max_message_bytes is not None and len(body) > self.max_message_bytes
        if refused or self._closing or len(queue.encode()) > frames.SHORT_STRING_BYTES:
            future: asyncio.Future[Outcome] = self._loop.create_future()
            future.set_result(Outcome.UNKNOWN if self._closing else Outcome.REFUSED)
            return future
        head = frames.properties(message_id, trace_id, sender, int(time.time()))
        return self._publisher.send(queue, head, body, delay_s, longest_s)

    def _patience(self) -> int:
        """So many messages may wait for each other, because what else is in hand is going to bring more."""
        consumer = self._consumer
        return 1 if consumer is None or len(consumer.tags) < 2 else consumer.patience

    # Settling

    def alive(self, delivery: Delivery) -> bool:
        """In hand, of this generation, and the process has not stood still."""
        consumer = self._consumer
        return (
            consumer is not None
            and delivery.generation == self._generation
            and delivery.tag in consumer.tags
            and delivery.tag not in self._leaving
            and self._loop.time() - self._checked_at < STALLED_S
        )

    def ack(self, delivery: Delivery) -> Awaitable[bool]:
        """Done."""
        if self._consumer is None or not self.alive(delivery):
            return self._gone()
        return self._consumer.ack(delivery.tag)

    def release(self, delivery: Delivery) -> Awaitable[bool]:
        """Back, not counted: before RabbitMQ 4.3 the second time as a new message (contract: sidecar, section 12)."""
        if self._consumer is None or not self.alive(delivery):
            return self._gone()
        if not delivery.redelivered or self._version() >= COUNTS_ONLY_FAULTS:
            return self._consumer.requeue(delivery.tag, counted=False)
        self._leaving.add(delivery.tag)
        move = self._loop.create_task(self._move(self._consumer, delivery))
        self._moves.add(move)
        move.add_done_callback(self._moves.discard)
        return move

    def release_counted(self, delivery: Delivery) -> Awaitable[bool]:
        """Back, counted."""
        if self._consumer is None or not self.alive(delivery):
            return self._gone()
        return self._consumer.requeue(delivery.tag, counted=True)

    async def _move(self, consumer: Consumer, delivery: Delivery) -> bool:
        """A confirmed copy with a fresh count, then the ack."""
        head = consumer.tags[delivery.tag]
        assert isinstance(head, bytes), "what is kept with a tag are the encoded properties"
        found = frames.read_properties(head)
        trace_id = found.header("trace_id")
        copy = frames.properties(
            found.message_id, trace_id if isinstance(trace_id, str) else None, found.app_id, int(time.time())
        )
        outcome = await self._publisher.send(self._queue, copy, delivery.body, 0.0, None)
        if consumer is not self._consumer or delivery.tag not in consumer.tags:
            return False
        self._leaving.discard(delivery.tag)
        if outcome is Outcome.CONFIRMED:
            return await consumer.ack(delivery.tag)
        # No copy, or perhaps one: give it back the way that counts rather than keep it.
        return await consumer.requeue(delivery.tag, counted=False)

    def _gone(self) -> asyncio.Future[bool]:
        future: asyncio.Future[bool] = self._loop.create_future()
        future.set_result(False)
        return future

    def _version(self) -> tuple[int, int]:
        connection = self._intake.connection
        return (0, 0) if connection is None else version_of(connection.server_version)

    # Called by the links and the consumer

    def _intake_up(self, connection: Connection) -> None:
        if self._on_delivery is not None and not self._closing:
            self._consumer = Consumer(
                connection, self._queue, self._window, self._paused, self._register_timeout_s, self
            )

    def _intake_down(self, error: Exception) -> None:
        """Both connections go together (contract: sidecar, P6)."""
        said = close_code(error)
        if self._consumer is not None and self._consumer.is_refused and said and said[0] != CONNECTION_FORCED:
            self._lost_why = (
                CONSUMER_CANCELLED,
                f"RabbitMQ ends the connection instead of delivering from queue {self._queue}: {said[0]} {said[1]}",
            )
        self._lose()
        self._outlet.drop(f"the consuming connection is gone: {error}")

    def _outlet_up(self, connection: Connection) -> None:
        self._publisher.up(connection)

    def _outlet_down(self, _error: Exception) -> None:
        self._publisher.down()

    def _limited(self, max_bytes: int) -> None:
        """The broker takes less than we thought."""
        self.max_message_bytes = min(max_bytes, self.max_message_bytes or max_bytes)

    def arrived(self, tag: int, redelivered: bool, head: bytes, body: bytes) -> None:
        """A message."""
        consumer = self._consumer
        if consumer is None:
            return
        found = frames.read_properties(head)
        counted = found.header("x-delivery-count")
        deliveries = counted + 1 if isinstance(counted, int) else None if redelivered else 1
        delivery = Delivery(body, found.message_id, deliveries, redelivered, self._generation, tag, self._loop.time())
        consumer.tags[tag] = head
        if self._paused or self._on_delivery is None:
            self.release(delivery)
        elif not call_back(self._loop, self.kind, self._on_delivery, delivery):
            self.release_counted(delivery)

    def consumer_changed(self) -> None:
        """It was registered, or cannot be."""
        if self._consumer is not None and self._consumer.registered:
            self._served, self._lost_why = True, None
        self._tell()

    def consumer_lost(self, why: str) -> None:
        """The broker has ended it: begin a new generation."""
        self._lost_why = CONSUMER_CANCELLED, why
        self._lose()
        self._tell()
        self._intake.drop(why)

    def _lose(self) -> None:
        consumer, self._consumer = self._consumer, None
        self._leaving.clear()
        if consumer is None:
            return
        consumer.end()
        self._publisher.withdraw()
        self._generation += 1
        if not self._closing:
            call_back(self._loop, self.kind, self.on_lost, self._generation - 1)

    # Checks and reasons

    def _check(self) -> None:
        now = self._loop.time()
        stood_still, self._checked_at = now - self._checked_at > STALLED_S, now
        self._check_timer = self._loop.call_later(CHECK_EVERY_S, self._check)
        if stood_still:
            self._intake.drop("this process stood still for longer than the broker waits")
        elif self._intake.is_silent():
            self._intake.drop("the broker has not answered for too long")
        if self._outlet.is_silent():
            self._outlet.drop("the broker has not answered for too long")
        elif why := self._publisher.check(now):
            self._outlet.drop(why)
        if self._publisher.serves(now):
            self._outlet.served()
        if self._consumer is not None:
            if self._consumer.serves(now):
                self._intake.served()
            self._consumer.check(now)

    def _tell(self) -> None:
        """Compare what is wrong with what was told."""
        reasons: dict[str, str] = {}
        links = (self._intake, self._outlet)
        if not all(link.tried for link in links) and not any(link.trouble for link in links):
            reasons[STARTING] = self._reasons.get(STARTING, "not connected yet")
        if self._lost_why is not None:
            reasons[self._lost_why[0]] = self._lost_why[1]
        if self._consumer is not None and self._consumer.reason is not None:
            reasons.pop(CONSUMER_CANCELLED, None)
            reasons[self._consumer.reason[0]] = self._consumer.reason[1]
        reasons |= self._publisher.reasons
        for link in links:
            # Where the peer lives the connection is back soon, or the next try says why not.
            if link.connection is None and link.trouble is not None and not self._is_expected(link):
                reasons[link.trouble[0]] = link.trouble[1]
        before, self._reasons = self._reasons, reasons
        if self._consumer is not None and self._consumer.is_awaited:
            # Connected is not yet consuming: what was wrong is over when messages can come.
            kept = (reason for reason in UNTIL_REGISTERED if reason in before)
            reasons |= {reason: before[reason] for reason in kept if reason not in reasons}
            if not self._served and not reasons:
                reasons[STARTING] = "the consumer is not registered yet"
        if self._closing:
            return
        for reason in before.keys() - reasons.keys():
            call_back(self._loop, self.kind, self.on_change, reason, None)
        for reason, sentence in reasons.items():
            if before.get(reason) != sentence:
                call_back(self._loop, self.kind, self.on_change, reason, sentence)

    def _is_expected(self, link: Link) -> bool:
        return link.peer_lives and bool(self._lost_why or self._publisher.reasons)


def _ignore_change(_reason: str, _sentence: str | None) -> None:
    """Nobody listens."""


def _ignore_loss(_generation: int) -> None:
    """Nobody listens."""
