"""When a status changes although no fact does."""

from datetime import timedelta
from typing import Any

from asya_controller.decide.status import stamp
from asya_controller.decide.timers import next_look
from asya_controller.decide.world import QueueFacts, World
from tests.controller.worlds import (
    NOW,
    History,
    actor,
    container,
    crashing_pod,
    ended,
    minutes,
    pod,
    ready_pods,
    running,
    scaled,
    seconds,
    settled,
    starting_pods,
    world,
)


def wait(history: History, facts: World) -> timedelta | None:
    status = history.look(facts, NOW)
    mark = next_look(history.world(facts), status, NOW)
    return mark - NOW if mark else None


def test_a_settled_actor_needs_no_timer() -> None:
    old = [pod("a-1", ready=True, created=NOW - minutes(99))]
    assert wait(settled(world(pods=old)), world(pods=old)) is None


def test_a_shortage_is_looked_at_when_it_gets_long() -> None:
    assert wait(History(), world(pods=starting_pods(1))) == minutes(5)


def test_a_fault_is_looked_at_when_it_stalls_or_its_evidence_ages() -> None:
    history = settled(world(pods=ready_pods(1)))
    assert wait(history, world(pods=[crashing_pod("a-1")])) == minutes(5)


def test_a_failing_broker_is_looked_at_after_30_s() -> None:
    down = world(pods=ready_pods(1), queue=QueueFacts("BrokerUnreachable", "x"))
    assert wait(settled(world(pods=ready_pods(1))), down) == seconds(30)


def test_last_scale_is_looked_at_when_its_text_changes() -> None:
    history = settled(world(actor(scaled(minReplicas=1)), ready_pods(1), replicas=1))
    assert wait(history, world(actor(scaled(minReplicas=1)), ready_pods(2), replicas=2)) == minutes(1)


def test_a_scaler_in_doubt_is_looked_at_after_60_s() -> None:
    doubted = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    facts = world(actor(scaled(minReplicas=1)), ready_pods(1), replicas=1, scaled_object=doubted)
    assert wait(History(), facts) == seconds(60)


def test_a_scaler_that_is_well_is_not_looked_at_again() -> None:
    well = {
        "metadata": {"creationTimestamp": stamp(NOW - seconds(10))},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }
    old = [pod("a-1", ready=True, created=NOW - minutes(99))]
    facts = world(actor(scaled(minReplicas=1)), old, replicas=1, scaled_object=well)
    assert wait(settled(facts), facts) is None


def test_a_container_that_has_just_begun_is_looked_at_again_only_if_it_has_failed_before() -> None:
    def facts(**past: Any) -> World:
        containers = [container("asya-runtime", True, running(NOW - seconds(10)), **past)]
        return world(pods=[pod("a-1", ready=True, created=NOW - minutes(99), containers=containers)])

    assert wait(settled(facts()), facts()) is None
    failed = facts(restarts=2, last=ended(1, at=NOW - seconds(20)))
    assert wait(settled(failed), failed) == seconds(50)
