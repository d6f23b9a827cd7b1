"""Situations on a real RabbitMQ that need only its queues.

Contract: sidecar, Situations 1, 8, 13, 15, 18, 19, 35, 38, 40, 41, 49, 53, 54.
"""

import json
from collections import Counter

import pika
import pytest

from tests.support.rabbitmq_mesh import RabbitmqMesh, rabbitmq_mesh
from tests.support.sidecar_process import envelope, route
from tests.support.wait import until

POLICIES = '{"default": {"maxAttempts": 2, "backoff": "constant", "initialDelay": "1s", "jitter": false}}'


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
        assert own.arrived_one("x-sink", "last")["status"]["reason"] == "Completed"
        until(own.is_gone, what="the own queue is empty")


def test_row_8_a_retry_waits_in_a_delay_tier() -> None:
    with rabbitmq_mesh() as own:
        own.pair(ASYA_RESILIENCY_POLICIES=POLICIES)
        own.send(envelope({"do": "raise"}))
        found = own.arrived_one("x-sump", "e-1")
        assert (found["status"]["reason"], found["status"]["attempt"]) == ("PolicyExhausted", 2)
        first, second = (at for at, _ in own.timed_calls())
        assert 0.9 < second - first < 5


def test_row_13_without_delay_tiers_a_retry_is_held_and_goes_straight() -> None:
    with rabbitmq_mesh() as own:
        sidecar, _ = own.pair(ASYA_RESILIENCY_POLICIES=POLICIES)
        delete_tiers(own)
        own.send(envelope({"do": "raise"}))
        until(lambda: sidecar.reasons == ["destination_missing"], what="not ready")
        assert own.arrived_one("x-sump", "e-1")["status"]["reason"] == "PolicyExhausted"
        first, second = (at for at, _ in own.timed_calls())
        assert 0.9 < second - first < 5


def test_row_15_a_body_that_is_no_envelope_goes_to_the_sump() -> None:
    with rabbitmq_mesh() as own:
        own.pair()
        own.send(b"not json")
        assert own.arrived("x-sump")[0]["id"].startswith("sha256-")
        until(own.is_gone, what="the own queue is empty")


def test_row_18_a_missing_sump_is_waited_for() -> None:
    with rabbitmq_mesh() as own:
        sidecar, _ = own.pair()
        own.admin.delete(own.queue("x-sump"))
        own.send(envelope({"do": "raise"}))
        until(lambda: sidecar.reasons == ["destination_missing"], what="not ready")
        assert sidecar.metric("messages_failed_total", reason="transport_error") > 0
        own.declare("x-sump")
        assert own.arrived_one("x-sump", "e-1")
        until(lambda: sidecar.reasons == [], what="ready again")


def test_row_19_a_call_past_its_limit_is_reported_once() -> None:
    with rabbitmq_mesh() as own:
        sidecar, _ = own.pair(ASYA_RESILIENCY_ACTOR_TIMEOUT="2s")
        own.send(envelope({"do": "sleep", "s": 60}))
        assert sidecar.exit_code() == 1
        assert own.arrived_one("x-sump", "e-1")["status"]["reason"] == "Timeout"
        until(own.is_gone, what="the own queue is empty")
        assert len(own.at("x-sump")) == 1


def test_row_35_a_queue_that_is_missing_at_start_and_one_that_is_deleted_are_waited_for() -> None:
    with rabbitmq_mesh(declare=False) as own:
        own.runtime()
        sidecar = own.sidecar()
        until(lambda: sidecar.reasons == ["queue_missing"], what="not ready")
        own.declare("a", "b", "x-sink", "x-sump")
        sidecar.ready()
        own.admin.delete(own.queue("a"))
        until(lambda: sidecar.reasons == ["queue_missing"], 15, what="not ready again")
        own.declare("a")
        sidecar.ready()
        own.send(envelope())
        assert own.arrived_one("b", "e-1")


@pytest.mark.alone
def test_row_38_a_fast_handler_gets_the_largest_window_and_nothing_is_lost() -> None:
    with rabbitmq_mesh() as own:
        sidecar, _ = own.pair()
        for number in range(600):
            own.send(envelope({"do": "sleep", "s": 0.001}, id=f"e-{number}"))
        until(lambda: sidecar.metric("prefetch") == 64, 30, what="the window has grown")
        until(lambda: own.counts("b").queued == 600, 30, what="all are through")
        assert len({found["id"] for found in own.at("b")}) == 600


def test_row_40_the_running_call_is_finished_and_the_rest_goes_back() -> None:
    with rabbitmq_mesh() as own:
        sidecar, _ = own.pair(ASYA_PREFETCH="4")
        own.send(envelope({"do": "sleep", "s": 2}, id="running"))
        for number in range(3):
            own.send(envelope({"n": number}, id=f"waiting-{number}"))
        until(lambda: sidecar.metric("active_messages") == 4)
        sidecar.terminate()
        assert sidecar.exit_code() == 0
        assert own.arrived_one("b", "running")
        until(lambda: own.counts("a").queued == 3, what="what was not started is back")
        assert own.calls() == [{"do": "sleep", "s": 2}]


def test_row_41_an_idle_sidecar_ends_at_once() -> None:
    with rabbitmq_mesh() as own:
        sidecar, _ = own.pair()
        sidecar.terminate()
        assert sidecar.exit_code(2) == 0


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


def test_row_53_draining_again_and_again_brings_no_message_to_the_fence() -> None:
    with rabbitmq_mesh() as own:
        own.runtime()
        for number in range(24):
            own.send(envelope({"do": "sleep", "s": 0.2, "n": number}, id=f"e-{number}"))
        for _ in range(6):
            sidecar = own.sidecar(ASYA_PREFETCH="9")
            until(lambda found=sidecar: found.metric("active_messages") == 9, what="one runs and eight wait")
            sidecar.terminate()
            assert sidecar.exit_code() == 0
        own.sidecar(ASYA_PREFETCH="9")
        until(lambda: own.counts("b").queued == 24, 30, what="all are through")
        assert own.stored("x-sump") == []
        assert set(Counter(call["n"] for call in own.calls()).values()) == {1}


def test_row_54_a_wrong_password_ends_the_process_after_half_a_minute() -> None:
    with rabbitmq_mesh() as own:
        own.runtime()
        sidecar = own.sidecar(ASYA_RABBITMQ_PASSWORD="wr0ng-s3cret")
        until(lambda: "access_refused" in sidecar.reasons, what="not ready")
        assert sidecar.exit_code(45) == 5
        assert "refuses the user or the password" in sidecar.log.splitlines()[-1]
        assert "wr0ng-s3cret" not in sidecar.log
