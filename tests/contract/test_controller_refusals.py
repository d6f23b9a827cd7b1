"""Bad input on a real API server, one test for each row of the table (contract: controller 12): condition, words, status, and whether it is
tried again. What a rule V1-V18 refuses is stored in test_controller_stored.py.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.actors import POD, RUNTIME
from tests.support.controller_bed import Bed, bed, condition, message, states
from tests.support.controller_process import rabbitmq
from tests.support.kube.api import Refused
from tests.support.kube.cluster import Cluster
from tests.support.rabbitmq import Broker, shared_node
from tests.support.wait import until

JSON = dict[str, Any]
ROLE = "arn:aws:iam::123456789012:role/actors"
IDENTITIES = {
    "apiGroups": [""],
    "resources": ["serviceaccounts"],
    "verbs": ["get", "list", "watch", "create", "patch", "delete"],
}
"""What the sqs overlay permits in addition."""


@pytest.fixture(scope="module")
def home(cluster: Cluster) -> Iterator[Bed]:
    """One controller for the tests of this module."""

    def transports(broker: Broker, vhost: str) -> JSON:
        return {
            "off": rabbitmq(broker, vhost, enabled=False),
            "roles": {"type": "sqs", "config": {"region": "eu-north-1", "actorRoleArn": ROLE}},
            "long": rabbitmq(broker, vhost, queueNameTemplate="q" * 240 + "-{actor}"),
            "verify": rabbitmq(broker, vhost, queueNameTemplate="v-{namespace}-{actor}", queues={"autoCreate": False}),
        }

    with bed(cluster, shared_node(), transports, permissions=(IDENTITIES,)) as found:
        yield found


def refused(home: Bed, name: str, value: str, kind: str, reason: str, words: str, *, stalled: bool = True) -> JSON:
    """The status, once it is as the row says."""
    status = home.reaches(name, value, reason)
    assert condition(status, kind) == ("False", reason)
    assert message(status, kind) == words
    assert status["message"] == words
    assert states(status) == (("False", "", "True") if stalled else ("False", "True", ""))
    if kind == "WorkloadReady" and reason in (
        "ValidationError",
        "PolicyViolation",
        "TimeoutTooLong",
        "ServiceAccountConflict",
    ):
        assert condition(status, "TransportReady") == ("Unknown", "NotChecked")
    home.told(name, value)
    return status


def not_tried_again(home: Bed, name: str, kind: str) -> None:
    """Another pass comes, and nothing is applied in it."""
    tried = home.controller.metric("asya_apply_total", kind=kind, result="error")
    home.annotate(name, deletion_policy="Delete")
    passes = home.controller.metric("controller_runtime_reconcile_total")
    until(lambda: home.controller.metric("controller_runtime_reconcile_total") > passes, what="a pass")
    assert home.controller.metric("asya_apply_total", kind=kind, result="error") == tried


def test_input_row_01_an_interpreter_from_elsewhere(home: Bed) -> None:
    elsewhere = {"name": "ASYA_PYTHONEXECUTABLE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    home.create("elsewhere", ((*RUNTIME, "env", 1), elsewhere))
    words = "ASYA_PYTHONEXECUTABLE must be a literal value"
    refused(home, "elsewhere", "ConfigError", "WorkloadReady", "ValidationError", words)
    assert home.child("deployments", "elsewhere") is None


def test_input_row_02_a_field_that_the_policy_denies(home: Bed) -> None:
    home.create("denied", ((*POD, "hostNetwork"), True))
    words = "pod template uses workload.template.spec.hostNetwork, which is denied by policy rule hostNamespaces"
    refused(home, "denied", "ConfigError", "WorkloadReady", "PolicyViolation", words)
    assert home.child("deployments", "denied") is None


@pytest.mark.parametrize(
    ("transport", "words"),
    [
        ("kafka", "transport 'kafka' not found in operator configuration"),
        ("off", "transport 'off' is disabled in operator configuration"),
    ],
)
def test_input_row_03_a_transport_that_is_not_there(home: Bed, transport: str, words: str) -> None:
    home.create(f"on-{transport}", transport=transport)
    refused(home, f"on-{transport}", "TransportError", "TransportReady", "InvalidTransport", words)
    assert home.child("deployments", f"on-{transport}") is None


def test_input_row_04_an_account_of_its_own_beside_a_role(home: Bed) -> None:
    home.create("two-accounts", ((*POD, "serviceAccountName"), "mine"), transport="roles")
    words = "serviceAccountName mine cannot be combined with actorRoleArn of transport roles"
    refused(home, "two-accounts", "ConfigError", "WorkloadReady", "ServiceAccountConflict", words)


def test_input_row_05_a_handler_that_may_run_longer_than_the_broker_allows(home: Bed) -> None:
    home.create("slow", timeout={"processing": 1741})
    words = "timeout.processing 1741s exceeds what transport rabbitmq allows (1740s)"
    refused(home, "slow", "ConfigError", "WorkloadReady", "TimeoutTooLong", words)
    home.change("slow", {"spec": {"timeout": {"processing": 1740}}})
    home.reaches("slow", "ScalingUp")


def test_input_row_06_a_queue_name_that_is_too_long(home: Bed) -> None:
    home.create("lengthy-name", transport="long")
    queue = "q" * 240 + "-lengthy-name-dlq"
    words = f"queue name '{queue}' has {len(queue)} characters, rabbitmq allows 255"
    refused(home, "lengthy-name", "TransportError", "TransportReady", "QueueNameInvalid", words)


def test_input_row_07_a_queue_of_somebody_else_is_looked_at_again(home: Bed) -> None:
    queue = home.queue("claimed")
    arguments = {"x-queue-type": "quorum", "x-asya-owner": "other/shop/claimed"}
    home.broker.ask("PUT", f"queues/{home.vhost}/{queue}", {"durable": True, "arguments": arguments})
    home.create("claimed")
    words = f"queue '{queue}' belongs to other/shop/claimed"
    refused(home, "claimed", "TransportError", "TransportReady", "QueueConflict", words)
    home.broker.ask("DELETE", f"queues/{home.vhost}/{queue}")
    home.reaches("claimed", "ScalingUp", "QueueReady", within_s=40)


def test_input_row_08_a_missing_queue_that_is_not_made_is_looked_at_again(home: Bed) -> None:
    home.create("absent", transport="verify")
    queue = f"v-{home.namespace}-absent"
    words = f"queue '{queue}' does not exist and autoCreate is off"
    refused(home, "absent", "TransportError", "TransportReady", "QueueMissing", words)
    for name in (queue, f"{queue}-dlq"):
        home.broker.ask(
            "PUT", f"queues/{home.vhost}/{name}", {"durable": True, "arguments": {"x-queue-type": "quorum"}}
        )
    home.reaches("absent", "ScalingUp", "QueueReady", within_s=40)


def test_input_row_09_a_template_that_the_server_refuses(home: Bed) -> None:
    home.create("unreadable", ((*RUNTIME, "resources"), {"limits": {"memory": "lots"}}))
    status = home.reaches("unreadable", "ConfigError", "InvalidTemplate")
    assert states(status) == ("False", "", "True")
    assert "quantities must match the regular expression" in status["message"]
    assert len(status["message"]) <= 512
    not_tried_again(home, "unreadable", "Deployment")


def test_input_row_10_a_foreign_object_of_a_childs_name(home: Bed) -> None:
    made = home.somebody_scales("scaled")
    home.create("scaled", scaling={"enabled": True})
    words = "ScaledObject 'scaled' exists and is not owned by this AsyncActor"
    refused(home, "scaled", "ScalingError", "ScalingReady", "NameConflict", words, stalled=False)
    now = home.child("scaledobjects", "scaled")
    assert now is not None
    assert now["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    home.api.delete("scaledobjects", home.namespace, "scaled")
    home.keda_says("scaled", within_s=60)
    home.reaches("scaled", "Napping", "ScaledObjectReady")


def test_input_row_11_scaling_values_that_keda_refuses(home: Bed) -> None:
    advanced = {"formula": "queue", "target": "4", "metricType": "Utilization"}
    home.create("utilized", scaling={"enabled": True, "advanced": advanced})
    status = home.reaches("utilized", "ScalingError", "ScaledObjectRefused")
    assert states(status) == ("False", "", "True")
    assert 'spec.advanced.scalingModifiers.metricType: Unsupported value: "Utilization"' in status["message"]
    not_tried_again(home, "utilized", "ScaledObject")
    home.change("utilized", {"spec": {"scaling": {"advanced": {"metricType": "AverageValue"}}}})
    home.keda_says("utilized")
    home.reaches("utilized", "Napping", "ScaledObjectReady")


def test_what_a_policy_of_the_cluster_denies_is_told_in_its_words(home: Bed) -> None:
    """Nothing in the actor is wrong, and somebody may change the policy: looked at again later, not stalled."""
    name = f"signed-{home.namespace}"
    rule = {"expression": "object.metadata.name != 'unsigned'", "message": "images must be signed"}
    what = {
        "apiGroups": ["apps"],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["deployments"],
    }
    where = {"matchLabels": {"kubernetes.io/metadata.name": home.namespace}}
    constraints = {"resourceRules": [what], "namespaceSelector": where}
    policy = {"failurePolicy": "Fail", "matchConstraints": constraints, "validations": [rule]}
    home.api.create("validatingadmissionpolicies", "", {"metadata": {"name": name}, "spec": policy})
    binding = {"policyName": name, "validationActions": ["Deny"]}
    home.api.create("validatingadmissionpolicybindings", "", {"metadata": {"name": name}, "spec": binding})
    try:
        until(lambda: denied(home), what="the policy counts")
        home.create("unsigned")
        status = home.reaches("unsigned", "ConfigError", "AdmissionDenied")
        assert "images must be signed" in status["message"]
        assert states(status) == ("False", "True", "")
    finally:
        home.api.delete("validatingadmissionpolicybindings", "", name)
        home.api.delete("validatingadmissionpolicies", "", name)
    until(lambda: not denied(home), what="the policy is gone")
    home.annotate("unsigned", reconcile_at="now")
    home.reaches("unsigned", "ScalingUp")


def denied(home: Bed) -> bool:
    """Whether a policy that was just made is in force."""
    labels = {"app": "probe"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    try:
        home.api.create("deployments", home.namespace, {"metadata": {"name": "unsigned"}, "spec": spec}, dryRun="All")
    except Refused as refusal:
        return "signed" in refusal.message
    return False
