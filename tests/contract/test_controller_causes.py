"""Situations 17-24 of contract: controller, 14: why pods fail or are not made."""

import pytest

from tests.controller.worlds import (
    NOW,
    History,
    actor,
    container,
    crashing_pod,
    ended,
    event,
    minutes,
    pod,
    ready_pods,
    running,
    seconds,
    settled,
    told,
    unschedulable_pod,
    unstarted_pod,
    waiting,
    waiting_pod,
    world,
)

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
