"""What conditions say of recorded workloads and ScaledObjects, and how long a doubt is given."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from asya_controller.decide.conditions import creation_refused, scaling_ready
from asya_controller.decide.world import QueueFacts, Refusal, World
from tests.controller import recorded
from tests.controller.worlds import (
    NOW,
    History,
    Json,
    actor,
    condition,
    config,
    crashing_pod,
    event,
    minutes,
    ready_pods,
    scaled,
    seconds,
    settled,
    told,
    world,
)

REFUSED = {
    "deploy-podsecurity-violation": "PodRejected",
    "limitrange": "PodRejected",
    "priority-missing": "PodRejected",
    "quota": "QuotaExceeded",
    "quota-must": "PodRejected",
    "runtimeclass-missing": "PodRejected",
    "sa-missing": "ServiceAccountNotFound",
    "sts-psa": "PodRejected",
    "sts-quota": "QuotaExceeded",
}


@pytest.mark.parametrize("case", REFUSED)
def test_the_reason_of_a_recorded_refusal_to_create_pods(case: str) -> None:
    found = recorded.pods()[case]
    facts = World({}, config(), workload=found["workloads"][0], events=tuple(found["events"]))
    verdict = creation_refused(facts)
    assert verdict is not None
    assert (verdict.status, verdict.reason) == ("False", REFUSED[case])


def test_a_stateful_sets_refusal_is_over_when_a_later_pod_was_created() -> None:
    refused = event("FailedCreate", "is forbidden: exceeded quota: q", "a", "StatefulSet", at=NOW - minutes(9))
    created = event("SuccessfulCreate", "create Pod a-0 in StatefulSet a successful", "a", "StatefulSet", type="Normal")
    document = actor({"workload": {"kind": "StatefulSet"}})
    assert History().look(world(document, events=(refused,)))["status"] == "PendingResources"
    assert History().look(world(document, events=(refused, created)))["status"] == "ScalingUp"


# --- scaling ----------------------------------------------------------------------------------------------------------


def facts_of(case: str) -> tuple[World, datetime]:
    found = recorded.scaled_objects()[case]
    facts = world(
        actor(scaled()),
        ready_pods(1),
        replicas=1,
        scaled_object=found["scaledObject"],
        hpa=found.get("hpa"),
        events=tuple(found["events"]),
    )
    return facts, recorded.moment(found["recordedAt"])


WORKING = [
    "20s-k-http",
    "20s-k-env",
    "20s-k-mod",
    "20s-k-restore",
    "20s-k-max0",
    "20s-k-zero-replicas-env",
    "late-p-wrong0",
]
BROKEN = {
    "late-k-badpw": "unable to fetch metrics",
    "late-k-badpw-amqp": "username or password not allowed",
    "late-k-down": "unable to fetch metrics",
    "late-k-modbad": "",
    "late-k-modnotarget": "",
    "late-k-noqueue": "unable to fetch metrics",
    "late-k-notarget": "",
    "late-k-util": "",
    "late-p-del": "not found",
}


@pytest.mark.parametrize("case", WORKING)
def test_a_recorded_scaled_object_that_works(case: str) -> None:
    facts, now = facts_of(case)
    verdict = scaling_ready(settled(facts, now).world(facts), now)
    assert verdict is not None
    assert (verdict.status, verdict.reason) == ("True", "ScaledObjectReady")


@pytest.mark.parametrize("case", BROKEN)
def test_a_recorded_fault_of_the_scaler_shows_after_60_s(case: str) -> None:
    facts, now = facts_of(case)
    history = settled(facts, now)
    early = told(history.look(facts, now + seconds(59)), "ScalingReady")
    status = history.look(facts, now + seconds(60))
    assert early != ("False", "ScaledObjectNotReady")
    assert (status["status"], told(status, "ScalingReady")) == ("ScalingError", ("False", "ScaledObjectNotReady"))
    assert BROKEN[case] in status["message"]


def test_an_hpa_that_does_not_scale_for_60_s_is_a_fault_although_keda_is_content() -> None:
    facts, _ = facts_of("late-p-amqp1")
    since = datetime.fromisoformat("2026-11-24T19:27:52Z")
    assert told(History().look(facts, since + seconds(59)), "ScalingReady") == ("True", "ScaledObjectReady")
    assert told(History().look(facts, since + seconds(60)), "ScalingReady") == ("False", "HPAError")


def test_a_paused_scaled_object_is_ready() -> None:
    paused = {"status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Paused", "status": "True"}]}}
    status = History().look(world(actor(scaled()), ready_pods(1), replicas=1, scaled_object=paused))
    assert told(status, "ScalingReady") == ("True", "Paused")


@pytest.mark.parametrize("log", ["broker-hangs", "proxy-killed-and-back"])
def test_a_hanging_broker_is_one_fault_however_often_keda_flips(log: str) -> None:
    said: dict[str, list[str]] = {}
    flips = list(recorded.scaler_flips(log))
    names = {name for _, name, _, _ in flips}
    for name in sorted(names):
        history, mine = History(), [(second, ready) for second, who, ready, _ in flips if who == name]
        states: list[str] = []
        for number, (second, ready) in enumerate(mine):
            end = mine[number + 1][0] if number + 1 < len(mine) else second + 200
            facts = scaler(ready)
            while second < end:
                states.append(told(history.look(facts, NOW + seconds(second)), "ScalingReady")[0])  # type: ignore[index]
                second += 10
        said[name] = [state for number, state in enumerate(states) if number == 0 or states[number - 1] != state]
    assert all(len(states) <= 3 for states in said.values()), said


def scaler(ready: str) -> World:
    found = {
        "status": {"conditions": [{"type": "Ready", "status": ready, "reason": "x", "message": "Triggers do not work"}]}
    }
    return world(actor(scaled()), ready_pods(1), replicas=1, scaled_object=found)


def test_a_flip_of_keda_to_ready_neither_ends_a_fault_nor_forgets_it() -> None:
    history = settled(scaler("False"), NOW)
    history.look(scaler("True"), NOW + seconds(30))
    assert told(history.look(scaler("False"), NOW + seconds(60)), "ScalingReady") == ("False", "ScaledObjectNotReady")
    assert told(history.look(scaler("True"), NOW + seconds(70)), "ScalingReady") == ("False", "ScaledObjectNotReady")
    assert told(history.look(scaler("True"), NOW + seconds(130)), "ScalingReady") == ("True", "ScaledObjectReady")


def test_a_restart_of_the_controller_does_not_forget_a_scaler_fault() -> None:
    history = settled(scaler("False"), NOW)
    history.look(scaler("False"), NOW + seconds(60))
    reborn = History(status=history.status)
    assert told(reborn.look(scaler("False"), NOW + seconds(61)), "ScalingReady") == ("False", "ScaledObjectNotReady")


@pytest.mark.parametrize(
    ("kind", "condition_type"),
    [("Deployment", "WorkloadReady"), ("ScaledObject", "ScalingReady"), ("ConfigMap", "WorkloadReady")],
)
def test_a_refusal_shows_in_the_condition_of_its_kind(kind: str, condition_type: str) -> None:
    refusal = Refusal(kind, "a", "RBACDenied", "deployments.apps is forbidden")
    status = History().look(world(actor(scaled()), ready_pods(1), replicas=1, refusals=(refusal,)))
    assert told(status, condition_type) == ("False", "RBACDenied")


def test_a_fault_that_scaling_has_no_word_for_shows_on_the_workload() -> None:
    refusal = Refusal("ScaledObject", "a", "Contested", "maxReplicaCount is changed back")
    status = History().look(world(actor(scaled()), ready_pods(1), replicas=1, refusals=(refusal,)))
    assert told(status, "WorkloadReady") == ("False", "Contested")
    assert told(status, "ScalingReady") == ("True", "ScaledObjectReady")


def test_an_unreachable_api_counts_after_60_s() -> None:
    facts = world(pods=ready_pods(1), refusals=(Refusal("Deployment", "a", "ApiError", "503", since=NOW),))
    assert History().look(facts, NOW + seconds(59))["status"] == "Running"
    assert History().look(facts, NOW + seconds(60))["status"] == "WorkloadError"


# --- transport --------------------------------------------------------------------------------------------------------


def test_the_grace_of_a_verified_queue_begins_at_the_first_failed_check() -> None:
    down = world(pods=ready_pods(1), queue=QueueFacts("BrokerUnreachable", "refused"))
    history = settled(world(pods=ready_pods(1)))
    history.look(down, NOW)
    assert told(history.look(down, NOW + seconds(29)), "TransportReady") == ("True", "QueueReady")
    history.look(world(pods=ready_pods(1)), NOW + seconds(29.5))
    assert told(history.look(down, NOW + seconds(31)), "TransportReady") == ("True", "QueueReady")
    assert told(history.look(down, NOW + seconds(61)), "TransportReady") == ("False", "BrokerUnreachable")


@pytest.mark.parametrize(
    ("reason", "stalled"),
    [
        ("BrokerUnreachable", False),
        ("QueueCreateFailed", False),
        ("QueueDeletedRecently", False),
        ("AuthFailed", True),
        ("CredentialsMissing", True),
        ("QueueMissing", True),
        ("QueueConflict", True),
    ],
)
def test_which_transport_faults_no_waiting_mends(reason: str, stalled: bool) -> None:
    status = History().look(world(queue=QueueFacts(reason, "x")))
    assert (status["status"], bool(condition(status, "Stalled"))) == ("TransportError", stalled)
    assert bool(condition(status, "Reconciling")) is not stalled


def test_queue_management_switched_off_counts_as_ready() -> None:
    status = History().look(world(pods=ready_pods(1), queue=QueueFacts("NotManaged")))
    assert (status["status"], told(status, "TransportReady")) == ("Running", ("True", "NotManaged"))
    assert status["transportStatus"] == "Ready"
    assert "queuedMessages" not in status


# --- what is written --------------------------------------------------------------------------------------------------


def test_a_transition_time_changes_with_the_status_alone() -> None:
    history = settled(world(pods=ready_pods(1)), NOW)
    history.look(world(pods=ready_pods(1), queue=QueueFacts("QueueDrift", "x")), NOW + minutes(5))
    found = condition(history.status, "TransportReady")
    assert (found["reason"], found["lastTransitionTime"]) == ("QueueDrift", "2026-11-24T12:00:00Z")
    assert found["observedGeneration"] == 1


def test_conditions_of_others_are_left_alone() -> None:
    theirs: Json = {
        "type": "Audited",
        "status": "True",
        "reason": "Fine",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    history = History(status={"observedGeneration": 1, "conditions": [theirs]})
    assert history.look(world(pods=ready_pods(1)))["conditions"][-1] == theirs


def test_while_an_actor_goes_what_was_known_of_its_parts_stays() -> None:
    history = settled(world(pods=ready_pods(1)))
    former: dict[str, Any] = {kind: condition(history.status, kind) for kind in ("TransportReady", "WorkloadReady")}
    going = world(actor(deletionTimestamp="2026-11-24T12:00:00Z"), ())
    status = history.look(going, NOW + timedelta(seconds=5))
    assert {kind: condition(status, kind) for kind in former} == former


def test_the_older_of_two_failing_pods_is_told_of() -> None:
    pods = [
        crashing_pod("z-new", created=NOW - minutes(1)),
        crashing_pod("a-newer", created=NOW),
        crashing_pod("y-old"),
    ]
    assert "pod y-old" in History().look(world(actor({"workload": {"replicas": 3}}), pods))["message"]
