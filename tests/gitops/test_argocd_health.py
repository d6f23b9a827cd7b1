"""What Argo CD shows for each status: its script, run by the Lua that Argo CD embeds, on statuses our own rules made.

The table is that of crd.md, How tools read it.
"""

from typing import Any

import pytest

from asya_controller.decide.world import QueueFacts, World
from tests.controller.worlds import (
    NOW,
    History,
    Json,
    actor,
    crashing_pod,
    fixed,
    minutes,
    ready_pods,
    scaled,
    settled,
    starting_pods,
    unmade,
    unschedulable_pod,
    waiting_pod,
    world,
)
from tests.support.health import argocd


def shown(facts: World, history: History | None = None, **metadata: Any) -> tuple[str, str]:
    """(status, health) of an actor after one more look."""
    history = history or History()
    status = history.look(facts)
    document = {**facts.actor, "metadata": {**facts.actor["metadata"], "generation": 1, **metadata}, "status": status}
    return status["status"], argocd(document)["status"]


HELD = minutes(11)
ONE = world(actor(fixed(1)), ready_pods(1))


def failing(pod: Json) -> World:
    return world(actor(fixed(1)), (pod,))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (unmade(queue=None, pass_finished=False), ("Creating", "Progressing")),
        (ONE, ("Running", "Healthy")),
        (world(actor(scaled(minReplicas=0)), replicas=0), ("Napping", "Healthy")),
        (world(actor(fixed(1)), starting_pods(1)), ("ScalingUp", "Progressing")),
        (failing(crashing_pod()), ("RuntimeError", "Degraded")),
        (failing(crashing_pod(of="asya-sidecar")), ("SidecarError", "Degraded")),
        (failing(waiting_pod("w", "ImagePullBackOff", "not found")), ("ImagePullError", "Degraded")),
        (failing(waiting_pod("w", "CreateContainerConfigError", 'secret "s" not found')), ("ConfigError", "Degraded")),
        (failing(unschedulable_pod("u", "0/1 nodes: unbound PersistentVolumeClaims")), ("VolumeError", "Degraded")),
        (failing(unschedulable_pod("u", "0/1 nodes are available")), ("WorkloadError", "Degraded")),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_health_of_a_status_at_its_first_sight(facts: World, expected: tuple[str, str]) -> None:
    assert shown(facts) == expected


def test_waiting_for_resources_is_progress_for_ten_minutes_and_then_degraded() -> None:
    facts = failing(unschedulable_pod("u", "0/1 nodes: 1 Insufficient cpu"))
    assert shown(facts) == ("PendingResources", "Progressing")
    assert shown(facts, settled(facts, NOW - HELD)) == ("PendingResources", "Degraded")


def test_scaling_further_keeps_a_healthy_actor_healthy() -> None:
    history = settled(world(actor(scaled(minReplicas=1)), ready_pods(1), replicas=1))
    more = world(actor(scaled(minReplicas=1)), (*ready_pods(1), *starting_pods(1)), replicas=2)
    assert shown(more, history) == ("ScalingUp", "Healthy")


def test_a_long_shortage_is_degraded() -> None:
    facts = world(actor(fixed(2)), (*ready_pods(1), *starting_pods(1)))
    assert shown(facts, settled(facts, NOW - HELD)) == ("Degraded", "Degraded")


def test_a_broker_that_is_away_is_degraded() -> None:
    facts = world(actor(fixed(1)), ready_pods(1), queue=QueueFacts("BrokerUnreachable", "connection refused"))
    history = settled(ONE)
    history.look(facts, NOW - minutes(5))
    assert shown(facts, history) == ("TransportError", "Degraded")


def test_a_scaler_that_fails_is_degraded() -> None:
    document = actor(scaled(minReplicas=1))
    stopped = {"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "ScaledObjectCheckFailed"}]}}
    facts = world(document, ready_pods(1), replicas=1, scaled_object=stopped)
    assert shown(facts, settled(facts, NOW - HELD)) == ("ScalingError", "Degraded")


def test_what_a_person_asked_for_and_what_was_not_seen_yet_come_first() -> None:
    facts = failing(crashing_pod())
    assert shown(facts, annotations={"asya.sh/suspend": "true"})[1] == "Suspended"
    assert shown(ONE, deletionTimestamp="2026-01-01T00:00:00Z")[1] == "Progressing"
    assert shown(facts, generation=2)[1] == "Progressing"


def test_an_actor_that_no_controller_has_seen_is_progressing_and_says_so() -> None:
    assert argocd({"metadata": {"generation": 1}}) == {
        "status": "Progressing",
        "message": "the controller has not looked at it yet",
    }


def test_the_message_is_the_actors_own() -> None:
    status = History().look(failing(crashing_pod()))
    found = argocd({"metadata": {"generation": 1}, "status": status})
    assert found["message"] == status["message"]
    assert "asya-runtime" in found["message"]
