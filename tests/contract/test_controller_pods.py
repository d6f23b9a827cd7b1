"""The tables of contract: controller, 11: failing pods, priorities, shortages, last scale."""

from dataclasses import replace

import pytest

from asya_controller.decide.reasons import CLASS_OF, STATUSES
from asya_controller.decide.status import RULES, explained
from asya_controller.decide.world import QueueFacts, Refusal, World
from asya_schemas.actor.status import ActorStatus, StatusValue
from tests.controller.worlds import (
    NOW,
    History,
    Json,
    actor,
    container,
    crashing_pod,
    ended,
    fixed,
    going_pods,
    minutes,
    pod,
    ready_pods,
    running,
    scaled,
    seconds,
    settled,
    starting_pods,
    told,
    unschedulable_pod,
    waiting_pod,
    world,
)

# --- failing pods (11, P1-P6) -----------------------------------------------------------------------------------------


def restarted(restarts: int, *, ready: bool, ended_ago: float, started_ago: float) -> Json:
    """A pod whose runtime runs now, after so many restarts."""
    state = running(NOW - seconds(started_ago))
    last = ended(1, at=NOW - seconds(ended_ago))
    return pod("a-1", ready=ready, containers=[container("asya-runtime", ready, state, restarts=restarts, last=last)])


FAILING = {
    "P1 waits after a crash": (crashing_pod("a-1"), True),
    "P1 image": (waiting_pod("a-1", "ErrImagePull", "x"), True),
    "P1 configuration": (waiting_pod("a-1", "CreateContainerConfigError", "x"), True),
    "P1 any container": (waiting_pod("a-1", "CreateContainerError", "x", of="cache"), True),
    "a container that starts": (waiting_pod("a-1", "ContainerCreating", ""), False),
    "P2 unschedulable": (unschedulable_pod("a-1", "no"), True),
    "P2 scheduler error": (unschedulable_pod("a-1", "no", "SchedulerError"), True),
    "P2 gated": (unschedulable_pod("a-1", "no", "SchedulingGated"), False),
    "P3 six restarts, not ready": (restarted(6, ready=False, ended_ago=3600, started_ago=3600), True),
    "P3 six restarts, ended lately": (restarted(6, ready=True, ended_ago=599, started_ago=599), True),
    "P3 six restarts, long ago": (restarted(6, ready=True, ended_ago=600, started_ago=600), False),
    "P4 two restarts, not ready": (restarted(2, ready=False, ended_ago=599, started_ago=599), True),
    "P4 two restarts, not ready, long ago": (restarted(2, ready=False, ended_ago=600, started_ago=600), False),
    "P4 two restarts, started lately": (restarted(2, ready=True, ended_ago=60, started_ago=59), True),
    "P4 two restarts, runs for a minute": (restarted(2, ready=True, ended_ago=60, started_ago=60), False),
    "one restart": (restarted(1, ready=False, ended_ago=5, started_ago=5), False),
    "P5 failed and missed": (pod("a-1", phase="Failed", containers=[]), True),
    "succeeded": (pod("a-1", phase="Succeeded", containers=[]), False),
    "being deleted": (
        {**crashing_pod("a-1"), "metadata": {"name": "a-1", "uid": "u", "deletionTimestamp": "2026-01-01T00:00:00Z"}},
        False,
    ),
}


@pytest.mark.parametrize("name", FAILING)
def test_which_pods_are_failing(name: str) -> None:
    item, failing = FAILING[name]
    assert History().look(world(pods=[item]))["failingPods"] == int(failing)


def test_only_as_many_failed_pods_count_as_are_missing_the_newest_first() -> None:
    old = pod("old", phase="Failed", containers=[], created=NOW - minutes(9), reason="Evicted", message="old")
    new = pod("new", phase="Failed", containers=[], created=NOW - minutes(1), reason="Evicted", message="new")
    status = History().look(world(actor(fixed(2)), [*ready_pods(1), old, new]))
    assert (status["failingPods"], "pod new" in status["message"]) == (1, True)


def test_failing_outranks_ready_and_ready_outranks_pending() -> None:
    pods = [*ready_pods(2), *starting_pods(1), restarted(6, ready=True, ended_ago=5, started_ago=5), *going_pods(1)]
    status = History().look(world(actor(fixed(4)), pods))
    numbers = [
        status[key] for key in ("readyReplicas", "pendingReplicas", "failingPods", "totalReplicas", "desiredReplicas")
    ]
    assert numbers == [2, 1, 1, 5, 4]


def test_the_reason_most_pods_have_wins_and_a_tie_goes_by_class() -> None:
    crash, image, node = (
        crashing_pod("c-1"),
        waiting_pod("i-1", "ErrImagePull", "x"),
        unschedulable_pod("n-1", "1 Insufficient cpu"),
    )
    assert (
        History().look(world(actor(fixed(3)), [crash, image, image | {"metadata": {"name": "i-2"}}]))["status"]
        == "ImagePullError"
    )
    assert History().look(world(actor(fixed(3)), [crash, image, node]))["status"] == "PendingResources"
    assert History().look(world(actor(fixed(3)), [crash, image]))["status"] == "ImagePullError"


# --- the priorities (11) ----------------------------------------------------------------------------------------------

NOT_READY = Refusal("ScaledObject", "a", "ScaledObjectRefused", "minReplicaCount must be less than maxReplicaCount")
DELETED = {"deletionTimestamp": "2026-11-24T12:00:00Z"}


def everything_wrong() -> World:
    """Deleted, not yet looked at, queue gone, pods crashing, scaling refused: only the first of these may show."""
    facts = world(actor(scaled(minReplicas=1), **DELETED), [crashing_pod("a-1")], replicas=3)
    return replace(facts, queue=QueueFacts("BrokerUnreachable", "down"), refusals=(NOT_READY,), pass_finished=False)


def without_deletion() -> World:
    facts = everything_wrong()
    return replace(facts, actor=actor(scaled(minReplicas=1)))


PRIORITY = [
    (everything_wrong(), "terminating", "Terminating"),
    (without_deletion(), "creating", "Creating"),
    (replace(without_deletion(), pass_finished=True), "transport_failed", "TransportError"),
    (replace(without_deletion(), pass_finished=True, queue=QueueFacts()), "workload_failed", "RuntimeError"),
    (replace(world(actor(scaled()), replicas=0), refusals=(NOT_READY,)), "scaling_failed", "ScalingError"),
    (world(actor(scaled()), going_pods(2), replicas=0), "napping", "Napping"),
    (world(actor(fixed(3)), ready_pods(2)), "too_few_pods", "ScalingUp"),
    (world(actor(fixed(1)), (*ready_pods(1), *starting_pods(1))), "too_many_pods", "ScalingDown"),
    (world(actor(fixed(2)), (*ready_pods(1), *starting_pods(1))), "too_few_ready", "ScalingUp"),
    (world(actor(fixed(1)), ready_pods(1)), "running", "Running"),
]


@pytest.mark.parametrize(("facts", "rule", "value"), PRIORITY, ids=[rule for _, rule, _ in PRIORITY])
def test_the_first_match_of_the_priority_table_decides(facts: World, rule: str, value: str) -> None:
    found = explained(facts, NOW)
    assert (found.rule, found.value) == (rule, value)


def test_the_priority_table_is_the_contracts_list() -> None:
    names = [rule for _, rule, _ in PRIORITY]
    names.insert(-1, "draining")
    assert [rule.__name__ for rule in RULES] == names


def test_a_long_shortage_of_pods_is_degraded_too() -> None:
    facts = world(actor(fixed(3)), ready_pods(2))
    assert settled(facts, NOW).look(facts, NOW + minutes(5))["status"] == "Degraded"


def test_there_are_sixteen_values_and_every_reason_leads_to_one() -> None:
    values = set(StatusValue.__args__)  # type: ignore[attr-defined]
    assert set(STATUSES) == values
    assert len(STATUSES) == 16
    assert set(CLASS_OF.values()) <= values


def test_every_status_fits_the_published_schema() -> None:
    history = settled(
        world(actor(scaled(minReplicas=1)), [crashing_pod("a-1")], replicas=3, queue=QueueFacts(queued=7))
    )
    history.look(world(actor(scaled(minReplicas=1)), ready_pods(1), replicas=1, queue=QueueFacts(queued=7)))
    ActorStatus.model_validate(history.status)


# --- shortages and last scale -----------------------------------------------------------------------------------------


def test_progress_deadline_exceeded_makes_a_shortage_long_at_once() -> None:
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    status = History().look(world(pods=starting_pods(1), workload={"status": {"conditions": [late]}}))
    assert (status["status"], told(status, "Stalled")) == ("Degraded", ("True", "ProgressDeadlineExceeded"))


def test_a_rollout_that_makes_progress_is_never_a_long_shortage() -> None:
    going_on = {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"}
    facts = world(
        pods=[*starting_pods(1), *starting_pods(1, "o", template="old")],
        workload={"status": {"conditions": [going_on]}},
    )
    assert settled(facts, NOW).look(facts, NOW + minutes(9))["status"] == "ScalingUp"


def test_the_authors_own_startup_probe_gives_more_time() -> None:
    document = actor(fixed(1))
    document["spec"]["workload"]["template"]["spec"]["containers"][0]["startupProbe"] = {
        "exec": {"command": ["true"]},
        "periodSeconds": 5,
        "failureThreshold": 240,
    }
    facts = world(document, starting_pods(1))
    history = settled(facts, NOW)
    assert history.look(facts, NOW + seconds(1199))["status"] == "ScalingUp"
    assert history.look(facts, NOW + seconds(1200))["status"] == "Degraded"


def test_a_raised_desired_starts_the_shortage_anew() -> None:
    def wanted(number: int) -> World:
        return world(actor(scaled(minReplicas=1)), ready_pods(1), replicas=number)

    history = settled(wanted(2), NOW)
    assert history.look(wanted(3), NOW + minutes(4))["shortSince"] == "2026-11-24T12:04:00Z"
    assert "shortSince" not in history.look(wanted(1), NOW + minutes(5))


@pytest.mark.parametrize(
    ("age_s", "text"),
    [
        (0, "<1m"), (59, "<1m"), (60, "1m"), (119, "1m"), (120, "2m"), (299, "2m"), (300, "5m"), (600, "10m"), (1800, "30m"),
        (3600, "1h"), (7199, "1h"), (7200, "2h"), (21600, "6h"), (43200, "12h"), (86400, "1d"), (172800, "2d"),
        (30 * 86400, "30d"), (400 * 86400, "30d"),
    ],
)  # fmt: skip
def test_last_scale_is_told_in_buckets(age_s: int, text: str) -> None:
    two = world(actor(scaled(minReplicas=1)), ready_pods(2), replicas=2)
    history = settled(world(actor(scaled(minReplicas=1)), ready_pods(1), replicas=1))
    history.look(two, NOW)
    assert history.look(two, NOW + seconds(age_s))["lastScaleFormatted"] == f"{text} ago (up)"


def test_a_desired_that_never_changed_is_a_dash() -> None:
    assert settled(world(actor(fixed(1)), ready_pods(1))).status["lastScaleFormatted"] == "-"
