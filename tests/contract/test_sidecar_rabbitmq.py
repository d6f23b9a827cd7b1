"""Situations on a real RabbitMQ that need only its queues: results, failures, retries, time limits, names.

Contract: sidecar, Situations 1, 8, 13, 15, 18, 19, 20, 48, 49, 50, 51.
"""

import json
import os
import subprocess
import sys

import pika
import pytest

from tests.support.rabbitmq_mesh import RabbitmqMesh, rabbitmq_mesh, tcp_proxy, told
from tests.support.sidecar_process import envelope, route
from tests.support.wait import until

POLICIES = json.dumps({"default": {"maxAttempts": 2, "backoff": "constant", "initialDelay": "1s", "jitter": False}})
EXPONENTIAL = json.dumps({"default": {"maxAttempts": 3, "initialDelay": "1s"}})


def delete_tiers(own: RabbitmqMesh) -> None:
    for name in ("500ms", "1s", "2s", "3s", "5s"):
        own.broker.ask("DELETE", f"exchanges/{own.vhost}/asya.delay.{name}")
        own.admin.delete(f"asya.delay.{name}")


def test_row_1_a_message_goes_on_and_leaves_nothing_behind() -> None:
    with rabbitmq_mesh() as own:
        own.pair()
        own.send(envelope())
        own.send(envelope(id="last", route=route("a")))
        found = own.arrived_one("b", "e-1")
        assert (found["route"], found["status"]["phase"]) == ({"prev": ["a"], "curr": "b", "next": []}, "pending")
        done = own.arrived_one("x-sink", "last")
        assert (done["route"]["curr"], done["status"]["phase"], done["status"]["reason"]) == (
            "",
            "succeeded",
            "Completed",
        )
        until(own.is_gone, what="the own queue is empty")


def test_row_8_retries_wait_in_delay_tiers() -> None:
    created = "2026-01-02T03:04:05.006Z"
    with rabbitmq_mesh() as own:
        own.pair(ASYA_RESILIENCY_POLICIES=EXPONENTIAL)
        own.send(envelope({"do": "fail"}, status={"created_at": created}))
        status = own.arrived_one("x-sump", "e-1")["status"]
        assert (status["reason"], status["attempt"], status["max_attempts"]) == ("PolicyExhausted", 3, 3)
        assert status["created_at"] == created
        first, second, third = (at for at, _ in own.timed_calls())
        assert 0.95 < second - first < 1.9
        assert 0.95 < third - second < 4
        assert own.broker.ask("GET", f"queues/{own.vhost}/asya.delay.1s") is not None


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


def test_row_15_a_body_that_is_no_envelope_goes_to_the_sump() -> None:
    with rabbitmq_mesh() as own:
        sidecar, _ = own.pair()
        own.send(b"not json")
        (found,) = own.arrived("x-sump")
        assert found["id"].startswith("sha256-")
        assert found["payload"]["original_body"]["data"] == "bm90IGpzb24="
        until(own.is_gone, what="the own queue is empty")
        assert sidecar.metric("messages_failed_total", reason="parse_error") == 1


def test_row_15_an_envelope_without_an_id_takes_that_of_its_message() -> None:
    with rabbitmq_mesh() as own:
        sidecar, _ = own.pair()
        own.send(json.dumps({"route": route("a"), "payload": {}}).encode(), message_id="m-7")
        found = own.arrived_one("x-sump", "m-7")
        assert found["status"]["error"]["message"] == "missing required 'id' field"
        until(own.is_gone, what="the own queue is empty")
        assert sidecar.metric("messages_failed_total", reason="validation_error") == 1


def test_row_18_a_missing_sump_is_waited_for() -> None:
    with rabbitmq_mesh() as own:
        sidecar, _ = own.pair()
        own.admin.delete(own.queue("x-sump"))
        own.send(envelope({"do": "fail"}))
        until(lambda: sidecar.reasons == ["destination_missing"], what="not ready")
        assert "asya-ns-x-sump" in told(sidecar, "destination_missing")
        assert sidecar.metric("messages_failed_total", reason="transport_error") > 0
        until(lambda: own.counts("a").processing == 1, what="held; the broker's figures are a little old")
        own.declare("x-sump")
        assert own.arrived_one("x-sump", "e-1")
        until(lambda: sidecar.reasons == [], what="ready again")


def test_row_19_a_call_past_its_limit_is_reported_once() -> None:
    limit = {"ASYA_RESILIENCY_ACTOR_TIMEOUT": "2s"}
    with rabbitmq_mesh() as own:
        sidecar, runtime = own.pair(**limit)
        own.send(envelope({"do": "sleep", "s": 60}))
        assert sidecar.exit_code() == 1
        assert "deadline exceeded" in sidecar.log
        assert "crashing pod to recover" in sidecar.log
        assert own.arrived_one("x-sump", "e-1")["status"]["reason"] == "Timeout"
        until(own.is_gone, what="the own queue is empty")
        runtime.exit_code()
        own.pair(**limit)
        own.send(envelope(id="after"))
        own.arrived_one("b", "after")
        assert len(own.at("x-sump")) == 1


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


def test_row_48_actors_of_one_name_in_two_namespaces_get_their_own_messages_only() -> None:
    with rabbitmq_mesh() as own:
        for actor in ("a", "b", "x-sink", "x-sump"):
            own.admin.declare(f"asya-other-{actor}")
        here, _ = own.pair()
        there, _ = own.pair(pod="other", ASYA_NAMESPACE="other")
        own.send(envelope(id="here"))
        own.admin.publish("asya-other-a", json.dumps(envelope(id="there")).encode())
        assert own.arrived_one("b", "here")
        until(lambda: own.admin.counts("asya-other-b").queued == 1, what="the other one has passed")
        assert [here.metric("messages_received_total"), there.metric("messages_received_total")] == [1, 1]
        assert [stored.message_id for stored in own.admin.peek("asya-other-b")] == ["there"]
        assert [found["id"] for found in own.at("b")] == ["here"]


def test_row_49_an_outsider_may_publish_a_bare_body_with_plain_pika() -> None:
    with rabbitmq_mesh() as own:
        for queue in ("a", "b", "x-sink", "x-sump"):
            own.admin.declare(queue)
        own.pair(ASYA_QUEUE_NAME_TEMPLATE="{actor}")
        parameters = pika.ConnectionParameters(own.address.hosts[0], own.address.port, own.vhost)
        with pika.BlockingConnection(parameters) as connection:
            connection.channel().basic_publish("", "a", json.dumps(envelope()))
        found = until(lambda: own.admin.peek("b"), what="the message at b")
        assert json.loads(found[0].body)["route"]["prev"] == ["a"]


def test_row_50_the_series_of_a_rabbitmq_queue_have_values() -> None:
    with rabbitmq_mesh() as own:
        sidecar, _ = own.pair()
        own.send(envelope(id="good"))
        own.send(envelope({"do": "fail"}, id="bad"))
        own.arrived_one("x-sump", "bad")
        until(lambda: sidecar.metric("active_messages") == 0, what="both are settled")
        for name, labels in (
            ("messages_processed_total", {"status": "success"}),
            ("messages_processed_total", {"status": "error"}),
            ("messages_failed_total", {"reason": "runtime_error"}),
            ("processing_duration_seconds_count", {}),
            ("runtime_execution_duration_seconds_count", {}),
            ("messages_received_total", {"transport": "rabbitmq"}),
        ):
            assert sidecar.metric(name, queue="asya-ns-a", **labels) > 0, (name, labels)


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
