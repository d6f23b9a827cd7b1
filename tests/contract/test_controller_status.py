"""Situations 1-24 of contract: controller, 14: how an actor looks, from facts and a time."""

import pytest

from asya_controller.decide.conditions import Verdict
from asya_controller.decide.events import transitions, work_events
from asya_controller.decide.plan import plan
from asya_controller.decide.world import QueueFacts, World
from tests.controller.worlds import (
    NOW,
    History,
    actor,
    condition,
    container,
    crashing_pod,
    desired_of,
    ended,
    event,
    fixed,
    going_pods,
    minutes,
    pod,
    ready_pods,
    reasons,
    running,
    scaled,
    seconds,
    settled,
    starting_pods,
    told,
    unmade,
    unschedulable_pod,
    unstarted_pod,
    waiting,
    waiting_pod,
    world,
)


def events(history: History) -> list[str]:
    return [item.reason for item in transitions(history.before, history.status)]


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


# --- causes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "value", "reason"),
    [
        ("0/3 nodes are available: 3 Insufficient nvidia.com/gpu.", "PendingResources", "InsufficientResources"),
        ("0/3 nodes are available: 3 node(s) had untolerated taint {gpu: true}.", "WorkloadError", "Unschedulable"),
        ("0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.", "VolumeError", "VolumeNotBound"),
    ],
)
def test_row_17_what_the_scheduler_says_decides(words: str, value: str, reason: str) -> None:
    status = History().look(world(pods=[unschedulable_pod("a-1", words)]))
    assert (status["status"], told(status, "WorkloadReady")) == (value, ("False", reason))
    assert words in status["message"]


def test_row_18_a_failed_mount_is_remembered_when_its_event_expires() -> None:
    history, stuck = History(), unstarted_pod("a-1")
    failed = event("FailedMount", 'MountVolume.SetUp failed for volume "data" : mount failed: exit status 32', "a-1")
    first = history.look(world(pods=[stuck], events=(failed,)))
    assert (first["status"], told(first, "WorkloadReady")) == ("VolumeError", ("False", "VolumeMountFailed"))
    later = history.look(world(pods=[stuck]), NOW + minutes(70))
    assert (later["status"], later["message"]) == ("VolumeError", first["message"])


def test_row_18_a_pod_that_starts_after_all_is_forgiven() -> None:
    history = History()
    history.look(world(pods=[unstarted_pod("a-1")], events=(event("FailedMount", "mount failed", "a-1"),)))
    assert history.look(world(pods=[pod("a-1", ready=True)]), NOW + seconds(1))["status"] == "Running"


def test_row_19_a_missing_secret_of_a_variable_is_a_config_error() -> None:
    history = History()
    status = history.look(world(pods=[waiting_pod("a-1", "CreateContainerConfigError", 'secret "api-key" not found')]))
    assert (status["status"], told(status, "WorkloadReady")) == ("ConfigError", ("False", "ConfigNotFound"))
    assert 'secret "api-key" not found' in status["message"]
    assert history.look(world(pods=[pod("a-1", ready=True)]), NOW + minutes(1))["status"] == "Running"


def test_row_19_a_missing_config_map_of_a_volume_is_a_config_error() -> None:
    missing = event("FailedMount", 'MountVolume.SetUp failed for volume "v" : configmap "settings" not found', "a-1")
    status = History().look(world(pods=[unstarted_pod("a-1")], events=(missing,)))
    assert (status["status"], told(status, "WorkloadReady")) == ("ConfigError", ("False", "ConfigNotFound"))


IMPORT_ERROR = "asya: cannot import handler my_module.process: No module named 'my_module'"


def test_row_20_a_handler_that_cannot_be_imported_is_a_runtime_error() -> None:
    status = History().look(world(pods=[crashing_pod("a-1", code=3, message=f"loading\n{IMPORT_ERROR}\n")]))
    assert (status["status"], told(status, "WorkloadReady")) == ("RuntimeError", ("False", "RuntimeCrashLoop"))
    assert IMPORT_ERROR in status["message"]


def test_row_20_nothing_flickers_between_restarts() -> None:
    history = settled(world(pods=[crashing_pod("a-1", code=3, message=IMPORT_ERROR)]), NOW)
    restarted = container(
        "asya-runtime", False, running(NOW + seconds(5)), restarts=4, last=ended(3, at=NOW, message=IMPORT_ERROR)
    )
    helper = container("asya-sidecar", True, running())
    status = history.look(world(pods=[pod("a-1", containers=[restarted, helper])]), NOW + seconds(6))
    changed = {key for key in status if status[key] != history.before[key]}
    assert not changed


def test_row_21_an_empty_handler_is_a_config_error() -> None:
    status = History().look(world(pods=[crashing_pod("a-1", code=2, message="asya: ASYA_HANDLER is empty")]))
    assert (status["status"], told(status, "WorkloadReady")) == ("ConfigError", ("False", "RuntimeMisconfigured"))
    assert "ASYA_HANDLER is empty" in status["message"]


def test_row_21_an_interpreter_that_is_not_in_the_image_is_a_config_error() -> None:
    words = 'unable to start container process: exec: "python9": executable file not found in $PATH'
    status = History().look(world(pods=[crashing_pod("a-1", code=128, reason="StartError", message=words)]))
    assert (status["status"], told(status, "WorkloadReady")) == ("ConfigError", ("False", "InterpreterNotFound"))
    assert '"python9": executable file not found' in status["message"]


@pytest.mark.parametrize(
    "last", ["asya-sidecar: fault of our own: KeyError", "asya-sidecar: broker rabbit.mq refuses the credentials"]
)
def test_row_22_a_sidecar_crash_loop_tells_the_sidecars_last_line(last: str) -> None:
    status = History().look(world(pods=[crashing_pod("a-1", of="asya-sidecar", code=5, message=f"more\n{last}\n")]))
    assert (status["status"], told(status, "WorkloadReady")) == ("SidecarError", ("False", "SidecarCrashLoop"))
    assert last in status["message"]


def test_row_22_a_helper_crash_loop_names_the_helper() -> None:
    status = History().look(world(pods=[crashing_pod("a-1", of="cache")]))
    assert (status["status"], told(status, "WorkloadReady")) == ("WorkloadError", ("False", "PodsFailing"))
    assert "container cache" in status["message"]


def test_row_22_an_init_container_crash_loop_names_it() -> None:
    broken = container("prepare", False, waiting("CrashLoopBackOff"), restarts=3, last=ended(1))
    status = History().look(world(pods=[unstarted_pod("a-1", init=[broken])]))
    assert (status["status"], told(status, "WorkloadReady")) == ("WorkloadError", ("False", "PodsFailing"))
    assert "container prepare" in status["message"]


def test_row_23_old_restarts_of_a_pod_that_works_are_no_failure() -> None:
    old = container("asya-runtime", True, running(), restarts=6, last=ended(1, at=NOW - minutes(61)))
    status = History().look(world(pods=[pod("a-1", ready=True, containers=[old])]))
    assert (status["status"], status["failingPods"]) == ("Running", 0)


def test_row_23_an_evicted_pod_left_behind_is_no_failure() -> None:
    evicted = pod("e-1", phase="Failed", containers=[], reason="Evicted", message="The node was low on memory")
    status = History().look(world(pods=[*ready_pods(1), evicted]))
    assert (status["status"], status["failingPods"]) == ("Running", 0)


@pytest.mark.parametrize(
    ("words", "value", "reason"),
    [
        (
            'pods "a-1" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true',
            "ConfigError",
            "PodRejected",
        ),
        ('pods "a-1" is forbidden: exceeded quota: q, requested: pods=1', "PendingResources", "QuotaExceeded"),
    ],
)
def test_row_24_a_refused_pod_is_told_by_the_deployment(words: str, value: str, reason: str) -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": words}
    status = History().look(world(workload={"status": {"conditions": [failure]}}))
    assert (status["status"], told(status, "WorkloadReady")) == (value, ("False", reason))
    assert (status["totalReplicas"], reason != "PodRejected" or "violates PodSecurity" in status["message"]) == (
        0,
        True,
    )


def test_row_24_a_refused_pod_of_a_stateful_set_is_told_by_its_event() -> None:
    words = 'create Pod a-0 in StatefulSet a failed error: pods "a-0" is forbidden: exceeded quota: q'
    told_event = event("FailedCreate", words, "a", kind="StatefulSet")
    status = History().look(world(actor({"workload": {"kind": "StatefulSet"}}), events=(told_event,)))
    assert (status["status"], told(status, "WorkloadReady")) == ("PendingResources", ("False", "QuotaExceeded"))
