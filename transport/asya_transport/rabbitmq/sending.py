"""One publish: what is sent, and who waits for its outcome. Made by transport.py, moved by publisher.py and lane.py."""

from __future__ import annotations

import asyncio

from asya_transport.port import Outcome


class Sending:
    """Not frozen: it has a history, which ends with `end`."""

    __slots__ = ("body", "delay_s", "exchange", "future", "head", "key", "returned")

    def __init__(
        self, future: asyncio.Future[Outcome], exchange: str, key: str, head: bytes, body: bytes, delay_s: float
    ) -> None:
        self.future = future
        self.exchange = exchange
        """Empty for the default exchange, else that of a delay tier."""
        self.key = key
        """The queue where the message is to be in the end."""
        self.head = head
        """Encoded properties."""
        self.body = body
        self.delay_s = delay_s
        self.returned = False
        """The broker has sent it back: no queue."""

    def end(self, outcome: Outcome) -> None:
        """Tell who waits, unless nobody does any more."""
        if not self.future.done():
            self.future.set_result(outcome)
        self.body = b""

    @property
    def over(self) -> bool:
        """Nobody waits: withdrawn, or out of time."""
        return self.future.done()
