"""What has to be written, and when two objects are the same."""

from dataclasses import replace

import pytest

from asya_controller.decide.conditions import Verdict
from asya_controller.decide.normal import contains, digest, normal, quantity
from asya_controller.decide.plan import plan
from asya_controller.decide.world import World
from tests.controller.worlds import (
    NOW,
    SQS,
    USABLE,
    Json,
    actor,
    config,
    desired_of,
    fixed,
    merge,
    minutes,
    ready_pods,
    scaled,
    unmade,
    world,
)


def steps(facts: World, transport: Verdict | None = USABLE) -> list[tuple[str, str, str]]:
    found = plan(facts, desired_of(dict(facts.actor), facts.config), transport, NOW)
    return [(step.verb, str(step.object["kind"]), step.why) for step in found]


# --- normal form ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("1", 1),
        ("1000m", "1"),
        ("1e3", "1k"),
        ("+1", "1"),
        ("1Gi", "1024Mi"),
        ("0.5", "500m"),
        (".5", "0.50"),
        ("1E3", "1000"),
        ("100n", "0.1u"),
    ],
)
def test_quantities_are_compared_by_value(one: object, two: object) -> None:
    assert quantity(one) == quantity(two)


@pytest.mark.parametrize(("one", "two"), [("1M", "1Mi"), ("1", "2"), ("1m", "1M")])
def test_other_quantities_differ(one: object, two: object) -> None:
    assert quantity(one) != quantity(two)


def test_what_is_no_quantity_stays() -> None:
    assert quantity("lots") == "lots"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"a": None, "b": "", "c": [], "d": {}}, {}),
        ({"a": {"b": None}}, {}),
        ({"emptyDir": {}}, {"emptyDir": {}}),
        ({"storageClassName": ""}, {"storageClassName": ""}),
        ({"namespaceSelector": {}}, {"namespaceSelector": {}}),
        ({"labels": {"a": ""}, "nodeSelector": {"b": ""}}, {"labels": {"a": ""}, "nodeSelector": {"b": ""}}),
        ({"env": [{"name": "A", "value": ""}]}, {"env": [{"name": "A"}]}),
        ({"args": ["", "x"]}, {"args": ["", "x"]}),
        ({"hostNetwork": False, "replicas": 0}, {"hostNetwork": False, "replicas": 0}),
        ({"resources": {"limits": {"cpu": 1}}}, {"resources": {"limits": {"cpu": "1"}}}),
    ],
)
def test_only_what_means_nothing_is_left_out(given: Json, expected: Json) -> None:
    assert normal(given) == expected


def test_the_hash_ignores_order_and_empties_and_sees_values() -> None:
    assert digest({"a": 1, "b": {}}) == digest({"a": 1})
    assert digest({"a": 1}) != digest({"a": 2})


def test_fields_and_items_of_others_are_no_difference() -> None:
    wanted = {"containers": [{"name": "a", "env": [{"name": "X"}]}]}
    live = {
        "containers": [{"name": "mesh"}, {"name": "a", "image": "i", "env": [{"name": "Y"}, {"name": "X"}]}],
        "replicas": 3,
    }
    assert contains(live, wanted)


@pytest.mark.parametrize(
    ("live", "wanted"),
    [
        ({"a": 1}, {"a": 2}),
        ({}, {"a": 1}),
        ({"args": ["x", "y"]}, {"args": ["x"]}),
        ({"containers": [{"name": "b"}]}, {"containers": [{"name": "a"}]}),
        ({"ports": [{"containerPort": 1, "protocol": "UDP"}]}, {"ports": [{"containerPort": 1}]}),
    ],
)
def test_a_missing_or_other_leaf_is_a_difference(live: Json, wanted: Json) -> None:
    assert not contains(live, wanted)


# --- the plan ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [fixed(2), scaled(minReplicas=1)])
def test_a_converged_actor_needs_no_write(spec: Json) -> None:
    assert steps(world(actor(spec), ready_pods(2))) == []


def test_defaults_that_a_server_fills_in_are_no_difference() -> None:
    filled = {
        "spec": {
            "revisionHistoryLimit": 10,
            "template": {"spec": {"dnsPolicy": "ClusterFirst", "restartPolicy": "Always"}},
        }
    }
    assert steps(world(actor(fixed(1)), workload=filled)) == []


def test_everything_is_made_in_the_order_of_the_contract() -> None:
    operator = config(sqs=merge(SQS, {"config": {"actorRoleArn": "arn:aws:iam::1:role/r"}}))
    found = steps(unmade(actor({"transport": "sqs", **scaled()}), operator))
    assert found == [
        ("create", "ServiceAccount", "missing"),
        ("create", "Deployment", "missing"),
        ("create", "TriggerAuthentication", "missing"),
        ("create", "ScaledObject", "missing"),
    ]


@pytest.mark.parametrize(("minimum", "keda", "replicas"), [(0, True, 0), (3, True, 3), (0, False, 1), (3, False, 3)])
def test_a_new_scaled_workload_starts_at_its_minimum(minimum: int, keda: bool, replicas: int) -> None:
    facts = unmade(actor(scaled(minReplicas=minimum)), keda=keda)
    assert plan(facts, desired_of(dict(facts.actor)), USABLE, NOW)[0].replicas == replicas


@pytest.mark.parametrize("reason", ["InvalidTransport", "QueueNameInvalid", "QueueConflict"])
def test_some_transport_faults_hold_updates_back(reason: str) -> None:
    facts = replace(world(actor(fixed(1))), actor=actor(fixed(2)))
    assert steps(facts, Verdict("False", reason, "")) == []


def test_a_changed_spec_is_told_from_a_drifted_object() -> None:
    live = world(actor(fixed(1)))
    assert steps(replace(live, actor=actor(fixed(2)))) == [("apply", "Deployment", "changed")]
    drifted = world(actor(fixed(1)), workload={"spec": {"replicas": 9}})
    assert steps(drifted) == [("apply", "Deployment", "drifted")]


def test_an_object_of_an_actor_of_the_same_name_before_is_not_touched() -> None:
    earlier = replace(world(actor(fixed(1))), actor=actor(fixed(2), uid="another"))
    assert steps(earlier) == []


def test_keda_that_does_not_let_go_is_waited_for_a_minute() -> None:
    held = {"metadata": {"deletionTimestamp": "2026-11-24T12:00:00Z"}}
    live = world(actor(scaled()), ready_pods(2), replicas=4)
    scaler = merge(dict(live.scaled_object or {}), held)
    going = replace(live, actor=actor(fixed(2)), scaled_object=scaler, trigger_authentication=None)
    desired = desired_of(actor(fixed(2)))
    early = plan(going, desired, USABLE, NOW + minutes(0.5))
    late = plan(going, desired, USABLE, NOW + minutes(1))
    assert not [step for step in early if "replicas" in step.object["spec"]]
    assert [step.object["spec"]["replicas"] for step in late] == [2]


def test_nothing_is_removed_twice() -> None:
    held = {"metadata": {"deletionTimestamp": "2026-11-24T12:00:00Z"}}
    live = world(actor(scaled()), replicas=1)
    going = replace(live, actor=actor(fixed(1)), scaled_object=merge(dict(live.scaled_object or {}), held))
    assert ("remove", "ScaledObject", "not wanted") not in steps(going)
