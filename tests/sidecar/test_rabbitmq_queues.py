"""Queues and messages that are not as ours would be: classic ones, other arguments, none at all, too full, and bodies of every size.

A real sidecar on a real RabbitMQ. Each fault is in `/readyz`, in `stalls_total` and in one line of the log, and ends by itself.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pika
import pytest

from tests.support.rabbitmq import breakable_node
from tests.support.rabbitmq_mesh import RabbitmqMesh, amqp_proxy, rabbitmq_mesh, tcp_proxy
from tests.support.sidecar_process import Sidecar, envelope, told
from tests.support.wait import until

pytestmark = pytest.mark.timeout(240)  # the server's tools take half a minute on a busy machine
MIB = 1024 * 1024


def declare(own: RabbitmqMesh, actor: str, **arguments: Any) -> None:
    """A queue as somebody else would declare it; `_` in names of arguments stands for `-`."""
    named = {name.replace("_", "-"): value for name, value in arguments.items()}
    parameters = pika.ConnectionParameters(own.address.hosts[0], own.address.port, own.vhost)
    with pika.BlockingConnection(parameters) as connection:
        connection.channel().queue_declare(own.queue(actor), durable=True, arguments=named)


def peak_mib(sidecar: Sidecar) -> float:
    """The most memory it ever held."""
    status = Path(f"/proc/{sidecar.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


def test_a_classic_queue_works_and_is_warned_about_once() -> None:
    with rabbitmq_mesh(declare=False) as own, tcp_proxy(own) as proxy:
        for actor in ("a", "b", "x-sink", "x-sump"):
            declare(own, actor, x_queue_type="classic")
        sidecar, _ = own.pair(ASYA_RABBITMQ_PORT=str(proxy.port))
        for number in range(2):
            own.send(envelope({"do": "slow_at_first", "s": 1, "n": number}, id=f"e-{number}"))
            until(lambda done=number: len(own.calls()) > 2 * done, what="the call has begun")
            proxy.cut()
            own.arrived_one("b", f"e-{number}")
        warnings = [line["msg"] for line in sidecar.lines if "does not count deliveries" in line["msg"]]
        assert len(warnings) == 1
        assert sidecar.metric("redeliveries_total") >= 2


def test_a_queue_that_ends_every_connection_is_named_once_and_asked_again_with_growing_pauses() -> None:
    """RabbitMQ answers so (541) for a quorum queue that has lost its process; the pauses are P7's of the contract.

    Played by a proxy: RabbitMQ 3.10.8 gets there when a queue whose dead-letter worker is just starting is deleted, which ends the
    supervisor of all these workers and, it seems, of the queues.
    """
    with rabbitmq_mesh() as own, amqp_proxy(own) as proxy:
        own.runtime()
        proxy.ends_consumers = True
        sidecar = own.sidecar(ASYA_RABBITMQ_PORT=str(proxy.port))
        until(lambda: len(proxy.ended_at) >= 16, 60, what="asked again and again")
        # Ten pauses of half a second on average; without them this takes ten times what a connection takes.
        assert proxy.ended_at[15] - proxy.ended_at[5] > 2
        assert sidecar.reasons == ["consumer_cancelled"]
        assert "asya-ns-a: 541 INTERNAL_ERROR" in told(sidecar, "consumer_cancelled")
        assert sidecar.metric("consuming") == 0
        proxy.ends_consumers = False
        sidecar.ready()
        assert [sidecar.metric("connection_up", direction=way) for way in ("consume", "publish")] == [1, 1]
        own.send(envelope())
        assert own.arrived_one("b", "e-1")
        told(sidecar, "consumer_cancelled")


@pytest.mark.parametrize("auto_create", ["false", "true"])
def test_a_queue_with_other_arguments_is_used_as_it_is(auto_create: str) -> None:
    with rabbitmq_mesh(declare=False) as own:
        declare(own, "a", x_queue_type="quorum", x_max_length=100, x_delivery_limit=7)
        declare(own, "b", x_queue_type="classic", x_max_priority=3)
        for actor in ("x-sink", "x-sump"):
            declare(own, actor, x_queue_type="quorum")
        sidecar, _ = own.pair(ASYA_QUEUE_AUTO_CREATE=auto_create)
        own.send(envelope())
        assert own.arrived_one("b", "e-1")
        if auto_create == "true":  # the last that is declared: then it has looked at all of them
            until(lambda: own.admin.exists(own.queue("x-sump") + "-dlq"), what="the rest is declared")
        assert own.broker.ask("GET", f"queues/{own.vhost}/asya-ns-a")["arguments"] == {
            "x-queue-type": "quorum",
            "x-max-length": 100,
            "x-delivery-limit": 7,
        }
        assert [line for line in sidecar.lines if line["level"] in ("WARNING", "ERROR")] == []
        assert sidecar.reasons == []


def test_auto_create_declares_everything_that_one_sidecar_needs() -> None:
    with rabbitmq_mesh(declare=False) as own:
        sidecar, _ = own.pair(ASYA_QUEUE_AUTO_CREATE="true")
        listed = until(lambda: _arguments(own), what="all queues are listed")
        safe = {"x-queue-type": "quorum", "x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}
        for actor in ("a", "x-sink", "x-sump"):
            queue = own.queue(actor)
            assert listed[f"{queue}-dlq"] == {"x-queue-type": "quorum"}
            assert listed[queue] == safe | {
                "x-delivery-limit": 10,
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": f"{queue}-dlq",
            }
        assert listed["asya.delay.1s"] == safe | {"x-message-ttl": 1000, "x-dead-letter-exchange": ""}
        own.send(envelope(route={"prev": [], "curr": "a", "next": []}))
        assert own.arrived_one("x-sink", "e-1")
        assert sidecar.reasons == []


def _arguments(own: RabbitmqMesh) -> dict[str, Any] | None:
    found = own.broker.ask("GET", f"queues/{own.vhost}") or []
    expected = 3 * 2 + len(own.address.delay_tiers)
    return {one["name"]: one["arguments"] for one in found} if len(found) == expected else None


def test_a_destination_that_takes_no_more_is_named_and_the_message_is_held_until_it_does() -> None:
    with rabbitmq_mesh(declare=False) as own:
        own.declare("a", "x-sink", "x-sump")
        declare(own, "b", x_queue_type="quorum", x_max_length=1, x_overflow="reject-publish")
        sidecar, _ = own.pair()
        for number in range(4):
            own.send(envelope(id=f"e-{number}"))
        until(lambda: sidecar.reasons == ["publish_refused"], what="not ready")
        assert "asya-ns-b" in told(sidecar, "publish_refused")
        assert sidecar.metric("messages_failed_total", reason="transport_error") > 0
        until(lambda: {found["id"] for found in own.at("b")} == {f"e-{n}" for n in range(4)}, 60, 0.1)
        until(lambda: sidecar.reasons == [], what="ready again")
        assert len(own.at("b")) == 4


def test_a_message_of_128_mib_goes_to_the_sump_and_memory_stays_bounded() -> None:
    with rabbitmq_mesh() as own:
        sidecar, _ = own.pair()
        body = b'{"id": "huge", "payload": "' + b"x" * (128 * MIB - 29) + b'"}'
        assert len(body) == 128 * MIB
        own.send(body, message_id="huge")
        (found,) = own.arrived("x-sump", within_s=60)
        assert found["id"] == "huge"
        own.send(envelope())
        assert own.arrived_one("b", "e-1")
        assert sidecar.metric("messages_failed_total", reason="parse_error") == 1
        assert [(line["level"], line["reason"]) for line in sidecar.done() if line["envelope_id"] == "huge"] == [
            ("ERROR", "ParseError")
        ]
        assert peak_mib(sidecar) < 128 + 64 + 64, "the body in hand, an answer, and 64 MiB"


def test_a_result_above_the_servers_own_limit_goes_to_the_sump_and_the_next_message_goes_on() -> None:
    with breakable_node() as broker, broker.setting("max_message_size", str(MIB)), rabbitmq_mesh(broker=broker) as own:
        sidecar, _ = own.pair()
        for number in range(2):
            own.send(envelope({"do": "big", "bytes": 2 * MIB}, id=f"big-{number}"))
            found = own.arrived_one("x-sump", f"big-{number}")
            assert found["status"]["reason"] == "OutputTooLarge"
        own.send(envelope())
        assert own.arrived_one("b", "e-1")
        until(own.is_gone, what="the own queue is empty")
        assert sidecar.metric("messages_failed_total", reason="output_too_large") == 2
        assert sidecar.reasons == []
