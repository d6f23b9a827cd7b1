"""A RabbitMQ that lives, keeps its connections, and does not answer one kind of question. Through a proxy that swallows the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from asya_transport.port import Outcome
from asya_transport.rabbitmq.address import RabbitmqAddress
from asya_transport.rabbitmq.admin import RabbitmqAdmin
from asya_transport.rabbitmq.transport import RabbitmqTransport
from tests.support.amqp_proxy import ACK, CONFIRM_SELECT_OK, CONSUME_OK, AmqpProxy, Cut
from tests.support.brokers import Client
from tests.support.rabbitmq import shared_node


def play(scene: Callable[[AmqpProxy, RabbitmqAddress], Coroutine[Any, Any, None]]) -> None:
    """With a queue `q` behind a proxy."""
    broker = shared_node()
    with broker.vhost() as vhost:
        straight = broker.address(vhost, delay_tiers=())
        admin = RabbitmqAdmin(straight)
        admin.declare("q")
        admin.close()
        proxy = AmqpProxy(straight.hosts[0], straight.port)
        try:
            asyncio.run(scene(proxy, replace(straight, hosts=("127.0.0.1",), port=proxy.port)))
        finally:
            proxy.stop()


def test_a_registration_without_an_answer_is_named_and_another_connection_is_made() -> None:
    async def scene(proxy: AmqpProxy, address: RabbitmqAddress) -> None:
        proxy.swallowed = frozenset([CONSUME_OK])
        client = Client(RabbitmqTransport(address, register_timeout_s=2.0)).consume()
        await client.reason("consumer_cancelled")
        assert "does not answer" in client.sentences["consumer_cancelled"]
        assert not client.transport.consuming
        proxy.swallowed = frozenset()
        await client.reason()
        assert client.lost == [0]
        assert await client.send(b"x") == [Outcome.CONFIRMED]
        assert await client.transport.ack(await client.next())
        await client.transport.close()

    play(scene)


def test_a_publish_without_an_answer_is_named_and_unknown() -> None:
    async def scene(proxy: AmqpProxy, address: RabbitmqAddress) -> None:
        client = Client(RabbitmqTransport(address, publish_timeout_s=0.5))
        await client.reason()
        assert await client.send(b"0") == [Outcome.CONFIRMED]
        proxy.swallowed = frozenset([ACK])
        assert await client.send(b"1") == [Outcome.UNKNOWN]
        assert client.transport.reasons == {"publish_blocked"}
        assert "has not confirmed a message for q" in client.sentences["publish_blocked"]
        proxy.swallowed = frozenset()
        assert await client.send(b"1") == [Outcome.CONFIRMED]
        await client.reason()
        await client.transport.close()

    play(scene)


def test_what_waits_for_a_channel_is_not_sent_any_more_when_the_deliveries_are_lost() -> None:
    async def scene(proxy: AmqpProxy, address: RabbitmqAddress) -> None:
        client = Client(RabbitmqTransport(address)).consume()
        await client.reason()
        assert await client.send(b"0") == [Outcome.CONFIRMED]
        delivery = await client.next()
        proxy.swallowed = frozenset([CONFIRM_SELECT_OK])
        proxy.cut_at(Cut(publishes=0, everything=False))
        assert await client.send(b"1") == [Outcome.UNKNOWN]
        assert client.transport.connected == (True, False)
        assert client.transport.alive(delivery)
        waiting = client.transport.publish("q", b"2")
        proxy.cut()
        assert await waiting is Outcome.UNKNOWN
        proxy.swallowed = frozenset()
        await client.transport.ack(await client.next())
        assert await client.send(b"3") == [Outcome.CONFIRMED]
        assert (await client.next()).body == b"3", "the others were never sent"
        await client.transport.close()

    play(scene)
