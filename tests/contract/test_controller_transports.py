"""Situations 25-34 of contract: controller, 14: transports and bad input."""

from dataclasses import replace

import pytest

from asya_controller.decide.conditions import Verdict
from asya_controller.decide.world import QueueFacts
from tests.controller.worlds import (
    NOW,
    RABBITMQ,
    SQS,
    History,
    Json,
    actor,
    condition,
    config,
    events,
    fixed,
    minutes,
    ready_pods,
    seconds,
    settled,
    starting_pods,
    steps_of,
    told,
    unmade,
    world,
)

# --- transports -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "message"),
    [
        (config(other=RABBITMQ), "transport 'rabbitmq' not found in operator configuration"),
        (config(rabbitmq={**RABBITMQ, "enabled": False}), "transport 'rabbitmq' is disabled in operator configuration"),
    ],
)
def test_row_25_a_transport_that_is_not_there_is_a_transport_error(operator: object, message: str) -> None:
    status = History().look(unmade(operator=operator, queue=None))  # type: ignore[arg-type]
    assert (status["status"], status["message"]) == ("TransportError", message)
    assert told(status, "TransportReady") == ("False", "InvalidTransport")
    assert (told(status, "Ready"), told(status, "Stalled")) == (
        ("False", "TransportError"),
        ("True", "InvalidTransport"),
    )
    assert told(status, "WorkloadReady") == ("Unknown", "WaitingForTransport")


def test_row_25_a_transports_name_is_free() -> None:
    operator = config(**{"rabbit-eu": RABBITMQ})
    status = History().look(world(actor({"transport": "rabbit-eu"}), ready_pods(1), operator=operator))
    assert (status["status"], status["transport"]) == ("Running", {"name": "rabbit-eu", "type": "rabbitmq"})


DOWN = QueueFacts("BrokerUnreachable", "rabbit.mq:5672: connection refused")


def test_row_26_a_broker_that_is_down_at_creation_lets_no_workload_be_made() -> None:
    history, facts = History(), unmade(queue=DOWN)
    history.look(unmade(queue=None, pass_finished=False))
    status = history.look(facts)
    assert status["status"] == "TransportError"
    assert told(status, "TransportReady") == ("False", "BrokerUnreachable")
    assert told(status, "WorkloadReady") == ("Unknown", "WaitingForTransport")
    assert told(status, "Reconciling") == ("True", "Retrying")
    assert events(history) == ["TransportError"]
    assert steps_of(facts, Verdict("False", "BrokerUnreachable", "")) == ()


def test_row_26_its_return_heals_the_actor() -> None:
    history = settled(unmade(queue=DOWN), NOW)
    status = history.look(world(pods=ready_pods(1)), NOW + minutes(1))
    assert (status["status"], told(status, "Ready"), events(history)) == ("Running", ("True", "Running"), ["Recovered"])


def test_row_27_a_broker_down_for_20_s_shows_in_the_pods_only() -> None:
    history = settled(world(pods=ready_pods(1)))
    history.look(world(pods=starting_pods(1), queue=DOWN), NOW)
    status = history.look(world(pods=starting_pods(1), queue=DOWN), NOW + seconds(20))
    assert (status["status"], told(status, "TransportReady")) == ("ScalingUp", ("True", "QueueReady"))


def test_row_27_a_broker_down_for_two_minutes_is_a_transport_error() -> None:
    history = settled(world(pods=ready_pods(1)))
    history.look(world(pods=starting_pods(1), queue=DOWN), NOW)
    status = history.look(world(pods=starting_pods(1), queue=DOWN), NOW + minutes(2))
    assert (status["status"], told(status, "TransportReady")) == ("TransportError", ("False", "BrokerUnreachable"))


def test_row_27_spec_changes_are_still_applied_while_the_broker_is_down() -> None:
    facts = world(actor(fixed(1)), ready_pods(1), queue=DOWN)
    changed = replace(facts, actor=actor(fixed(2)))
    assert [
        (step.verb, step.object["kind"]) for step in steps_of(changed, Verdict("False", "BrokerUnreachable", ""))
    ] == [("apply", "Deployment")]


def test_row_28_a_refused_password_is_stalled_and_not_shown() -> None:
    refused = QueueFacts("AuthFailed", "amqp://asya:hunter2@rabbit.mq:5672 refused the credentials")
    status = History().look(unmade(queue=refused))
    assert (status["status"], told(status, "TransportReady")) == ("TransportError", ("False", "AuthFailed"))
    assert told(status, "Stalled") == ("True", "AuthFailed")
    assert "hunter2" not in str(status)


def test_row_30_a_queue_with_other_arguments_works_and_is_told() -> None:
    history = settled(world(pods=ready_pods(1)))
    drift = QueueFacts("QueueDrift", "x-delivery-limit is 5, asked for 10", queued=5, processing=0)
    status = history.look(world(pods=ready_pods(1), queue=drift))
    assert (status["status"], told(status, "TransportReady")) == ("Running", ("True", "QueueDrift"))
    assert "x-delivery-limit" in condition(status, "TransportReady")["message"]
    assert (status["queuedMessages"], events(history)) == (5, ["QueueDrift"])


def test_row_31_a_queue_of_somebody_else_is_named_and_gets_no_pods() -> None:
    history = History()
    conflict = QueueFacts("QueueConflict", "queue 'asya-a-b-c' belongs to default/a/b-c")
    history.look(unmade(queue=None, pass_finished=False))
    status = history.look(unmade(queue=conflict))
    assert (status["status"], status["message"]) == ("TransportError", conflict.message)
    assert (told(status, "Stalled"), events(history)) == (
        ("True", "QueueConflict"),
        ["TransportError", "QueueConflict"],
    )
    assert steps_of(unmade(queue=conflict), Verdict("False", "QueueConflict", "")) == ()


def test_row_31_when_the_older_one_is_deleted_the_younger_recovers() -> None:
    history = settled(unmade(queue=QueueFacts("QueueConflict", "queue 'q' belongs to default/a/b")), NOW)
    assert history.look(world(pods=ready_pods(1)), NOW + seconds(30))["status"] == "Running"


def test_row_32_a_queue_name_too_long_for_sqs() -> None:
    document = actor({"transport": "sqs"}, name="n" * 63, namespace="long-namespace")
    status = History().look(unmade(document, config(sqs=SQS), queue=None))
    assert (status["status"], told(status, "TransportReady")) == ("TransportError", ("False", "QueueNameInvalid"))
    assert status["message"] == f"queue name 'asya-long-namespace-{'n' * 63}-dlq' has 87 characters, sqs allows 80"
    assert told(status, "Stalled") == ("True", "QueueNameInvalid")


def test_row_32_a_handler_that_may_run_longer_than_sqs_allows() -> None:
    document = actor({"transport": "sqs", "timeout": {"processing": 50000}})
    status = History().look(unmade(document, config(sqs=SQS), queue=None))
    assert (status["status"], told(status, "WorkloadReady")) == ("ConfigError", ("False", "TimeoutTooLong"))
    assert status["message"] == "timeout.processing 50000s exceeds what transport sqs allows (39600s)"
    assert told(status, "Stalled") == ("True", "TimeoutTooLong")


# --- bad input --------------------------------------------------------------------------------------------------------


def without_handler() -> Json:
    document = actor()
    del document["spec"]["workload"]["template"]["spec"]["containers"][0]["env"]
    return document


def test_row_33_a_stored_object_that_breaks_a_rule_is_refused_and_its_pods_stay() -> None:
    running = world(pods=ready_pods(1))
    history = settled(running)
    status = history.look(replace(running, actor=without_handler()))
    assert (status["status"], told(status, "WorkloadReady")) == ("ConfigError", ("False", "ValidationError"))
    assert told(status, "TransportReady") == ("Unknown", "NotChecked")
    assert told(status, "Stalled") == ("True", "ValidationError")
    assert status["message"] == "container asya-runtime must set the environment variable ASYA_HANDLER"
    assert (status["readyReplicas"], status["observedGeneration"]) == (1, 1)


def test_row_34_a_denied_field_is_named_with_its_rule() -> None:
    volumes = {"workload": {"template": {"spec": {"volumes": [{"name": "node", "hostPath": {"path": "/"}}]}}}}
    status = History().look(unmade(actor(volumes), queue=None))
    assert (status["status"], told(status, "WorkloadReady")) == ("ConfigError", ("False", "PolicyViolation"))
    path = "workload.template.spec.volumes[0].hostPath"
    assert status["message"] == f"pod template uses {path}, which is denied by policy rule hostPath"
