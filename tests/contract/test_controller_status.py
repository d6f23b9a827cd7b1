"""Situations 1-16 of contract: controller, 14: how an actor looks, from facts and a time."""

from asya_controller.decide.conditions import Verdict
from asya_controller.decide.events import work_events
from asya_controller.decide.plan import plan
from asya_controller.decide.world import QueueFacts, World
from tests.controller.worlds import (
    NOW,
    History,
    actor,
    condition,
    crashing_pod,
    desired_of,
    events,
    fixed,
    going_pods,
    minutes,
    ready_pods,
    reasons,
    scaled,
    seconds,
    settled,
    starting_pods,
    told,
    unmade,
    waiting_pod,
    world,
)


def hpa(desired: int) -> dict[str, object]:
    return {"status": {"desiredReplicas": desired, "conditions": []}}


def scaled_world(desired: int, pods: tuple[dict[str, object], ...], **spec: int) -> World:
    return world(actor(scaled(minReplicas=1, **spec)), pods, replicas=max(desired, 1), hpa=hpa(desired))


# --- a new actor ------------------------------------------------------------------------------------------------------


def test_row_1_an_object_just_created_has_no_status_value_and_no_conditions() -> None:
    status = actor()["status"]
    assert status == {"observedGeneration": -1}


def test_row_2_during_the_first_pass_the_status_is_creating() -> None:
    status = History().look(unmade(queue=None, pass_finished=False))
    assert (status["status"], status["observedGeneration"]) == ("Creating", -1)
    assert reasons(status) == {"Ready": ("False", "Creating"), "Reconciling": ("True", "Creating")}


def test_row_3_after_the_first_pass_pods_start_and_the_actor_scales_up() -> None:
    status = History().look(world(pods=starting_pods(1)))
    assert (status["status"], status["observedGeneration"]) == ("ScalingUp", 1)
    assert reasons(status) == {
        "TransportReady": ("True", "QueueReady"),
        "WorkloadReady": ("Unknown", "Progressing"),
        "Ready": ("False", "ScalingUp"),
        "Reconciling": ("True", "WaitingForPods"),
    }


def test_row_3_the_first_pass_tells_of_the_queue_and_the_workload() -> None:
    empty = unmade(queue=QueueFacts(created=True))
    steps = plan(empty, desired_of(actor()), Verdict("True", "QueueReady", ""), NOW)
    assert [item.reason for item in work_events(steps, empty.queue, had_workload=False)] == [
        "QueueCreated",
        "WorkloadCreated",
    ]


def test_row_4_all_pods_ready_is_running() -> None:
    status = History().look(world(actor(fixed(3)), ready_pods(3)))
    assert status["status"] == "Running"
    assert reasons(status)["Ready"] == ("True", "Running")
    assert not {"Reconciling", "Stalled"} & set(reasons(status))


def test_row_4_zero_replicas_without_scaling_is_running_too() -> None:
    status = History().look(world(actor(fixed(0))))
    assert (status["status"], told(status, "WorkloadReady")) == ("Running", ("True", "ScaledToZero"))
    assert told(status, "Ready") == ("True", "Running")


# --- scaling ----------------------------------------------------------------------------------------------------------


def test_row_5_scaling_from_zero_with_an_empty_queue_is_napping() -> None:
    status = History().look(world(actor(scaled()), replicas=0))
    assert (status["status"], status["message"], status["totalReplicas"]) == ("Napping", "", 0)
    assert told(status, "Ready") == ("True", "Napping")


def test_row_6_a_pod_still_going_does_not_keep_an_actor_awake() -> None:
    history = settled(world(actor(scaled()), ready_pods(1), replicas=1))
    status = history.look(world(actor(scaled()), going_pods(1), replicas=0))
    assert (status["status"], status["totalReplicas"], told(status, "Ready")) == ("Napping", 1, ("True", "Napping"))
    assert events(history) == ["ScaledToZero"]


def test_row_7_waking_up_keeps_ready_and_says_when() -> None:
    history = settled(world(actor(scaled()), replicas=0))
    status = history.look(world(actor(scaled()), starting_pods(1), replicas=1))
    assert status["status"] == "ScalingUp"
    assert told(status, "Ready") == ("True", "ScalingUp")
    assert status["lastScaleFormatted"] == "<1m ago (up)"
    assert events(history) == ["ScaledFromZero"]


def test_row_8_more_pods_wanted_is_scaling_up_and_takes_nothing_away() -> None:
    history = settled(scaled_world(3, ready_pods(3)))
    former = dict(reasons(history.status))
    status = history.look(scaled_world(10, ready_pods(3)))
    assert (status["status"], status["desiredReplicas"]) == ("ScalingUp", 10)
    assert reasons(status)["WorkloadReady"] == former["WorkloadReady"]
    assert told(status, "Ready") == ("True", "ScalingUp")


def test_row_8_fewer_pods_wanted_is_scaling_down_and_takes_nothing_away() -> None:
    history = settled(scaled_world(8, ready_pods(3) + starting_pods(5)))
    was_ready = condition(history.status, "Ready")["status"]
    status = history.look(scaled_world(3, ready_pods(3) + starting_pods(5)))
    assert (status["status"], condition(status, "Ready")["status"]) == ("ScalingDown", was_ready)


def test_row_9_pods_draining_after_a_scale_down_are_scaling_down() -> None:
    history = settled(scaled_world(5, ready_pods(5)))
    history.look(scaled_world(3, ready_pods(3) + going_pods(2)), NOW - minutes(1))
    status = history.look(scaled_world(3, ready_pods(3) + going_pods(2)))
    assert (status["status"], status["totalReplicas"]) == ("ScalingDown", 5)
    assert condition(status, "Ready")["status"] == "True"


def test_row_9_draining_counts_until_grace_and_a_minute_are_over() -> None:
    history = settled(scaled_world(5, ready_pods(5)))
    draining = scaled_world(3, ready_pods(3) + going_pods(2))
    history.look(draining, NOW)
    assert history.look(draining, NOW + seconds(330 + 60))["status"] == "ScalingDown"
    assert history.look(draining, NOW + seconds(330 + 61))["status"] == "Running"


def test_row_10_a_pod_deleted_by_hand_is_no_scaling_down() -> None:
    history = settled(scaled_world(3, ready_pods(3)))
    status = history.look(scaled_world(3, ready_pods(3) + going_pods(1)))
    assert (status["status"], status["totalReplicas"], told(status, "Ready")) == ("Running", 4, ("True", "Running"))


# --- shortages --------------------------------------------------------------------------------------------------------


def short_for(minutes_: float) -> History:
    """D 5, A 5, r 3 for so long."""
    history = settled(scaled_world(5, ready_pods(5)))
    history.look(scaled_world(5, ready_pods(3) + starting_pods(2)), NOW)
    history.look(scaled_world(5, ready_pods(3) + starting_pods(2)), NOW + minutes(minutes_))
    return history


def test_row_11_a_short_shortage_is_scaling_up() -> None:
    status = short_for(2).status
    assert (status["status"], status["shortSince"]) == ("ScalingUp", "2026-11-24T12:00:00Z")


def test_row_12_a_shortage_of_five_minutes_is_degraded() -> None:
    history = short_for(5)
    status = history.status
    assert (status["status"], told(status, "WorkloadReady")) == ("Degraded", ("False", "ReplicasUnavailable"))
    assert (told(status, "Ready"), told(status, "Reconciling")) == (("False", "Degraded"), ("True", "WaitingForPods"))
    assert "asya-runtime of pod s-0" in status["message"]
    assert events(history) == ["Degraded"]


def test_row_12_ten_minutes_of_it_are_stalled() -> None:
    history = short_for(5)
    status = history.look(scaled_world(5, ready_pods(3) + starting_pods(2)), NOW + minutes(15))
    assert (status["status"], told(status, "Stalled")) == ("Degraded", ("True", "ReplicasUnavailable"))
    assert told(status, "Reconciling") is None


def test_row_13_crash_loops_behind_a_shortage_are_a_runtime_error() -> None:
    history = settled(scaled_world(5, ready_pods(5)))
    status = history.look(scaled_world(5, (*ready_pods(3), crashing_pod("c-1"), crashing_pod("c-2"))))
    assert (status["status"], told(status, "WorkloadReady")) == ("RuntimeError", ("False", "RuntimeCrashLoop"))
    assert status["failingPods"] == 2


def test_row_14_failing_pods_beyond_the_wanted_ones_do_no_harm() -> None:
    history = settled(scaled_world(7, ready_pods(7)))
    status = history.look(scaled_world(5, (*ready_pods(5), crashing_pod("c-1"), crashing_pod("c-2"))))
    assert (status["status"], status["failingPods"]) == ("ScalingDown", 2)
    assert condition(status, "WorkloadReady")["status"] == "True"


# --- rollouts ---------------------------------------------------------------------------------------------------------


def test_row_15_a_surge_pod_keeps_the_actor_running_but_not_ready() -> None:
    history = settled(world(actor(fixed(3)), ready_pods(3)))
    rollout = world(actor(fixed(3)), (*ready_pods(3, template="old"), *starting_pods(1)))
    status = history.look(rollout)
    assert status["status"] == "Running"
    assert reasons(status)["Ready"] == ("False", "RolloutInProgress")
    assert reasons(status)["Reconciling"] == ("True", "RolloutInProgress")


def missing_image() -> World:
    broken = waiting_pod(
        "n-1", "ImagePullBackOff", 'Back-off pulling image "registry.invalid/a:2": ErrImagePull: not found'
    )
    return world(actor(fixed(3)), (*ready_pods(3, template="old"), broken))


def test_row_16_a_rollout_to_a_missing_image_is_an_image_pull_error() -> None:
    history = settled(world(actor(fixed(3)), ready_pods(3)))
    status = history.look(missing_image())
    assert (status["status"], told(status, "WorkloadReady")) == ("ImagePullError", ("False", "ImagePullFailed"))
    assert (status["readyReplicas"], told(status, "Reconciling")) == (3, ("True", "WaitingForPods"))
    assert told(history.look(missing_image(), NOW + minutes(10)), "Stalled") == ("True", "ImagePullFailed")


def test_row_16_going_back_heals_it() -> None:
    history = settled(missing_image(), NOW)
    status = history.look(world(actor(fixed(3)), ready_pods(3)), NOW + minutes(1))
    assert (status["status"], told(status, "Ready")) == ("Running", ("True", "Running"))
    assert events(history) == ["Recovered"]
