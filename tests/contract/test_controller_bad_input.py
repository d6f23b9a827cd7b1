"""Bad input, contract: controller, 12: every row in the contract's words."""

from typing import Any

import pytest

from asya_controller.decide.check import Violation, check
from asya_controller.decide.world import World
from tests.controller.worlds import (
    RABBITMQ,
    SQS,
    History,
    Json,
    actor,
    config,
    merge,
    told,
    unmade,
)

# --- bad input (12) ---------------------------------------------------------------------------------------------------


def pod_spec(**fields: Any) -> Json:
    return {"workload": {"template": {"spec": fields}}}


def with_runtime_env(**entry: Any) -> Json:
    document = actor()
    document["spec"]["workload"]["template"]["spec"]["containers"][0]["env"].append(entry)
    return document


ROLE = merge(SQS, {"config": {"actorRoleArn": "arn:aws:iam::123456789012:role/a"}})
PATH = "workload.template.spec"

BAD_INPUT = [
    (
        actor({"scaling": {"enabled": True, "minReplicas": 5, "maxReplicas": 2}}),
        Violation(
            "WorkloadReady", "ValidationError", "scaling.minReplicas must not be greater than scaling.maxReplicas"
        ),
    ),
    (
        actor({"workload": {"replicas": "two"}}),
        Violation(
            "WorkloadReady", "ValidationError", 'spec.workload.replicas: expected an integer from 0 to 1000, got "two"'
        ),
    ),
    (
        with_runtime_env(name="ASYA_PYTHONEXECUTABLE", valueFrom={"fieldRef": {"fieldPath": "metadata.name"}}),
        Violation("WorkloadReady", "ValidationError", "ASYA_PYTHONEXECUTABLE must be a literal value"),
    ),
    (
        actor(pod_spec(hostNetwork=True)),
        Violation(
            "WorkloadReady",
            "PolicyViolation",
            f"pod template uses {PATH}.hostNetwork, which is denied by policy rule hostNamespaces",
        ),
    ),
    (
        actor({"transport": "kafka"}),
        Violation("TransportReady", "InvalidTransport", "transport 'kafka' not found in operator configuration"),
    ),
    (
        actor({"transport": "off"}),
        Violation("TransportReady", "InvalidTransport", "transport 'off' is disabled in operator configuration"),
    ),
    (
        actor({"transport": "sqs", **pod_spec(serviceAccountName="mine")}),
        Violation(
            "WorkloadReady",
            "ServiceAccountConflict",
            "serviceAccountName mine cannot be combined with actorRoleArn of transport sqs",
        ),
    ),
    (
        actor({"timeout": {"processing": 1741}}),
        Violation(
            "WorkloadReady", "TimeoutTooLong", "timeout.processing 1741s exceeds what transport rabbitmq allows (1740s)"
        ),
    ),
    (
        actor({"transport": "long"}),
        Violation(
            "TransportReady",
            "QueueNameInvalid",
            f"queue name '{'q' * 260}-a-dlq' has 266 characters, rabbitmq allows 255",
        ),
    ),
    (
        actor(pod_spec(terminationGracePeriodSeconds="soon")),
        Violation(
            "WorkloadReady",
            "InvalidTemplate",
            "spec.workload.template.spec.terminationGracePeriodSeconds: expected an integer, got 'soon'",
        ),
    ),
]
OPERATOR = config(
    rabbitmq=RABBITMQ,
    off={**RABBITMQ, "enabled": False},
    sqs=ROLE,
    long=merge(RABBITMQ, {"config": {"queueNameTemplate": "q" * 260 + "-{actor}"}}),
)


@pytest.mark.parametrize(("document", "violation"), BAD_INPUT, ids=lambda value: getattr(value, "reason", ""))
def test_bad_input_is_refused_in_the_contracts_words(document: Json, violation: Violation) -> None:
    assert check(document, OPERATOR) == violation


@pytest.mark.parametrize(("document", "violation"), BAD_INPUT, ids=lambda value: getattr(value, "reason", ""))
def test_bad_input_shows_as_the_tables_status_and_stalled(document: Json, violation: Violation) -> None:
    status = History().look(unmade(document, OPERATOR, queue=None))
    expected = "TransportError" if violation.condition == "TransportReady" else "ConfigError"
    assert (status["status"], status["message"]) == (expected, violation.message)
    assert told(status, "Stalled") == ("True", violation.reason)


@pytest.mark.parametrize(
    ("fields", "path", "rule"),
    [
        ({"hostPID": True}, "hostPID", "hostNamespaces"),
        ({"hostIPC": True}, "hostIPC", "hostNamespaces"),
        ({"shareProcessNamespace": True}, "shareProcessNamespace", "shareProcessNamespace"),
        ({"nodeName": "n1"}, "nodeName", "nodeName"),
        ({"ephemeralContainers": [{"name": "x"}]}, "ephemeralContainers", "ephemeralContainers"),
        (
            {"initContainers": [{"name": "i", "image": "i", "securityContext": {"privileged": True}}]},
            "initContainers[0].securityContext.privileged",
            "privileged",
        ),
        (
            {"initContainers": [{"name": "i", "image": "i", "ports": [{"containerPort": 1, "hostPort": 80}]}]},
            "initContainers[0].ports[0].hostPort",
            "hostPorts",
        ),
        (
            {
                "initContainers": [
                    {
                        "name": "i",
                        "image": "i",
                        "securityContext": {"capabilities": {"add": ["NET_BIND_SERVICE", "NET_ADMIN"]}},
                    }
                ]
            },
            "initContainers[0].securityContext.capabilities.add[1]",
            "addedCapabilities",
        ),
    ],
)
def test_every_rule_of_the_pod_policy_denies(fields: Json, path: str, rule: str) -> None:
    found = check(actor(pod_spec(**fields)), OPERATOR)
    message = f"pod template uses {PATH}.{path}, which is denied by policy rule {rule}"
    assert found == Violation("WorkloadReady", "PolicyViolation", message)


@pytest.mark.parametrize(
    ("rule", "fields", "path"),
    [
        ("serviceAccountName", {"serviceAccountName": "mine"}, "serviceAccountName"),
        (
            "projectedTokens",
            {"volumes": [{"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]},
            "volumes[0].projected.sources[0].serviceAccountToken",
        ),
    ],
)
def test_some_rules_deny_only_when_the_operator_says_so(rule: str, fields: Json, path: str) -> None:
    assert check(actor(pod_spec(**fields)), config()) is None
    policy = config().pod_policy.model_copy(update={"deny": (rule,)})
    found = check(actor(pod_spec(**fields)), config().model_copy(update={"pod_policy": policy}))
    assert found is not None
    assert found.message == f"pod template uses {PATH}.{path}, which is denied by policy rule {rule}"


def test_an_allow_list_denies_every_other_pod_field() -> None:
    policy = config().pod_policy.model_copy(update={"allow_pod_fields": ("containers",)})
    operator = config().model_copy(update={"pod_policy": policy})
    assert check(actor(), operator) is None
    found = check(actor(pod_spec(priorityClassName="high")), operator)
    assert found is not None
    assert found.message == f"pod template uses {PATH}.priorityClassName, which is denied by policy rule allowPodFields"


def test_the_first_violation_of_the_order_decides() -> None:
    both = actor({"transport": "kafka", **pod_spec(hostNetwork=True)})
    found = check(both, OPERATOR)
    assert found is not None
    assert found.reason == "PolicyViolation"


@pytest.mark.parametrize("spec", [None, [], "x", {"workload": 3}, {"transport": 5, "scaling": "on", "timeout": []}])
def test_a_stored_object_of_any_shape_gets_a_status(spec: Any) -> None:
    document = {**actor(), "spec": spec}
    status = History().look(World(actor=document, config=OPERATOR))
    assert (status["status"], told(status, "WorkloadReady")) == ("ConfigError", ("False", "ValidationError"))
