"""One confirm channel: messages go out in the order of the calls, answers come back in any order.

A publisher has two, so that a missing delay tier, which closes its channel, disturbs no other send (contract: sidecar, section 12).
A lane outlives its connections: what was not sent waits for the next, what was sent and not answered is unknown when the connection goes.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from pika.channel import Channel
from pika.spec import Basic, BasicProperties

from asya_transport.port import Outcome
from asya_transport.rabbitmq import frames
from asya_transport.rabbitmq.connection import Connection, close_code
from asya_transport.rabbitmq.sending import Sending

REOPEN_PAUSE_S: Final = 0.2
NOT_ALLOWED: Final = 403
NOT_FOUND: Final = 404
PRECONDITION_FAILED: Final = 406
_LIMIT: Final = re.compile(r"configured max size (\d+)")


class Lane:
    """`up` and `down` follow the connection, `send` is always possible."""

    def __init__(
        self,
        on_missing: Callable[[Sending], None],
        on_limit: Callable[[int], None],
        patience: Callable[[], int],
    ) -> None:
        self.waiting: deque[Sending] = deque()
        self.blocked = False
        self.confirmed = False
        """The broker has confirmed something since the connection came up."""
        self._on_missing = on_missing
        """The exchange of this one does not exist, or no queue is bound to it."""
        self._on_limit = on_limit
        """The broker takes no larger body than this."""
        self._patience = patience
        """So many messages may wait for each other, up to GATHER_S; 1: none."""
        self._open: dict[int, Sending] = {}
        """Sent and not answered, by delivery tag, in the order of sending."""
        self._connection: Connection | None = None
        self._number = 0
        """Of the channel, while messages may go out; else 0."""
        self._next_tag = 1
        self._methods: dict[tuple[str, str], bytes] = {}

    def up(self, connection: Connection) -> None:
        """There is a connection: open the channel."""
        self._connection = connection
        self.blocked = self.confirmed = False
        self._open_channel()

    def down(self) -> None:
        """It is gone."""
        self._connection, self._number = None, 0
        lost, self._open = self._open, {}
        for sending in lost.values():
            sending.end(Outcome.UNKNOWN)

    def send(self, sending: Sending) -> None:
        """Now, or when it is possible."""
        if self._number and not self.blocked and not self.waiting:
            self._write(sending)
        else:
            self.waiting.append(sending)

    def unblock(self) -> None:
        """Send what waits."""
        self.blocked = False
        while self.waiting and self._number and not self.blocked:
            sending = self.waiting.popleft()
            if not sending.over:
                self._write(sending)

    @property
    def idle(self) -> bool:
        """Nothing waits for an answer or to be sent."""
        return not self.waiting and not self._open

    def _write(self, sending: Sending) -> None:
        assert self._connection is not None, "messages go out only while the channel is open"
        destination = (sending.exchange, sending.key)
        method = self._methods.get(destination)
        if method is None:
            method = frames.publish_method(self._number, *destination)
            if len(self._methods) < 1000:  # a route may name any actor; bound what is remembered of them
                self._methods[destination] = method
        self._open[self._next_tag] = sending
        self._next_tag += 1
        piece_bytes = self._connection.body_piece_bytes
        content = frames.content(self._number, sending.head, sending.body, piece_bytes)
        patience = self._patience()
        if patience > 1:
            self._connection.gather(patience, method, *content)
        else:
            self._connection.send(method, *content)

    # the channel

    def _open_channel(self) -> None:
        connection = self._connection
        if connection is None or not connection.is_open:
            return
        connection.channel(on_open_callback=self._opened)

    def _opened(self, channel: Channel) -> None:
        channel.add_on_close_callback(self._closed)
        channel.add_on_return_callback(self._returned)
        channel.confirm_delivery(_unused, callback=lambda _ok: self._ready(channel))

    def _ready(self, channel: Channel) -> None:
        if self._connection is None or channel.connection is not self._connection:
            return
        self._number, self._next_tag = channel.channel_number, 1
        self._methods.clear()
        self._connection.readers[self._number] = self._read
        self.unblock()

    def _closed(self, channel: Channel, error: Exception) -> None:
        connection = self._connection
        if connection is None or channel.connection is not connection or not connection.is_open:
            return  # with its connection: `down` deals with it
        connection.readers.pop(channel.channel_number, None)
        self._number = 0
        asked, self._open = list(self._open.values()), {}
        code, text = close_code(error) or (0, str(error))
        if limit := _LIMIT.search(text):
            self._on_limit(int(limit[1]))
        again: list[Sending] = []
        for sending in asked:
            if code == NOT_FOUND and sending.exchange and f"'{sending.exchange}'" in text:
                self._on_missing(sending)
            elif code == NOT_ALLOWED or (limit and len(sending.body) > int(limit[1])):
                sending.end(Outcome.REFUSED)
            elif code == PRECONDITION_FAILED and not limit:
                sending.end(Outcome.UNKNOWN)
            else:  # somebody else's fault: ask again, same id, same body (contract: sidecar, P4)
                again.append(sending)
        self.waiting.extendleft(reversed(again))
        asyncio.get_running_loop().call_later(0 if code == NOT_FOUND else REOPEN_PAUSE_S, self._open_channel)

    # answers

    def _read(self, kind: int, buffer: bytes, begin: int, _end: int) -> bool:
        """Frames of the channel."""
        if kind != frames.METHOD:
            return False
        method = frames.ID.unpack_from(buffer, begin)[0]
        if method == frames.CONFIRMED:
            self._answer(*frames.read_confirm(buffer, begin + 4), Outcome.CONFIRMED)
        elif method == frames.NOT_CONFIRMED:
            self._answer(*frames.read_confirm(buffer, begin + 4), Outcome.REFUSED)
        else:
            return False
        return True

    def _answer(self, tag: int, multiple: int, outcome: Outcome) -> None:
        self.confirmed = True
        asked = self._open
        if not multiple:
            self._end(asked.pop(tag, None), outcome)
            return
        while asked and (first := next(iter(asked))) <= tag:
            self._end(asked.pop(first), outcome)

    def _end(self, sending: Sending | None, outcome: Outcome) -> None:
        if sending is None:
            return
        if not sending.returned:
            sending.end(outcome)
        elif sending.exchange:
            self._on_missing(sending)
        else:
            sending.end(Outcome.UNROUTABLE)

    def _returned(self, _channel: Channel, method: Basic.Return, properties: BasicProperties, body: bytes) -> None:
        """Comes before the answer. Which one it is: messages alike in queue, id and body are one and the same; of these the last."""
        for sending in reversed(self._open.values()):
            if (
                not sending.returned
                and (sending.exchange, sending.key) == (method.exchange, method.routing_key)
                and sending.body == body
                and frames.read_properties(sending.head).message_id == properties.message_id
            ):
                sending.returned = True
                return


def _unused(_method: Any) -> None:
    """pika asks for a callback; `_read` takes the answers before pika sees them."""
