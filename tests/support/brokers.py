"""One shape for every broker under test: what the contract suite needs beyond the port itself.

A new adapter joins the suite by adding a class here and its name to `KINDS`. Called by tests/transport.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any, Protocol

from asya_transport.admin import Admin, Counts
from asya_transport.memory import MemoryBroker
from asya_transport.memory_admin import MemoryAdmin
from asya_transport.port import DELIVERY_LIMIT, Delivery, Outcome, Transport
from asya_transport.rabbitmq.admin import RabbitmqAdmin
from asya_transport.rabbitmq.transport import RabbitmqTransport
from asya_transport.sqlite.admin import SqliteAdmin
from asya_transport.sqlite.store import Store
from asya_transport.sqlite.transport import SqliteTransport
from tests.support.rabbitmq import shared_node
from tests.support.tcp_proxy import TcpProxy

KINDS = ("memory", "sqlite", "rabbitmq")
NEVER_MS = 1 << 60


class Broker(Protocol):
    """A running broker with queues `q` and `r`."""

    admin: Admin
    delivered_at_most: int
    """Counted deliveries of a message before it is a dead letter."""
    returned_at_most: int
    """Largest count of a message that was only ever returned uncounted."""
    remakes_dead_letter_queue: bool
    """A removed dead-letter queue is made again by the broker itself; else the message waits until somebody declares it."""

    def transport(self, *, publish_timeout_s: float = 30.0) -> Transport:
        """A client that refuses bodies above 1000 bytes, not started."""
        ...

    def cut(self) -> None:
        """Every consumer loses its generation."""
        ...

    def stop(self) -> None:
        """Not reachable until `begin`; nothing stored is lost."""
        ...

    def begin(self) -> None:
        """Reachable again."""
        ...

    def close(self) -> None:
        """After the test."""
        ...


class Memory:
    """The broker in memory."""

    delivered_at_most = DELIVERY_LIMIT
    returned_at_most = 1
    remakes_dead_letter_queue = True

    def __init__(self, _folder: Path) -> None:
        self._broker = MemoryBroker(max_message_bytes=1000)
        self.admin: Admin = MemoryAdmin(self._broker)
        self.stop, self.begin = self._broker.stop, self._broker.begin

    def transport(self, *, publish_timeout_s: float = 30.0) -> Transport:
        return self._broker.transport(publish_timeout_s=publish_timeout_s)

    def cut(self) -> None:
        self.stop()
        self.begin()

    def close(self) -> None:
        self.admin.close()


class Sqlite:
    """A mesh file."""

    delivered_at_most = DELIVERY_LIMIT
    returned_at_most = 1
    remakes_dead_letter_queue = True

    def __init__(self, folder: Path) -> None:
        self.path = folder / "mesh.db"
        self.admin: Admin = SqliteAdmin(self.path)

    def transport(self, *, publish_timeout_s: float = 30.0) -> Transport:
        # Half a second between renewals: a test need not wait long until a consumer sees that its lease was taken.
        return SqliteTransport(self.path, max_message_bytes=1000, publish_timeout_s=publish_timeout_s, renew_s=0.5)

    def cut(self) -> None:
        """What happens at the end of a lease, now."""
        store = Store(self.path)
        with store.writing():
            store.expire_all(NEVER_MS)
        store.close()

    def stop(self) -> None:
        self.path.rename(self.path.with_suffix(".away"))

    def begin(self) -> None:
        self.path.with_suffix(".away").rename(self.path)

    def close(self) -> None:
        self.admin.close()


class Rabbitmq:
    """A virtual host of a real RabbitMQ; clients reach it through a proxy, which can be closed. A few delay tiers are enough."""

    delivered_at_most = DELIVERY_LIMIT + 1  # the limit counts returns: the first delivery is free
    returned_at_most = 2  # before RabbitMQ 4.3 every second return is a new message, which begins to count anew
    remakes_dead_letter_queue = False

    def __init__(self, _folder: Path) -> None:
        node = shared_node()
        self._vhost = node.vhost()
        straight = node.address(
            self._vhost.__enter__(), delay_tiers=(("200ms", 0.2), ("500ms", 0.5), ("1s", 1), ("1m", 60))
        )
        self.admin: Admin = RabbitmqAdmin(straight, management_url=node.management_url)
        self._proxy = TcpProxy(straight.hosts[0], straight.port)
        self._address = replace(straight, hosts=("127.0.0.1",), port=self._proxy.port)
        self.stop, self.begin, self.cut = self._proxy.stop, self._proxy.begin, self._proxy.cut

    def transport(self, *, publish_timeout_s: float = 30.0) -> Transport:
        return RabbitmqTransport(self._address, max_message_bytes=1000, publish_timeout_s=publish_timeout_s)

    def close(self) -> None:
        self.admin.close()
        self._proxy.stop()
        self._vhost.__exit__(None, None, None)


def same(found: Mapping[str, Counts], expected: Mapping[str, Counts]) -> bool:
    """Equal, except for what the broker does not say."""
    return found.keys() == expected.keys() and all(
        mine is None or mine == other
        for queue, counts in found.items()
        for mine, other in zip(astuple(counts), astuple(expected[queue]), strict=True)
    )


def make(kind: str, folder: Path) -> Broker:
    """A broker of this kind; call it on a running loop."""
    kinds: dict[str, Callable[[Path], Broker]] = {"memory": Memory, "sqlite": Sqlite, "rabbitmq": Rabbitmq}
    return kinds[kind](folder)


class Client:
    """A started transport that collects what it is given."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.got: asyncio.Queue[Delivery] = asyncio.Queue()
        self.seen: list[Delivery] = []
        self.changes: list[tuple[str, bool]] = []
        self.sentences: dict[str, str] = {}
        self.lost: list[int] = []
        transport.on_change = self._on_change
        transport.on_lost = self.lost.append
        transport.start()

    def _on_change(self, reason: str, sentence: str | None) -> None:
        self.changes.append((reason, sentence is not None))
        if sentence is not None:
            self.sentences[reason] = sentence

    def _on_delivery(self, delivery: Delivery) -> None:
        self.seen.append(delivery)
        self.got.put_nowait(delivery)

    def consume(self, queue: str = "q", window: int = 1) -> Client:
        self.transport.consume(queue, self._on_delivery, window)
        return self

    async def next(self, within_s: float = 15.0) -> Delivery:
        """The next delivery."""
        return await asyncio.wait_for(self.got.get(), within_s)

    async def take(self, number: int) -> list[Delivery]:
        """So many deliveries."""
        return [await self.next() for _ in range(number)]

    async def send(self, *bodies: bytes, queue: str = "q", delay_s: float = 0.0) -> list[Outcome]:
        """Publish at once, wait for all."""
        return list(await asyncio.gather(*(self.transport.publish(queue, body, delay_s=delay_s) for body in bodies)))

    async def reason(self, *reasons: str) -> None:
        """Wait until exactly these are the reasons."""
        await holds(lambda: self.transport.reasons == set(reasons), f"reasons {reasons}; are {self.transport.reasons}")


async def holds(condition: Callable[[], object], what: str = "", within_s: float = 15.0) -> None:
    """Wait on the loop until `condition` is true."""
    deadline = asyncio.get_running_loop().time() + within_s
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"not within {within_s:g} s: {what or condition}"
        await asyncio.sleep(0.01)


async def quiet(client: Client, for_s: float = 0.3) -> None:
    """Nothing is delivered for so long. Silence has no event to wait for, so this one waits for time to pass."""
    await asyncio.sleep(for_s)
    assert client.got.empty(), client.got


class Scene:
    """A broker and its clients, closed in the end."""

    def __init__(self, broker: Broker) -> None:
        self.broker, self.admin = broker, broker.admin
        self._clients: list[Client] = []

    def client(self, *, publish_timeout_s: float = 30.0) -> Client:
        """One more client, started."""
        self._clients.append(Client(self.broker.transport(publish_timeout_s=publish_timeout_s)))
        return self._clients[-1]

    async def counts(self, queue: str, expected: Counts) -> None:
        """Wait until the queue holds so much; what a broker tells may lag behind a little."""
        await holds(
            lambda: same({queue: self.admin.counts(queue)}, {queue: expected}),
            f"{queue} is to hold {expected}; holds {self.admin.counts(queue)}",
        )

    async def close(self) -> None:
        for client in self._clients:
            await client.transport.close()
        self.broker.close()


def scene(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test `(scene)` on its own loop, for the `kind` that the module's parameters give."""

    @functools.wraps(test)
    def run(kind: str, tmp_path: Path) -> None:
        async def play() -> None:
            broker = make(kind, tmp_path)
            for queue in ("q", "r"):
                broker.admin.declare(queue)
            stage = Scene(broker)
            try:
                await test(stage)
            finally:
                await stage.close()

        asyncio.run(play())

    del run.__wrapped__  # else pytest would look for a fixture called `scene`
    return run
