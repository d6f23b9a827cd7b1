"""The consuming channel of one connection: what the broker hands out, and how it is settled.

Made by transport.py for each connection, thrown away with it: so a delivery can never be settled on a channel it did not come through
(contract: sidecar, P5). Frames of deliveries and settlements are ours, the rest of the channel is pika's.

Window: quorum queues know only a prefetch per consumer, fixed when it registers. The window grows by one more consumer on the same channel
for the difference; it shrinks by cancelling all, and a new one registers when there is room.
A little over the usual length: registering, reading and settling share the state of one channel.
"""

from __future__ import annotations

import asyncio
import io
from typing import Any, Final, Protocol

import pika.frame
from pika.channel import Channel

from asya_transport.port import ACCESS_REFUSED, CONSUMER_CANCELLED, QUEUE_MISSING
from asya_transport.rabbitmq import frames
from asya_transport.rabbitmq.connection import GATHER_S, Connection, close_code

WINDOW_SHARE: Final = 8
"""One in so many of the window may wait to be settled together with others: a large window hides the wait, a small one has none."""
AGAIN_S: Final = 0.5
"""Until a missing queue is asked for again."""
AGAIN_REFUSED_S: Final = 5.0
STAYS_S: Final = 0.5
"""A consumer that the broker has kept for so long is not lost at once any more."""
UNANSWERED_S: Final = 0.5
"""A registration that has no answer for so long is a reason not to be ready; it takes milliseconds."""
GIVE_UP_S: Final = 10.0
"""After so long without an answer another connection, perhaps to another host, is the better hope."""
LARGE_BODY_BYTES: Final = 1 << 20
NOT_ALLOWED: Final = 403
NOT_FOUND: Final = 404


class Owner(Protocol):
    """What transport.py does with what is found here."""

    def arrived(self, tag: int, redelivered: bool, head: bytes, body: bytes) -> None:
        """A message; `head` are its encoded properties."""
        ...

    def consumer_changed(self) -> None:
        """`reason` or `registered` is different."""
        ...

    def consumer_lost(self, why: str) -> None:
        """The channel, or the consumer, was ended by the broker; all that is in hand is lost."""
        ...


class Consumer:
    """One channel. `tags` are the unsettled deliveries, oldest first."""

    def __init__(
        self, connection: Connection, queue: str, window: int, paused: bool, give_up_s: float, owner: Owner
    ) -> None:
        self.reason: tuple[str, str] | None = None
        self.tags: dict[int, object] = {}
        """Delivery tag -> whatever the owner keeps with it."""
        self._connection = connection
        self._queue = queue
        self._window = window
        self._paused = paused
        self._give_up_s = give_up_s
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._channel: Channel | None = None
        self._number = 0
        self._credits: dict[str, int] = {}
        """Consumer tag -> prefetch, of consumers that were asked for and not cancelled."""
        self._confirmed: set[str] = set()
        self._cancelling: set[str] = set()
        self._leftover: set[int] = set()
        """Deliveries that came through consumers which are cancelled."""
        self._deliver: tuple[int, bool] | None = None
        self._size = 0
        self._head = b""
        self._pieces: list[bytes] = []
        self._large: io.BytesIO | None = None
        """Instead of pieces: hands out its buffer without a copy, so that a large body is in memory once."""
        self._missing_bytes = 0
        self._acks: list[int] = []
        self._returns: list[bytes] = []
        """Frames that wait until the broker has cancelled: a consumer that is still there would get these messages again."""
        self._unproved: list[asyncio.Future[bool]] = []
        self._proving: list[asyncio.Future[bool]] = []
        self._flush_coming = self._flush_due = False
        self._gathering: asyncio.TimerHandle | None = None
        self._unanswered_since: float | None = None
        self._registered_at: float | None = None
        """When the broker said yes first, whatever has become of it."""
        self._open_channel()

    @property
    def registered(self) -> bool:
        """The broker has said that it will deliver."""
        return bool(self._confirmed)

    @property
    def is_refused(self) -> bool:
        """Asked of one whose connection is gone: the broker was asked to deliver and never said yes."""
        return self.is_awaited and self._registered_at is None

    def serves(self, now: float) -> bool:
        """The broker hands out: it has said so, and has kept to it for a while."""
        return self._registered_at is not None and now - self._registered_at > STAYS_S

    @property
    def is_awaited(self) -> bool:
        """It is to be registered, nothing is known to be in the way, and the broker has not said yes yet."""
        return not self._confirmed and not self._leftover and not self._paused and self.reason is None

    @property
    def patience(self) -> int:
        """So many messages may wait for each other; 0 or 1: none."""
        return 0 if self._paused else self._window // WINDOW_SHARE

    @property
    def proved(self) -> bool:
        """Every settlement has arrived at the broker."""
        return not (self._acks or self._unproved or self._proving)

    # registering

    def set_window(self, window: int) -> None:
        """At most so many unsettled deliveries."""
        self._window = window
        self._adjust()

    def set_paused(self, paused: bool) -> None:
        """Fetch nothing more, or again."""
        self._paused = paused
        self._adjust()

    def check(self, now: float) -> None:
        """Called every half second: does the broker answer when it is asked to deliver? (contract: sidecar, P6)"""
        registering = self._credits or (self._channel is not None and not self._number)
        if not self._cancelling and (self._confirmed or not registering):
            self._unanswered_since = None
            return
        since = self._unanswered_since
        if since is None:
            self._unanswered_since = now
        elif now - since > self._give_up_s:
            self._owner.consumer_lost(
                f"RabbitMQ has not answered about the consumer of queue {self._queue} for {self._give_up_s:g} s"
            )
        elif now - since > UNANSWERED_S and self.reason is None and not self._cancelling:
            self.reason = (
                CONSUMER_CANCELLED,
                f"RabbitMQ does not answer the request to consume from queue {self._queue}",
            )
            self._owner.consumer_changed()

    def end(self) -> None:
        """The connection is gone: nothing of it will be proved any more."""
        self._number, self._channel = 0, None
        self.tags.clear()
        self._forget_settlements()

    def _forget_settlements(self) -> None:
        """The channel is gone, so nobody will say any more what has arrived."""
        for future in (*self._proving, *self._unproved):
            if not future.done():
                future.set_result(False)
        self._proving, self._unproved, self._acks, self._returns = [], [], [], []
        self._flush_due = False

    def _open_channel(self) -> None:
        if self._connection.is_open and self._channel is None:
            self._channel = self._connection.channel(on_open_callback=self._opened)
            self._channel.add_on_close_callback(self._closed)

    def _opened(self, channel: Channel) -> None:
        channel.add_on_cancel_callback(self._cancelled)
        self._number = channel.channel_number
        self._connection.readers[self._number] = self._read
        self._adjust()

    def _adjust(self) -> None:
        """Bring what is registered to what is wanted."""
        channel, total = self._channel, sum(self._credits.values())
        if channel is None or not self._number:
            return
        wanted = 0 if self._paused else self._window
        if total > wanted:
            for name in list(self._credits):
                self._cancelling.add(name)
                del self._credits[name]
                self._confirmed.discard(name)
                channel.basic_cancel(name, callback=self._cancel_ok)
            return
        room = wanted - total - len(self._leftover)
        if room > 0 and not self._cancelling and (total == 0 or not self._leftover):
            channel.basic_qos(prefetch_count=room)
            name = channel.basic_consume(self._queue, _unused, callback=self._consume_ok)
            self._credits[name] = room

    def _consume_ok(self, method: pika.frame.Method[Any]) -> None:
        name = method.method.consumer_tag
        if name in self._credits:
            self._confirmed.add(name)
            if self._registered_at is None:
                self._registered_at = self._loop.time()
        self.reason = None
        self._owner.consumer_changed()

    def _cancel_ok(self, method: pika.frame.Method[Any]) -> None:
        self._cancelling.discard(method.method.consumer_tag)
        if not self._cancelling:
            returns, self._returns = self._returns, []
            if self._number and returns:
                self._connection.send(*returns)
            self._flush()
        if not self._credits:
            self._leftover = set(self.tags)
        self._adjust()

    def _cancelled(self, _method: object) -> None:
        """By the broker: the queue is gone, or its leader, or the acknowledgement deadline has passed."""
        self.reason = CONSUMER_CANCELLED, f"RabbitMQ has cancelled the consumer of queue {self._queue}"
        self._owner.consumer_lost(self.reason[1])

    def _closed(self, channel: Channel, error: Exception) -> None:
        if channel is not self._channel:
            return
        self._connection.readers.pop(channel.channel_number, None)
        self._channel, self._number = None, 0
        code, text = close_code(error) or (0, str(error))
        was_registered = self.registered
        self._credits.clear()
        self._confirmed.clear()
        self._cancelling.clear()
        self._forget_settlements()
        if not self._connection.is_open:
            return
        if was_registered or self.tags:
            self.reason = CONSUMER_CANCELLED, f"RabbitMQ has closed the channel of queue {self._queue}: {text}"
            self._owner.consumer_lost(self.reason[1])
            return
        if code == NOT_ALLOWED:
            self.reason = ACCESS_REFUSED, f"this user may not read queue {self._queue}: {text}"
        elif code == NOT_FOUND:
            self.reason = QUEUE_MISSING, f"queue {self._queue} cannot be used, waiting for it: {text}"
        else:
            self.reason = CONSUMER_CANCELLED, f"RabbitMQ does not let us consume from queue {self._queue}: {text}"
        self._owner.consumer_changed()
        self._loop.call_later(AGAIN_REFUSED_S if code == NOT_ALLOWED else AGAIN_S, self._open_channel)

    # deliveries

    def _read(self, kind: int, buffer: bytes, begin: int, end: int) -> bool:
        if kind == frames.BODY and self._deliver is not None:
            if self._large is None:
                self._pieces.append(buffer[begin:end])
            else:
                self._large.write(buffer[begin:end])
            self._missing_bytes -= end - begin
        elif kind == frames.HEADER and self._deliver is not None:
            self._missing_bytes = frames.read_size(buffer, begin)
            self._head = buffer[begin + 12 : end]
            if self._missing_bytes > LARGE_BODY_BYTES:
                self._large = _room_for(self._missing_bytes)
        elif kind == frames.METHOD:
            method = frames.ID.unpack_from(buffer, begin)[0]
            if method == frames.DELIVER:
                self._deliver = frames.read_deliver(buffer, begin + 4)
                self._missing_bytes = -1
                return True
            if method == frames.FLOW_OK:
                self._proved()
                return True
            return False
        else:
            return False
        if self._missing_bytes == 0:
            self._complete()
        return True

    def _complete(self) -> None:
        assert self._deliver is not None, "a body belongs to a delivery"
        (tag, redelivered), self._deliver = self._deliver, None
        if self._large is not None:
            body, self._large = self._large.getvalue(), None
        else:
            pieces, self._pieces = self._pieces, []
            body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._owner.arrived(tag, redelivered, self._head, body)

    # settling

    def ack(self, tag: int) -> asyncio.Future[bool]:
        """Done; acks of one round of the loop go out together."""
        del self.tags[tag]
        self._acks.append(tag)
        return self._settled(tag)

    def requeue(self, tag: int, *, counted: bool) -> asyncio.Future[bool]:
        """Back to the queue."""
        del self.tags[tag]
        frame = (frames.reject if counted else frames.nack)(self._number, tag)
        if self._cancelling:
            self._returns.append(frame)
        else:
            self._connection.send(frame)
        return self._settled(tag)

    def _settled(self, tag: int) -> asyncio.Future[bool]:
        future: asyncio.Future[bool] = self._loop.create_future()
        self._unproved.append(future)
        if not self._flush_coming and (not self.tags or len(self._unproved) >= self.patience):
            self._flush_coming = True
            self._loop.call_soon(self._flush)
        elif not self._flush_coming and self._gathering is None:
            self._gathering = self._loop.call_later(GATHER_S, self._flush)
        if self._leftover:
            self._leftover.discard(tag)
            if not self._leftover:
                self._loop.call_soon(self._adjust)
        return future

    def _flush(self) -> None:
        """Write the acks, then ask whether all has arrived, one question at a time; acks that have patience wait for its answer.

        They wait for a cancellation, too: the consumer that is on its way out would use the room for one more message.
        """
        self._flush_coming = False
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
        self._flush_due = bool(self._proving)
        if not self._number or self._cancelling or (self._flush_due and self.patience > 1):
            return
        if self._acks:
            acks, self._acks = self._acks, []
            self._write_acks(acks)
        if self._unproved and not self._flush_due:
            self._proving, self._unproved = self._unproved, []
            self._connection.send(frames.flow(self._number))

    def _write_acks(self, acks: list[int]) -> None:
        """One frame for all tags below the oldest that is still in hand: they are all settled, by these acks or before."""
        acks.sort()
        oldest = next(iter(self.tags), acks[-1] + 1)
        together = [tag for tag in acks if tag < oldest]
        if together:
            self._connection.send(frames.ack(self._number, together[-1], multiple=len(together) > 1))
        for tag in acks[len(together) :]:
            self._connection.send(frames.ack(self._number, tag, multiple=False))

    def _proved(self) -> None:
        proving, self._proving = self._proving, []
        for future in proving:
            if not future.done():
                future.set_result(True)
        if self._flush_due:
            self._flush()


def _room_for(size: int) -> io.BytesIO:
    """A buffer that need not grow, which would copy it."""
    room = io.BytesIO()
    room.seek(size - 1)
    room.write(b"\0")
    room.seek(0)
    return room


def _unused(*_: object) -> None:
    """pika asks for a callback; `_read` takes deliveries before pika sees them."""
