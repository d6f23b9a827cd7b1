"""Keeps one connection to the broker: connects, waits, tries the next host, begins again.

Two of them stand in every transport, one for consuming and one for publishing (contract: sidecar, P2, P7). A link knows nothing of
channels: `on_up` and `on_down` are for whoever uses the connection.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Final

import pika.exceptions

from asya_transport.port import ACCESS_REFUSED, BROKER_UNREACHABLE
from asya_transport.rabbitmq.address import RabbitmqAddress
from asya_transport.rabbitmq.connection import Connection, close_code, explain, parameters_of, refuses_access

FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 1.0
FIRST_REFUSED_PAUSE_S: Final = 1.0
LONGEST_REFUSED_PAUSE_S: Final = 10.0
SILENT_S: Final = 25.0
"""The broker's heartbeats come every 5 s; a peer that says nothing is noticed within 30 s (contract: sidecar, P8)."""


class Dropped(Exception):
    """We let the connection go; the text says why."""


class Link:
    """`start` begins, `close` ends; `connection` is the open one or None."""

    def __init__(
        self,
        address: RabbitmqAddress,
        name: str,
        on_up: Callable[[Connection], None],
        on_down: Callable[[Exception], None],
        on_change: Callable[[], None],
    ) -> None:
        self.connection: Connection | None = None
        self.tried = False
        self.peer_lives = False
        """The last connection was ended in so many words, by us or the broker, and no try has failed since."""
        self.trouble: tuple[str, str] | None = None
        """(reason, sentence) while there is no connection and the last try has failed."""
        self._address = address
        self._name = name
        self._on_up = on_up
        self._on_down = on_down
        self._on_change = on_change
        self._hosts = 0
        self._failures = 0
        """Connections tried or made since one has served."""
        self._refusals = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Connect, on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._again(0.0)

    def served(self) -> None:
        """The connection does what it is for, so its end is not one more failure. That it opened says nothing of the kind."""
        self._failures = 0

    def drop(self, why: str) -> None:
        """Let the connection go and make another one."""
        if self.connection is not None:
            self.connection.drop(Dropped(why))

    def is_silent(self) -> bool:
        """Nothing has been heard for so long that the peer must be gone."""
        return self.connection is not None and self._loop.time() - self.connection.received_at > SILENT_S

    async def close(self, within_s: float) -> None:
        """Say goodbye, for so long at most."""
        if self._task is not None:
            self._task.cancel()
        connection, self.connection = self.connection, None
        if connection is None or not connection.is_open:
            return
        ended = self._loop.create_future()
        connection.add_on_close_callback(lambda _connection, _error: ended.set_result(None))
        connection.close()
        await asyncio.wait([ended], timeout=within_s)
        connection.drop(Dropped("closing"))

    def _again(self, pause_s: float) -> None:
        self._task = self._loop.create_task(self._connect(pause_s))

    async def _connect(self, pause_s: float) -> None:
        while True:
            await asyncio.sleep(pause_s)
            host = self._address.hosts[self._hosts % len(self._address.hosts)]
            try:
                connection = await self._try(host)
                break
            except (OSError, UnicodeError, pika.exceptions.AMQPError) as error:
                pause_s = self._failed(host, error)
            self._on_change()
        self._refusals = 0
        self.tried, self.trouble, self.connection = True, None, connection
        self._on_up(connection)
        self._on_change()

    async def _try(self, host: str) -> Connection:
        connection = Connection(parameters_of(self._address, host, self._name), self._ended)
        try:
            await connection.connect(self._address, host)
        except BaseException:
            connection.drop(Dropped("not opened in time"))
            raise
        return connection

    def _failed(self, host: str, error: Exception) -> float:
        """Note why, and say how long to wait before the next host."""
        self.tried, self.peer_lives = True, False
        place, refused = self._address.place(host), refuses_access(error)
        if refused is None:
            self._refusals = 0
            self.trouble = BROKER_UNREACHABLE, f"{place}: {explain(error)}; trying again"
            return self._next_host()
        self._hosts += 1
        self._refusals += 1
        who = f"user {self._address.username!r}, virtual host {self._address.vhost!r}"
        self.trouble = ACCESS_REFUSED, f"{place} {refused} ({who}); trying again"
        return random.uniform(0, min(LONGEST_REFUSED_PAUSE_S, FIRST_REFUSED_PAUSE_S * 2 ** min(self._refusals - 1, 10)))

    def _next_host(self) -> float:
        """How long to wait before it."""
        self._hosts += 1
        pause_s = random.uniform(0, min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self._failures, 10)))
        self._failures += 1
        return pause_s

    def _ended(self, connection: Connection, error: Exception) -> None:
        if connection is not self.connection:
            return
        self.connection = None
        self.peer_lives = isinstance(error, Dropped) or close_code(error) is not None
        self.trouble = BROKER_UNREACHABLE, f"the connection to RabbitMQ is lost: {explain(error)}; connecting again"
        self._on_down(error)
        self._on_change()
        self._again(self._next_host())
