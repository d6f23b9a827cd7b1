"""What holds for every status, whatever was observed: Hypothesis makes the worlds."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from asya_controller.decide.judgement import judge
from asya_controller.decide.memory import remember
from asya_controller.decide.reasons import STATUSES, USABLE_QUEUE
from asya_controller.decide.status import status_of
from asya_controller.decide.timers import next_look
from asya_controller.decide.world import QueueFacts, Refusal, World
from tests.controller.worlds import (
    NOW,
    History,
    Json,
    actor,
    condition,
    container,
    crashing_pod,
    ended,
    event,
    fixed,
    pod,
    running,
    scaled,
    seconds,
    stamped,
    unschedulable_pod,
    unstarted_pod,
    waiting_pod,
    world,
)

TRANSPORT_REASONS = [
    *sorted(USABLE_QUEUE),
    "BrokerUnreachable",
    "AuthFailed",
    "QueueMissing",
    "QueueConflict",
    "QueueDeletedRecently",
]
WORKLOAD_REFUSALS = ["NameConflict", "RBACDenied", "ApiError", "ImmutableField", "InvalidTemplate", "Contested"]
AGES_S = st.sampled_from([0, 1, 5, 30, 59, 60, 61, 119, 300, 599, 600, 601, 3600])


@st.composite
def restarted_pods(draw: st.DrawFn, name: str) -> Json:
    ready, restarts = draw(st.booleans()), draw(st.integers(0, 8))
    start, end = draw(AGES_S), draw(AGES_S)
    last = ended(draw(st.sampled_from([0, 1, 2, 3, 137])), at=NOW - seconds(end)) if restarts else None
    of = draw(st.sampled_from(["asya-runtime", "asya-sidecar", "cache"]))
    return pod(
        name,
        ready=ready,
        containers=[container(of, ready, running(NOW - seconds(start)), restarts=restarts, last=last)],
    )


@st.composite
def some_pod(draw: st.DrawFn, name: str) -> Json:
    made = draw(
        st.one_of(
            st.just(pod(name, ready=True)),
            st.just(pod(name)),
            st.just(pod(name, phase="Failed", containers=[])),
            st.just(pod(name, phase="Succeeded", containers=[])),
            st.just(pod(name, phase="Unknown")),
            st.builds(lambda code: crashing_pod(name, code=code), st.sampled_from([1, 2, 3])),
            st.just(waiting_pod(name, "ImagePullBackOff", "no such host")),
            st.just(waiting_pod(name, "CreateContainerConfigError", 'secret "x" not found')),
            st.just(unschedulable_pod(name, "1 Insufficient cpu")),
            st.just(unstarted_pod(name)),
            restarted_pods(name),
        )
    )
    if draw(st.booleans()) and draw(st.booleans()):
        made = {**made, "metadata": {**made["metadata"], "deletionTimestamp": "2026-11-24T11:59:00Z"}}
    return stamped(made, "old") if draw(st.integers(0, 4)) == 0 else made


@st.composite
def worlds(draw: st.DrawFn) -> World:
    on = draw(st.booleans())
    metadata = {"deletionTimestamp": "2026-11-24T12:00:00Z"} if draw(st.integers(0, 9)) == 0 else {}
    spec = scaled(minReplicas=draw(st.integers(0, 2))) if on else fixed(draw(st.integers(0, 3)))
    if draw(st.integers(0, 9)) == 0:
        spec = {**spec, "transport": "elsewhere"}
    kind = draw(st.sampled_from(["Deployment", "StatefulSet"]))
    document = actor({**spec, "workload": {**spec.get("workload", {}), "kind": kind}}, **metadata)
    pods = [draw(some_pod(f"p-{number}")) for number in range(draw(st.integers(0, 4)))]
    facts: dict[str, Any] = {
        "queue": QueueFacts(draw(st.sampled_from(TRANSPORT_REASONS)), "because", queued=draw(st.integers(0, 3))),
        "events": (event("FailedMount", "mount failed", "p-0"),) if draw(st.booleans()) else (),
        "keda": draw(st.integers(0, 9)) > 0,
        "pass_finished": draw(st.integers(0, 9)) > 0,
    }
    if draw(st.integers(0, 9)) == 0:
        kinds, reasons = st.sampled_from(["Deployment", "ScaledObject"]), st.sampled_from(WORKLOAD_REFUSALS)
        facts["refusals"] = (Refusal(draw(kinds), "a", draw(reasons), "no", since=NOW),)
    if on and draw(st.booleans()):
        ready = draw(st.sampled_from(["True", "False", "Unknown"]))
        facts["scaled_object"] = {
            "metadata": {"creationTimestamp": "2026-11-24T12:00:00Z"},
            "status": {"conditions": [{"type": "Ready", "status": ready}]},
        }
    transport = document["spec"]["transport"]
    if transport == "elsewhere":
        found = world(actor({**spec, "transport": "rabbitmq"}), pods, replicas=draw(st.integers(0, 3)), **facts)
        return replace(found, actor=document)
    found = world(document, pods, replicas=draw(st.integers(0, 3)) if on else None, **facts)
    return replace(found, workload=None, scaled_object=None) if draw(st.integers(0, 9)) == 0 else found


LATER = st.lists(st.tuples(worlds(), AGES_S), min_size=1, max_size=4)


def through(steps: list[tuple[World, int]]) -> tuple[History, World, datetime]:
    """A history of a few worlds; the last one is not looked at."""
    history, now = History(), NOW
    for facts, age in steps[:-1]:
        now += seconds(age)
        history.look(facts, now)
    facts, age = steps[-1]
    return history, facts, now + seconds(age)


@given(LATER)
@settings(max_examples=150, deadline=None)
def test_the_same_facts_and_time_give_the_same_status(steps: list[tuple[World, int]]) -> None:
    history, facts, now = through(steps)
    known = history.world(facts)
    status = status_of(known, now)
    assert status_of(known, now) == status
    judged = judge(known, now)
    assert (judged.status, judged.memory) == (status, remember(known, now))
    after = replace(known, actor={**known.actor, "status": status}, memory=judged.memory)
    assert judged.next_look == next_look(after, status, now)
    assert remember(replace(known, memory=remember(known, now)), now) == remember(known, now)


@given(LATER)
@settings(max_examples=150, deadline=None)
def test_writing_a_status_changes_nothing_in_the_next_one(steps: list[tuple[World, int]]) -> None:
    history, facts, now = through(steps)
    first = dict(history.look(facts, now))
    assert history.look(facts, now) == first


@given(LATER)
@settings(max_examples=200, deadline=None)
def test_ready_reconciling_and_stalled_exclude_each_other(steps: list[tuple[World, int]]) -> None:
    history, facts, now = through(steps)
    status = history.look(facts, now)
    assert status["status"] in STATUSES
    ready = condition(status, "Ready")["status"] == "True"
    others = [kind for kind in ("Reconciling", "Stalled") if condition(status, kind)]
    assert len(others) == (0 if ready else 1)
    assert all(condition(status, kind)["status"] == "True" for kind in others)
    if status["status"] == "Terminating":
        assert others == ["Reconciling"]
    if ready:
        assert status["status"] in ("Running", "Napping", "ScalingUp", "ScalingDown")


@given(LATER)
@settings(max_examples=100, deadline=None)
def test_between_two_looks_at_the_clock_nothing_changes(steps: list[tuple[World, int]]) -> None:
    history, facts, now = through(steps)
    status = history.look(facts, now)
    mark = next_look(history.world(facts), status, now)
    assert mark is None or mark > now
    span = (mark - now) if mark else timedelta(days=1)
    for part in (0.3, 0.999):
        assert history.look(facts, now + span * part) == status


@given(LATER)
@settings(max_examples=100, deadline=None)
def test_numbers_add_up(steps: list[tuple[World, int]]) -> None:
    history, facts, now = through(steps)
    status = history.look(facts, now)
    assert status["readyReplicas"] + status["pendingReplicas"] <= status["totalReplicas"]
    assert status["failingPods"] <= len(facts.pods)
    ours = [item["type"] for item in status["conditions"]]
    assert len(ours) == len(set(ours))
