"""A mesh of real processes around a real RabbitMQ: as tests/support/sidecar_process.py, in a virtual host of its own.

What arrives at the end of a route is taken from its queue and remembered here, because looking at a RabbitMQ queue is a delivery.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pika

from asya_transport.admin import Stored
from asya_transport.port import Outcome
from asya_transport.rabbitmq.admin import RabbitmqAdmin
from asya_transport.rabbitmq.transport import RabbitmqTransport
from tests.support.amqp_proxy import AmqpProxy
from tests.support.rabbitmq import PASSWORD, USER, Broker, shared_node
from tests.support.sidecar_process import NAMESPACE, Mesh
from tests.support.tcp_proxy import TcpProxy
from tests.support.wait import short_tmp

TIERS = "500ms,1s,2s,3s,5s"
Proxy = TypeVar("Proxy", bound=TcpProxy)


class RabbitmqMesh(Mesh):
    """One virtual host and the processes around it."""

    def __init__(self, folder: Path, broker: Broker, vhost: str, *actors: str, declare: bool = True) -> None:
        self.folder = folder
        self.namespace = NAMESPACE
        self.broker = broker
        self.vhost = vhost
        self.calls_path = folder / "calls"
        self.calls_path.touch()
        self.address = broker.address(vhost, delay_tiers=tiers_of(TIERS))
        self.admin = RabbitmqAdmin(self.address, management_url=broker.management_url)
        self._processes = []
        self._taken: dict[str, list[Stored]] = {}
        self._parameters = pika.ConnectionParameters(
            self.address.hosts[0], self.address.port, vhost, pika.PlainCredentials(USER, PASSWORD)
        )
        if declare:
            self.declare("a", "b", "x-sink", "x-sump", *actors)

    def environ(self, name: str = "a", pod: str | None = None, **env: str) -> dict[str, str]:
        base = {
            "ASYA_ACTOR_NAME": name,
            "ASYA_NAMESPACE": self.namespace,
            "ASYA_TRANSPORT": "rabbitmq",
            "ASYA_RABBITMQ_HOST": self.address.hosts[0],
            "ASYA_RABBITMQ_PORT": str(self.address.port),
            "ASYA_RABBITMQ_VHOST": self.vhost,
            "ASYA_RABBITMQ_USERNAME": USER,
            "ASYA_RABBITMQ_PASSWORD": PASSWORD,
            "ASYA_RABBITMQ_DELAY_TIERS": TIERS,
            "ASYA_SOCKET_DIR": str(self.folder / (pod or name)),
            "ASYA_METRICS_ADDR": "127.0.0.1:0",
        }
        return base | env

    def stored(self, actor: str, limit: int = 1000) -> list[Stored]:
        """Everything that has arrived there so far. Not for a queue that a sidecar consumes."""
        taken = self._taken.setdefault(actor, [])
        with pika.BlockingConnection(self._parameters) as connection:
            channel = connection.channel()
            while True:
                method, properties, body = channel.basic_get(self.queue(actor))
                if method is None or properties is None:
                    break
                headers: dict[str, Any] = properties.headers or {}
                names = properties.message_id, headers.get("trace_id"), properties.app_id
                taken.append(Stored(body or b"", *names, deliveries=headers.get("x-delivery-count", 0)))
                channel.basic_ack(method.delivery_tag)
        return taken[:limit]

    def send_all(self, messages: Iterable[dict[str, Any]], actor: str = "a") -> None:
        """Confirmed, but not one by one: a quorum queue may forget what it has not confirmed when its publisher leaves."""

        async def publish() -> list[Outcome]:
            transport = RabbitmqTransport(self.address)
            transport.start()
            asked = [
                transport.publish(self.queue(actor), json.dumps(message).encode(), message_id=message["id"])
                for message in messages
            ]
            outcomes = await asyncio.gather(*asked)
            await transport.close()
            return outcomes

        assert set(asyncio.run(publish())) <= {Outcome.CONFIRMED}

    def connection_names(self, kind: str) -> set[str]:
        """Addresses of the sidecars' connections, `kind` being `consume` or `publish`, as the broker shows them to operators."""
        found = self.broker.ask("GET", f"vhosts/{self.vhost}/connections") or []
        return {
            one["name"]
            for one in found
            if one.get("client_properties", {}).get("connection_name", "").endswith(f" {kind}")
        }

    def is_gone(self, actor: str = "a") -> bool:
        """Nothing is queued there and nobody holds anything of it."""
        found = self.admin.counts(self.queue(actor))
        return found.queued == 0 and not found.processing


def tiers_of(text: str) -> tuple[tuple[str, float], ...]:
    """As an address wants them: each name with its seconds."""
    return tuple((name, _seconds(name)) for name in text.split(","))


def _seconds(text: str) -> float:
    return float(text[:-2]) / 1000 if text.endswith("ms") else float(text[:-1])


@contextmanager
def tcp_proxy(own: RabbitmqMesh) -> Iterator[TcpProxy]:
    """A way to the mesh's broker that can be closed; give its port to a sidecar."""
    with _stopped(TcpProxy(own.address.hosts[0], own.address.port)) as proxy:
        yield proxy


@contextmanager
def amqp_proxy(own: RabbitmqMesh) -> Iterator[AmqpProxy]:
    """The same, and it cuts at points of the protocol."""
    with _stopped(AmqpProxy(own.address.hosts[0], own.address.port)) as proxy:
        yield proxy


@contextmanager
def _stopped(proxy: Proxy) -> Iterator[Proxy]:
    try:
        yield proxy
    finally:
        proxy.stop()


@contextmanager
def rabbitmq_mesh(*actors: str, broker: Broker | None = None, declare: bool = True) -> Iterator[RabbitmqMesh]:
    """A mesh in a virtual host and a folder of its own, closed at the end whatever happens."""
    own = broker or shared_node()
    with short_tmp() as folder, own.vhost() as vhost:
        opened = RabbitmqMesh(folder, own, vhost, *actors, declare=declare)
        with opened.until_closed():
            yield opened
