"""Why does this pod fail?

The cause table (contract: controller, Status), first match, and the sentence about it. Called by conditions.py for pods that pods.py
found failing, and for the pod a shortage is blamed on.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from asya_controller.decide.pods import WAITING_FAILURES, Container, Ended, Pod
from asya_controller.decide.wording import last_line, words

IMAGE_REASONS = frozenset({"ImagePullBackOff", "ErrImagePull", "ErrImageNeverPull", "InvalidImageName"})
START_FAILURES = frozenset({"StartError", "ContainerCannotRun"})
MOUNT_EVENTS = frozenset({"FailedMount", "FailedAttachVolume", "FailedMapVolume"})
EVENT_REASONS = MOUNT_EVENTS | {"FailedCreatePodSandBox"}
MISCONFIGURED_EXIT = 2
RUNTIME, SIDECAR = "asya-runtime", "asya-sidecar"
# `secret "x" not found`, `couldn't find key k in ConfigMap ns/x`, `references non-existent secret key: k`.
NOT_FOUND = re.compile(
    r"(?i)\b(?:configmap|secret)s? \S+ not found|couldn't find key|references non-existent (?:config|secret)"
)
_VOLUME_CLAIM = re.compile(r"(?i)persistent ?volume|volume node affinity|volume\(s\)")
_VOLUME_BINDING = re.compile(r"VolumeBinding|binding volumes")


@dataclass(frozen=True, slots=True)
class Cause:
    """Reason of WorkloadReady and the sentence that goes with it."""

    reason: str
    message: str


def cause_of(pod: Pod, now: datetime) -> Cause:
    """The first cause of the table that the pod shows."""
    failing = pod.failing_containers(now)
    for find in CAUSES:
        if found := find(pod, failing):
            return found
    return anything_else(pod, failing)


def unschedulable(pod: Pod, _: tuple[Container, ...]) -> Cause | None:
    """The scheduler finds no node."""
    reason, text = pod.scheduling
    if reason == "Unschedulable":
        if "Insufficient" in text:
            return Cause("InsufficientResources", about(pod, None, reason, text))
        volume = _VOLUME_CLAIM.search(text)
        return Cause("VolumeNotBound" if volume else "Unschedulable", about(pod, None, reason, text))
    if reason == "SchedulerError" and _VOLUME_BINDING.search(text):
        return Cause("VolumeNotBound", about(pod, None, reason, text))
    return None


def image(pod: Pod, failing: tuple[Container, ...]) -> Cause | None:
    """An image cannot be had. Both names of one repeated failure are told as one, so that the message does not flicker."""
    for container in failing:
        if container.waiting in IMAGE_REASONS:
            reason = "ImagePullBackOff" if container.waiting == "ErrImagePull" else container.waiting
            return Cause("ImagePullFailed", about(pod, container, reason, container.waiting_message))
    return None


def config_not_found(pod: Pod, failing: tuple[Container, ...]) -> Cause | None:
    """A ConfigMap, Secret or key is not there: said by a container that waits now, or by the Event that holds the pod."""
    for container in failing:
        if container.waiting and NOT_FOUND.search(container.waiting_message):
            return Cause("ConfigNotFound", about(pod, container, container.waiting, container.waiting_message))
    if (event := event_of(pod)) and NOT_FOUND.search(event[1]):
        return Cause("ConfigNotFound", about(pod, None, *event))
    return None


def container_config(pod: Pod, failing: tuple[Container, ...]) -> Cause | None:
    """Kubelet cannot make sense of the container for another reason."""
    for container in failing:
        if container.waiting == "CreateContainerConfigError":
            return Cause("ContainerConfigInvalid", about(pod, container, container.waiting, container.waiting_message))
    return None


def volume_event(pod: Pod, _: tuple[Container, ...]) -> Cause | None:
    """A volume cannot be mounted, attached or mapped."""
    event = event_of(pod)
    return Cause("VolumeMountFailed", about(pod, None, *event)) if event and event[0] in MOUNT_EVENTS else None


def mount_error(pod: Pod, failing: tuple[Container, ...]) -> Cause | None:
    """The container runtime cannot mount what the container asks for."""
    for container, text in start_failures(failing):
        if "error mounting" in text:
            return Cause("VolumeMountFailed", about(pod, container, "StartError", text))
    return None


def interpreter(pod: Pod, failing: tuple[Container, ...]) -> Cause | None:
    """The runtime's command cannot be started: its interpreter is not in the image."""
    for container, text in start_failures(failing):
        if container.name == RUNTIME:
            return Cause("InterpreterNotFound", about(pod, container, "StartError", text))
    return None


def runtime(pod: Pod, failing: tuple[Container, ...]) -> Cause | None:
    """The runtime ends again and again; exit code 2 is its word for a configuration it cannot use."""
    for container in failing:
        if container.name == RUNTIME and crash_loop(container):
            told = container.ended is not None and container.ended.exit_code == MISCONFIGURED_EXIT
            reason = "RuntimeMisconfigured" if told else "RuntimeCrashLoop"
            return Cause(reason, about(pod, container, *end_of(container, (2, 3))))
    return None


def sidecar(pod: Pod, failing: tuple[Container, ...]) -> Cause | None:
    """The sidecar ends again and again, or cannot be started."""
    for container in failing:
        if container.name == SIDECAR and (crash_loop(container) or container.waiting == "RunContainerError"):
            return Cause("SidecarCrashLoop", about(pod, container, *end_of(container, None)))
    return None


def anything_else(pod: Pod, failing: tuple[Container, ...]) -> Cause:
    """Whatever the table has no word for."""
    if failing:
        container = failing[0]
        if crash_loop(container) or container.waiting == "RunContainerError":
            return Cause("PodsFailing", about(pod, container, *end_of(container, ())))
        return Cause("PodsFailing", about(pod, container, container.waiting, container.waiting_message))
    if pod.scheduling[0]:
        return Cause("PodsFailing", about(pod, None, *pod.scheduling))
    if event := event_of(pod):
        return Cause("PodsFailing", about(pod, None, *event))
    return Cause("PodsFailing", about(pod, None, pod.reason or pod.phase, pod.message))


CAUSES: tuple[Callable[[Pod, tuple[Container, ...]], Cause | None], ...] = (
    unschedulable,
    image,
    config_not_found,
    container_config,
    volume_event,
    mount_error,
    interpreter,
    runtime,
    sidecar,
)


def event_of(pod: Pod) -> tuple[str, str] | None:
    """The Event of P6, as long as it holds the pod."""
    return pod.mount_failure if pod.awaits_sandbox else None


def start_failures(failing: tuple[Container, ...]) -> Iterator[tuple[Container, str]]:
    """Containers whose process never came to be, with the container runtime's words."""
    for container in failing:
        if container.waiting == "RunContainerError":
            yield container, container.waiting_message
        elif container.ended is not None and container.ended.reason in START_FAILURES and crash_loop(container):
            yield container, container.ended.message


def crash_loop(container: Container) -> bool:
    """Whether it fails by ending (P3, P4 or the wait in between), not by waiting for something else."""
    return container.waiting == "CrashLoopBackOff" or container.waiting not in WAITING_FAILURES


def end_of(container: Container, told_exits: tuple[int, ...] | None) -> tuple[str, str]:
    """Reason and words about a container that ends again and again, the same in every state between two ends.

    The process's last line is told for `told_exits` (None: all).
    """
    for _, text in start_failures((container,)):
        return "StartError", text
    ended: Ended | None = container.ended
    if ended is None:
        return "CrashLoopBackOff", container.waiting_message
    text = f"exit code {ended.exit_code}" + (f" ({ended.reason})" if ended.reason else "")
    last = last_line(ended.message) if told_exits is None or ended.exit_code in told_exits else ""
    return "CrashLoopBackOff", f"{text}: {last}" if last else text


def about(pod: Pod, container: Container | None, reason: str, text: str) -> str:
    """Container, reason, pod, then the words of whoever knows."""
    subject = f"container {container.name}: " if container else ""
    said = words(text)
    return f"{subject}{reason} in pod {pod.name}" + (f": {said}" if said else "")


def not_ready(pod: Pod) -> str:
    """The sentence about a pod that a shortage waits for."""
    waiting = next((item for item in pod.containers if not item.ready and not item.done), None)
    if waiting is None:
        return f"waiting for pod {pod.name}"
    return f"waiting for container {waiting.name} of pod {pod.name}: {waiting.waiting or 'not ready'}"
