"""Situations that only a real RabbitMQ can show, but for its own faults (test_sidecar_rabbitmq_faults.py): tiers, plain pika, addresses.

Contract: sidecar, Situations 13, 20, 41, 49, 51. What must not depend on the broker is run on each of them (conftest.py).
"""

import json
import os
import subprocess
import sys
import time

import pika
import pytest

from tests.support.rabbitmq_mesh import RabbitmqMesh, rabbitmq_mesh, tcp_proxy
from tests.support.sidecar_process import envelope, told
from tests.support.wait import until

POLICIES = json.dumps({"default": {"maxAttempts": 2, "backoff": "constant", "initialDelay": "1s", "jitter": False}})


def delete_tiers(own: RabbitmqMesh) -> None:
    for name in ("500ms", "1s", "2s", "3s", "5s"):
        own.broker.ask("DELETE", f"exchanges/{own.vhost}/asya.delay.{name}")
        own.admin.delete(f"asya.delay.{name}")


def test_row_13_without_delay_tiers_a_retry_is_held_and_goes_straight() -> None:
    with rabbitmq_mesh() as own:
        sidecar, _ = own.pair(ASYA_RESILIENCY_POLICIES=POLICIES)
        delete_tiers(own)
        own.send(envelope({"do": "fail"}))
        until(lambda: sidecar.reasons == ["destination_missing"], what="not ready")
        assert "asya.delay.1s" in told(sidecar, "destination_missing")
        assert own.arrived_one("x-sump", "e-1")["status"]["reason"] == "PolicyExhausted"
        first, second = (at for at, _ in own.timed_calls())
        assert 0.9 < second - first < 5
        own.declare("again")  # which makes the tiers, too
        for name, seconds in own.address.delay_tiers:
            own.admin._declare_tier(f"asya.delay.{name}", seconds)
        until(lambda: sidecar.reasons == [], what="ready again")


@pytest.mark.parametrize("away", ["gone", "silent"])
def test_row_20_a_call_past_its_limit_without_a_broker_ends_the_process_and_is_reported_once_in_the_end(
    away: str,
) -> None:
    with rabbitmq_mesh() as own, tcp_proxy(own) as proxy:
        variables = {"ASYA_RESILIENCY_ACTOR_TIMEOUT": "2s", "ASYA_RABBITMQ_PORT": str(proxy.port)}
        sidecar, runtime = own.pair(**variables)
        own.send(envelope({"do": "sleep", "s": 60}))
        until(own.calls, what="the handler was called")
        (proxy.stop if away == "gone" else proxy.hold)()
        assert sidecar.exit_code(2 + 15) == 1
        assert "crashing pod to recover" in sidecar.log
        runtime.exit_code()
        proxy.stop()
        until(lambda: own.counts("a").queued == 1, what="the message is back")
        proxy.begin()
        again, _ = own.pair(**variables)
        assert again.exit_code() == 1
        assert own.arrived_one("x-sump", "e-1")["status"]["reason"] == "Timeout"
        until(own.is_gone, what="the own queue is empty")
        assert len(own.at("x-sump")) == 1
        assert len(own.calls()) == 2


@pytest.mark.alone
@pytest.mark.parametrize("away", ["gone", "silent"])
def test_row_41_a_sidecar_that_has_lost_its_broker_ends_within_two_seconds(away: str) -> None:
    with rabbitmq_mesh() as own, tcp_proxy(own) as proxy:
        sidecar, _ = own.pair(ASYA_RABBITMQ_PORT=str(proxy.port))
        if away == "gone":
            proxy.stop()
            until(lambda: sidecar.reasons == ["broker_unreachable"], what="it has noticed")
        else:
            proxy.hold()
        sidecar.terminate()
        began = time.monotonic()
        assert sidecar.exit_code(30) == 0
        assert time.monotonic() - began < 2


def test_row_49_an_outsider_may_publish_a_bare_body_with_plain_pika() -> None:
    with rabbitmq_mesh() as own:
        for queue in ("a", "b", "x-sink", "x-sump"):
            own.admin.declare(queue)
        own.pair(ASYA_QUEUE_NAME_TEMPLATE="{actor}")
        parameters = pika.ConnectionParameters(own.address.hosts[0], own.address.port, own.vhost)
        with pika.BlockingConnection(parameters) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.basic_publish("", "a", json.dumps(envelope()))
        found = until(lambda: own.admin.peek("b"), what="the message at b")
        assert json.loads(found[0].body)["route"]["prev"] == ["a"]


def test_row_51_everything_that_is_wrong_with_the_address_of_a_rabbitmq_is_named_at_once() -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ASYA_")}
    named = {
        "ASYA_ACTOR_NAME": "a",
        "ASYA_NAMESPACE": "ns",
        "ASYA_RABBITMQ_PORT": "none",
        "ASYA_RABBITMQ_DELAY_TIERS": "5s,1s",
        "ASYA_RABBITMQ_TLS_CA_FILE": "/nowhere/ca.pem",
    }
    done = subprocess.run(
        [sys.executable, "-m", "asya_sidecar"],
        env=clean | named,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    for variable in ("HOST", "USERNAME", "PASSWORD", "PORT", "DELAY_TIERS", "TLS_CA_FILE"):
        assert f"ASYA_RABBITMQ_{variable}" in done.stderr
