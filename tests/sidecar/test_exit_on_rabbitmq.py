"""What is in hand besides the call that makes the sidecar exit, and what arrives behind a slow one, on a real RabbitMQ.

Both were found by the storm (tests/faults/test_storm.py): a message given back a second time is a confirmed copy and an ack, and
an exit between the two left it there twice.
"""

import pika
import pytest

from tests.support.rabbitmq import PASSWORD, USER
from tests.support.rabbitmq_mesh import RabbitmqMesh, rabbitmq_mesh
from tests.support.sidecar_process import envelope
from tests.support.wait import until

BEHIND = 15


def hand_out_once(own: RabbitmqMesh, count: int) -> None:
    """Somebody takes them all and dies, so that every further delivery is a redelivery."""
    credentials = pika.PlainCredentials(USER, PASSWORD)
    parameters = pika.ConnectionParameters(own.address.hosts[0], own.address.port, own.vhost, credentials)
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        for _ in range(count):
            assert channel.basic_get(own.queue("a"))[0] is not None
    until(lambda: own.counts("a").queued == count, what="all are back")


def test_what_waits_behind_a_call_that_times_out_is_there_once_after_the_exit() -> None:
    with rabbitmq_mesh() as own:
        own.send(envelope({"do": "sleep", "s": 30}, id="slow"))
        for number in range(BEHIND):
            # Large, so that their copies are still on their way when the error envelope is confirmed.
            own.send(envelope({"n": number, "pad": "x" * 1_000_000}, id=f"behind-{number}"))
        hand_out_once(own, BEHIND + 1)
        own.runtime()
        sidecar = own.sidecar(ASYA_PREFETCH=str(BEHIND + 1), ASYA_RESILIENCY_ACTOR_TIMEOUT="2s")
        assert sidecar.exit_code() == 1
        assert [found["id"] for found in own.arrived("x-sump")] == ["slow"]
        until(lambda: own.counts("a").processing == 0, what="the broker has noticed the exit")
        assert sorted(found["id"] for found in own.at("a")) == sorted(f"behind-{number}" for number in range(BEHIND))


@pytest.mark.alone
def test_what_arrives_behind_a_slow_call_does_not_stay_there() -> None:
    with rabbitmq_mesh() as own:
        slow, _ = own.pair()
        for number in range(100):
            own.send(envelope({"n": number}, id=f"fast-{number}"))
        until(lambda: slow.metric("prefetch") > 1, 20, what="the window has grown")
        until(own.is_gone, 20, what="all are through")
        own.send(envelope({"do": "sleep", "s": 6}, id="slow"))
        until(lambda: own.calls()[-1] == {"do": "sleep", "s": 6}, what="the slow call has begun")
        for number in range(50):
            own.send(envelope({"n": number}, id=f"behind-{number}"))
        until(
            lambda: slow.metric("prefetch") == 1 and slow.metric("active_messages") == 1,
            5,
            what="those behind are returned",
        )
        until(lambda: own.counts("a").queued == 50, 3, what="and are there for others")
