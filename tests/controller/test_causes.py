"""Why pods of a real cluster failed, and that the verdict does not flicker while they did."""

from datetime import datetime, timedelta

import pytest

from asya_controller.decide.causes import cause_of
from asya_controller.decide.config import local_config
from asya_controller.decide.memory import remember
from asya_controller.decide.pods import FRESH_START, RECENT_END, Pod, pod_of, pods_of
from asya_controller.decide.reasons import CLASS_OF
from asya_controller.decide.transports import Sqlite
from asya_controller.decide.world import World
from tests.controller import recorded

CAUSES = {
    "argparse-exit2-late": ("RuntimeMisconfigured", "exit code 2 (Error): handler called sys.exit(2)"),
    "cpu": ("InsufficientResources", "Insufficient cpu"),
    "crash-after-20s-ready": ("RuntimeCrashLoop", "exit code 1"),
    "crashloop-with-old-secret-event": ("RuntimeCrashLoop", "cannot import handler"),
    "env-cm": ("ConfigNotFound", 'configmap "nocm" not found'),
    "env-cmkey": ("ConfigNotFound", "couldn't find key nokey in ConfigMap"),
    "env-secret": ("ConfigNotFound", 'secret "nosecret" not found'),
    "env-secretkey": ("ConfigNotFound", "couldn't find key nokey in Secret"),
    "envfrom-cm": ("ConfigNotFound", 'configmap "nocm" not found'),
    "exit0": ("RuntimeCrashLoop", "exit code 0 (Completed)"),
    "exit2": ("RuntimeMisconfigured", "asya: ASYA_HANDLER is empty"),
    "exit3": ("RuntimeCrashLoop", "exit code 3 (Error)"),
    "gpu": ("InsufficientResources", "Insufficient nvidia.com/gpu"),
    "helper-crash": ("PodsFailing", "container cache"),
    "helper-exit2": ("PodsFailing", "container cache"),
    "helper-nocmd": ("PodsFailing", "no command specified"),
    "helper-start": ("PodsFailing", 'exec: "nobin": executable file not found'),
    "img-invalid": ("ImagePullFailed", "couldn't parse image name"),
    "img-missing": ("ImagePullFailed", "no such host"),
    "img-never": ("ImagePullFailed", "pull policy of Never"),
    "img-refused": ("ImagePullFailed", "connection refused"),
    "init-crash": ("PodsFailing", "container prep"),
    "init-exit2": ("PodsFailing", "container prep"),
    "init-native-crash": ("PodsFailing", "container nat"),
    "interp-abs": ("InterpreterNotFound", "stat /opt/venv/bin/python: no such file or directory"),
    "interp-dir": ("InterpreterNotFound", "permission denied"),
    "interp-missing": ("InterpreterNotFound", 'exec: "python9": executable file not found'),
    "live-fail": ("RuntimeCrashLoop", "exit code 137"),
    "nonroot": ("ContainerConfigInvalid", "image will run as root"),
    "oom": ("RuntimeCrashLoop", "exit code 137 (OOMKilled)"),
    "poststart": ("RuntimeCrashLoop", "exit code 137"),
    "pvc-affinity": ("VolumeNotBound", "PersistentVolume's node affinity"),
    "pvc-missing": ("VolumeNotBound", 'persistentvolumeclaim "nopvc" not found'),
    "pvc-unbound": ("VolumeNotBound", "unbound immediate PersistentVolumeClaims"),
    "pvc-wffc": ("VolumeNotBound", "persistent volumes to bind"),
    "pvc-wffc-prov": ("VolumeNotBound", "binding volumes"),
    "runtime-mount-error-opt-readonly": ("VolumeMountFailed", "error mounting"),
    "selector": ("Unschedulable", "node affinity/selector"),
    "sidecar-crash": ("SidecarCrashLoop", "exit code 1"),
    "sidecar-crashloop": ("SidecarCrashLoop", "exit code 1"),
    "sidecar-start": ("SidecarCrashLoop", "stat /asya-sidecar: no such file or directory"),
    "startup-fail": ("RuntimeCrashLoop", "exit code 137"),
    "vol-cm": ("ConfigNotFound", 'configmap "nocm" not found'),
    "vol-csi": ("VolumeMountFailed", "driver name no.such.csi not found"),
    "vol-hostpath": ("VolumeMountFailed", "hostPath type check failed"),
    "vol-nfs": ("VolumeMountFailed", "mount failed: exit status 32"),
    "vol-projkey": ("ConfigNotFound", "non-existent secret key: nokey"),
    "vol-projsecret": ("ConfigNotFound", 'secret "nosecret" not found'),
    "vol-secret": ("ConfigNotFound", 'secret "nosecret" not found'),
    "vol-secretkey": ("ConfigNotFound", "non-existent secret key: nokey"),
    "vol-subpath-file": ("VolumeMountFailed", "error mounting"),
}
NOT_FAILING = {"gated", "init-hang", "ready-fail", "sts-ok", "transient-mount-then-slow-pull", "vol-subpath-missing"}
CLASSES = {
    "cpu": "PendingResources",
    "img-missing": "ImagePullError",
    "exit3": "RuntimeError",
    "sidecar-crash": "SidecarError",
    "vol-nfs": "VolumeError",
    "interp-missing": "ConfigError",
    "helper-crash": "WorkloadError",
}


def first_pod(case: str) -> tuple[Pod, datetime]:
    found = recorded.pods()[case]
    now = recorded.moment(found["recordedAt"])
    facts = World(
        {}, local_config([], Sqlite(path="mesh.db")), pods=tuple(found["pods"]), events=tuple(found["events"])
    )
    return pods_of(found["pods"], remember(facts, now).mount_failures)[0], now


@pytest.mark.parametrize("case", CAUSES)
def test_the_cause_of_a_recorded_failure(case: str) -> None:
    pod, now = first_pod(case)
    reason, words = CAUSES[case]
    assert pod.failing(now)
    found = cause_of(pod, now)
    assert found.reason == reason
    assert words in found.message
    assert f"pod {pod.name}" in found.message


@pytest.mark.parametrize("case", sorted(NOT_FAILING))
def test_a_recorded_pod_that_only_waits_is_not_failing(case: str) -> None:
    pod, now = first_pod(case)
    assert not pod.failing(now)


@pytest.mark.parametrize("case", CLASSES)
def test_the_class_of_a_recorded_failure(case: str) -> None:
    pod, now = first_pod(case)
    assert CLASS_OF[cause_of(pod, now).reason] == CLASSES[case]


def verdicts(states: list[recorded.Seen]) -> list[tuple[str, str] | None]:
    """What was said of a pod at every change and at every time mark between two changes, repeats left out."""
    found: list[tuple[str, str] | None] = []
    ends = [seen.at for seen in states[1:]] + [states[-1].at + timedelta(minutes=12)]
    for seen, end in zip(states, ends, strict=True):
        pod = pod_of(seen.pod, {})
        marks = [item.ended.at + RECENT_END for item in pod.containers if item.ended]
        marks += [item.running_since + FRESH_START for item in pod.containers if item.running_since]
        for now in sorted({seen.at, *(mark for mark in marks if seen.at < mark < end)}):
            cause = cause_of(pod, now) if pod.failing(now) else None
            said = (cause.reason, cause.message) if cause else None
            if not found or found[-1] != said:
                found.append(said)
    return found


# The scheduler's first try came before the node had room; the Secret was made later; the log's two lines came in either order.
CHANGES_ON_PURPOSE = {"gpu", "init-crash", "init-exit2", "nonroot", "poststart", "old-secret-event", "exit3"}
BY_CASE = {name.rsplit("-", 2)[0]: states for name, states in recorded.transitions().items()}


@pytest.mark.parametrize("case", sorted(BY_CASE))
def test_a_failing_pod_does_not_flicker(case: str) -> None:
    said = [item[0] if item else None for item in verdicts(BY_CASE[case])]
    reasons = [reason for number, reason in enumerate(said) if number == 0 or said[number - 1] != reason]
    failing = [reason for reason in reasons if reason not in (None, "InsufficientResources", "ConfigNotFound")]
    assert len(failing) <= 1, reasons
    if failing:
        last_good = max((number for number, reason in enumerate(reasons) if reason is None), default=-1)
        assert last_good < reasons.index(failing[0]), reasons


@pytest.mark.parametrize("case", sorted(set(BY_CASE) - CHANGES_ON_PURPOSE))
def test_a_repeated_failure_is_told_in_the_same_words(case: str) -> None:
    assert len([item for item in verdicts(BY_CASE[case]) if item]) <= 1


def test_a_failed_pod_is_told_in_kubelets_words() -> None:
    pod, now = first_pod("failed-outofcpu")
    found = cause_of(pod, now)
    assert found.reason == "PodsFailing"
    assert "OutOfcpu" in found.message
    assert "Node didn't have enough resource: cpu" in found.message
