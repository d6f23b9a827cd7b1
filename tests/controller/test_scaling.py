"""The KEDA objects, and the rule they stand for."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asya_controller.decide.scaling import ScalingMemory, ScalingRule, replicas_wanted
from tests.controller.worlds import RABBITMQ, SQS, Json, actor, config, desired_of, merge, scaled


def scaler(document: Json, **transport: Any) -> Json:
    found = desired_of(document, config(rabbitmq=merge(RABBITMQ, {"config": transport}))).scaled_object
    assert found is not None
    return found["spec"]  # type: ignore[no-any-return]


def authentication(**transport: Any) -> Json:
    found = desired_of(actor(scaled()), config(rabbitmq=merge(RABBITMQ, {"config": transport}))).trigger_authentication
    assert found is not None
    return found["spec"]  # type: ignore[no-any-return]


# --- objects ----------------------------------------------------------------------------------------------------------


def test_an_actor_without_scaling_has_no_scaler() -> None:
    found = desired_of(actor())
    assert (found.scaled_object, found.trigger_authentication) == (None, None)


def test_the_scaled_object_with_the_management_api() -> None:
    assert scaler(actor(scaled(minReplicas=1, maxReplicas=7, queueLength=4, cooldownPeriod=90))) == {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"},
        "minReplicaCount": 1,
        "maxReplicaCount": 7,
        "pollingInterval": 10,
        "cooldownPeriod": 90,
        "initialCooldownPeriod": 90,
        "advanced": {
            "horizontalPodAutoscalerConfig": {
                "behavior": {
                    "scaleUp": {
                        "stabilizationWindowSeconds": 0,
                        "policies": [{"type": "Pods", "value": 7, "periodSeconds": 15}],
                    },
                    "scaleDown": {
                        "stabilizationWindowSeconds": 300,
                        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
                    },
                }
            }
        },
        "triggers": [
            {
                "type": "rabbitmq",
                "name": "queue",
                "metadata": {
                    "protocol": "http",
                    "host": "http://rabbit.mq:15672/",
                    "vhostName": "/",
                    "queueName": "asya-ns-a",
                    "mode": "QueueLength",
                    "value": "4",
                    "excludeUnacknowledged": "false",
                },
                "authenticationRef": {"name": "a-trigger-auth"},
            }
        ],
    }


@pytest.mark.parametrize(("tls", "address"), [(False, "amqp://one:5672"), (True, "amqps://one:5671")])
def test_without_the_management_api_the_first_host_is_asked(tls: bool, address: str) -> None:
    metadata = scaler(actor(scaled()), managementUrl=None, host="one,two", tls={"enabled": tls})["triggers"][0][
        "metadata"
    ]
    assert (metadata["protocol"], metadata["host"]) == ("amqp", address)


def test_a_formula_and_only_a_true_restore_are_passed_on() -> None:
    given_ = {"formula": "queue", "target": "4", "restoreToOriginalReplicaCount": False}
    advanced = scaler(actor(scaled(advanced=given_)))["advanced"]
    assert advanced["scalingModifiers"] == {"formula": "queue", "target": "4", "metricType": "AverageValue"}
    assert "restoreToOriginalReplicaCount" not in advanced
    restored = scaler(actor(scaled(advanced={"restoreToOriginalReplicaCount": True})))["advanced"]
    assert restored["restoreToOriginalReplicaCount"] is True


def test_a_target_without_a_formula_is_inert() -> None:
    assert "scalingModifiers" not in scaler(actor(scaled(advanced={"target": "4"})))["advanced"]


def test_a_literal_user_name_is_read_from_the_sidecars_variables() -> None:
    assert authentication() == {
        "secretTargetRef": [{"parameter": "password", "name": "rabbit", "key": "password"}],
        "env": [{"parameter": "username", "name": "ASYA_RABBITMQ_USERNAME", "containerName": "asya-sidecar"}],
    }


def test_tls_is_told_to_keda_by_the_sidecars_variable() -> None:
    found = authentication(
        username=None,
        usernameSecretRef={"name": "rabbit", "key": "user"},
        tls={"enabled": True, "caSecretRef": {"name": "ca", "key": "crt"}},
    )
    assert found == {
        "secretTargetRef": [
            {"parameter": "username", "name": "rabbit", "key": "user"},
            {"parameter": "password", "name": "rabbit", "key": "password"},
            {"parameter": "ca", "name": "ca", "key": "crt"},
        ],
        "env": [{"parameter": "tls", "name": "ASYA_KEDA_TLS", "containerName": "asya-sidecar"}],
    }


def test_sqs_counts_messages_in_flight_and_uses_the_pods_identity() -> None:
    found = desired_of(
        actor({"transport": "sqs", **scaled()}), config(sqs=merge(SQS, {"config": {"accountId": "123456789012"}}))
    )
    assert found.scaled_object is not None
    assert found.trigger_authentication is not None
    trigger = found.scaled_object["spec"]["triggers"][0]
    assert trigger["type"] == "aws-sqs-queue"
    assert trigger["metadata"] == {
        "queueURL": "https://sqs.eu-west-1.amazonaws.com/123456789012/asya-ns-a",
        "queueLength": "5",
        "awsRegion": "eu-west-1",
        "scaleOnInFlight": "true",
    }
    assert found.trigger_authentication["spec"] == {"podIdentity": {"provider": "aws"}}


# --- the rule ---------------------------------------------------------------------------------------------------------


class Run:
    """The rule through time; every step is one second unless told otherwise."""

    def __init__(self, rule: ScalingRule, pods: int = 0) -> None:
        self.rule, self.pods, self.memory, self.now = rule, pods, ScalingMemory(), 1000.0

    def step(self, queued: int, in_work: int = 0, for_s: float = 1.0) -> int:
        end = self.now + for_s
        while self.now < end:
            self.now += 1
            self.pods, self.memory = replicas_wanted(self.rule, self.pods, queued, in_work, self.memory, self.now)
        return self.pods


def test_nothing_to_do_leaves_zero_at_zero() -> None:
    assert Run(ScalingRule()).step(0, for_s=100) == 0


@pytest.mark.parametrize(
    ("queued", "in_work", "pods"), [(1, 0, 1), (5, 0, 1), (6, 0, 2), (0, 1, 1), (4, 7, 3), (1000, 0, 50)]
)
def test_a_message_wakes_as_many_as_are_needed_at_once(queued: int, in_work: int, pods: int) -> None:
    assert Run(ScalingRule()).step(queued, in_work) == pods


def test_the_minimum_holds_without_messages() -> None:
    assert Run(ScalingRule(minimum=2)).step(0, for_s=1000) == 2


def test_zero_comes_after_the_cooldown_and_not_before() -> None:
    run = Run(ScalingRule(cooldown_s=60))
    run.step(1)
    assert run.step(0, for_s=59) == 1
    assert run.step(0) == 0


def test_zero_comes_from_any_size() -> None:
    run = Run(ScalingRule(cooldown_s=60))
    assert run.step(50) == 10
    assert run.step(0, for_s=60) == 0


def test_a_message_in_work_is_no_idleness() -> None:
    run = Run(ScalingRule(cooldown_s=60))
    assert run.step(0, in_work=1, for_s=600) == 1


def test_a_start_with_pods_and_an_empty_queue_waits_for_the_cooldown() -> None:
    run = Run(ScalingRule(cooldown_s=60), pods=3)
    assert run.step(0, for_s=60) == 3
    assert run.step(0) == 0


def test_fewer_messages_take_pods_away_after_the_window_one_a_minute() -> None:
    run = Run(ScalingRule())
    assert run.step(50) == 10
    assert run.step(5, for_s=299) == 10
    assert run.step(5) == 9
    assert run.step(5, for_s=59) == 9
    assert run.step(5) == 8
    assert run.step(5, for_s=60 * 20) == 1


def test_a_peak_within_the_window_keeps_the_pods() -> None:
    run = Run(ScalingRule())
    run.step(50)
    run.step(5, for_s=200)
    run.step(30)
    assert run.step(5, for_s=150) == 9
    assert run.step(5, for_s=140) == 6


def test_a_lowered_maximum_counts_at_once() -> None:
    run = Run(ScalingRule(maximum=10), pods=10)
    run.rule = ScalingRule(maximum=4)
    assert run.step(100) == 4


def test_the_rule_of_a_spec_has_the_effective_values() -> None:
    assert ScalingRule.of(scaled(minReplicas=1, cooldownPeriod=5)) == ScalingRule(5, 1, 50, 5)


RULES = st.builds(
    lambda low, more, length, cooldown: ScalingRule(length, low, max(1, low + more), cooldown),
    st.integers(0, 3),
    st.integers(0, 10),
    st.integers(1, 5),
    st.sampled_from([0, 1, 30]),
)
TRAFFIC = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 5), st.sampled_from([1, 10, 70, 400])), max_size=12)


@given(RULES, TRAFFIC)
def test_whatever_the_traffic_the_count_stays_in_bounds(rule: ScalingRule, traffic: list[tuple[int, int, int]]) -> None:
    pods, memory, now = rule.minimum, ScalingMemory(), 0.0
    for queued, in_work, span in traffic:
        now += span
        before, (pods, memory) = pods, replicas_wanted(rule, pods, queued, in_work, memory, now)
        assert rule.minimum <= pods <= rule.maximum
        assert pods > 0 or not queued + in_work
        assert pods >= before - 1 or pods == 0
        assert list(memory.needs) == sorted(memory.needs, key=lambda item: -item[1])
