"""Where RabbitMQ is: TLS with an authority of one's own, and several hosts of which some are dead. On real servers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from asya_transport.admin import Unreachable
from asya_transport.port import Outcome
from asya_transport.rabbitmq.address import RabbitmqAddress
from asya_transport.rabbitmq.admin import RabbitmqAdmin
from asya_transport.rabbitmq.transport import RabbitmqTransport
from tests.support.brokers import Client
from tests.support.certificates import Authority
from tests.support.guarded import free_port
from tests.support.rabbitmq import Node, node, shared_node
from tests.support.rabbitmq_mesh import rabbitmq_mesh
from tests.support.sidecar_process import told
from tests.support.tcp_proxy import TcpProxy
from tests.support.wait import until

NAME = "broker.test"
TLS = """\
listeners.ssl.1 = 127.0.0.1:{port}
ssl_options.cacertfile = {ca}
ssl_options.certfile = {certificate}
ssl_options.keyfile = {key}
ssl_options.verify = verify_none
"""


class TlsServer:
    """A node that speaks TLS under the name `broker.test`, and an authority that has nothing to do with it."""

    def __init__(self, folder: Path) -> None:
        own, self.stranger = Authority(folder, "own"), Authority(folder, "stranger")
        certificate, key = own.issue(NAME)
        self.ca, self.port = own.ca, free_port()
        self.text = TLS.format(port=self.port, ca=own.ca, certificate=certificate, key=key)

    def address(self, broker: Node, ca: Path | None, name: str | None, *, insecure: bool = False) -> RabbitmqAddress:
        return broker.address(
            "/", port=self.port, tls=True, tls_ca_file=ca, tls_server_name=name, tls_insecure=insecure
        )


async def reasons_of(address: RabbitmqAddress, *, ready: bool) -> dict[str, str]:
    """What a transport says about this address once it has tried; `ready`: it must get in."""
    client = Client(RabbitmqTransport(address))
    try:
        await client.reason(*([] if ready else ["broker_unreachable"]))
        return client.sentences
    finally:
        await client.transport.close()


def test_tls_verifies_the_server_against_the_given_authority_and_name(tmp_path: Path) -> None:
    server = TlsServer(tmp_path)

    async def play(broker: Node) -> None:
        assert await reasons_of(server.address(broker, server.ca, NAME), ready=True) == {}
        assert await reasons_of(server.address(broker, None, None, insecure=True), ready=True) == {}
        for ca, name, why in (
            (server.ca, None, "IP address mismatch"),
            (server.ca, "other.test", "Hostname mismatch"),
            (server.stranger.ca, NAME, "certificate verify failed"),
            (None, NAME, "certificate verify failed"),
            (tmp_path / "missing.pem", NAME, f"{tmp_path}/missing.pem"),
        ):
            said = await reasons_of(server.address(broker, ca, name), ready=False)
            assert why in said["broker_unreachable"], (ca, name)
            assert f"RabbitMQ at 127.0.0.1:{server.port}" in said["broker_unreachable"]

    with node(server.text) as broker:
        asyncio.run(play(broker))
        admin = RabbitmqAdmin(server.address(broker, server.ca, NAME))
        admin.declare("q")
        assert admin.publish("q", b"x") is Outcome.CONFIRMED
        admin.close()
        with pytest.raises(Unreachable, match="certificate verify failed"):
            RabbitmqAdmin(server.address(broker, server.stranger.ca, NAME))
        assert_a_sidecar_waits_for_the_right_authority(broker, server, tmp_path / "mounted.pem")


def assert_a_sidecar_waits_for_the_right_authority(broker: Node, server: TlsServer, mounted: Path) -> None:
    """It says which certificate it does not trust, and goes on by itself when the file holds the right one."""
    mounted.write_bytes(server.stranger.ca.read_bytes())
    with rabbitmq_mesh(broker=broker) as own:
        own.runtime()
        sidecar = own.sidecar(
            ASYA_RABBITMQ_PORT=str(server.port),
            ASYA_RABBITMQ_TLS="true",
            ASYA_RABBITMQ_TLS_CA_FILE=str(mounted),
            ASYA_RABBITMQ_TLS_SERVER_NAME=NAME,
        )
        until(lambda: "broker_unreachable" in sidecar.reasons, what="not ready")
        assert "certificate verify failed" in told(sidecar, "broker_unreachable")
        mounted.write_bytes(server.ca.read_bytes())
        sidecar.ready()


@pytest.fixture
def doors() -> Iterator[tuple[TcpProxy, TcpProxy]]:
    """Two hosts with the same port that lead to one broker."""
    there = shared_node().address("/")
    first = TcpProxy(there.hosts[0], there.port, listen="127.0.0.2")
    second = TcpProxy(there.hosts[0], there.port, listen="127.0.0.3", own_port=first.port)
    yield first, second
    first.stop()
    second.stop()


def test_of_several_hosts_the_next_is_tried_when_one_is_dead_and_when_one_dies(
    doors: tuple[TcpProxy, TcpProxy],
) -> None:
    first, second = doors

    async def play(address: RabbitmqAddress) -> None:
        first.stop()
        client = Client(RabbitmqTransport(address)).consume()
        await client.reason()
        assert await client.send(b"1") == [Outcome.CONFIRMED]
        held = await client.next()
        first.begin()
        second.stop()
        again = await client.next(5)
        assert (again.body, client.transport.alive(held)) == (b"1", False)
        assert await client.transport.ack(again)
        await client.reason()
        await client.transport.close()

    broker = shared_node()
    with broker.vhost() as vhost:
        address = replace(broker.address(vhost), delay_tiers=())
        admin = RabbitmqAdmin(address)
        admin.declare("q")
        admin.close()
        asyncio.run(play(replace(address, hosts=("127.0.0.2", "127.0.0.3"), port=first.port)))
