"""What state is each pod in, and which pods are failing?

Reads pods in Kubernetes' JSON form and judges them by P1-P6 (contract: controller, Status). Called by counts.py and memory.py.
Must not name a cause: see causes.py.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from asya_controller.decide.workload import TEMPLATE_HASH
from asya_schemas.durations import parse_time

ACTIVE_PHASES = frozenset({"Pending", "Running", "Unknown"})
WAITING_FAILURES = frozenset(
    {
        "CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull", "ErrImageNeverPull", "InvalidImageName",
        "CreateContainerError", "CreateContainerConfigError", "RunContainerError",
    }
)  # fmt: skip
SCHEDULING_FAILURES = frozenset({"Unschedulable", "SchedulerError"})
RECENT_END = timedelta(minutes=10)
FRESH_START = timedelta(seconds=60)
MANY_RESTARTS = 5
FEW_RESTARTS = 2
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a container's latest life ended."""

    exit_code: int
    reason: str
    message: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Container:
    """A container's state. `done` is an init container that has finished its work."""

    name: str
    ready: bool
    restarts: int
    waiting: str
    waiting_message: str
    running_since: datetime | None
    ended: Ended | None
    done: bool

    @property
    def ever_started(self) -> bool:
        """Whether it runs or ran; a container that could not be created never did."""
        return self.running_since is not None or self.ended is not None

    def failing(self, now: datetime) -> bool:
        """P1, P3 or P4."""
        if self.done:
            return False
        ended_lately = self.ended is not None and now - self.ended.at < RECENT_END
        started_lately = self.running_since is not None and now - self.running_since < FRESH_START
        return (
            self.waiting in WAITING_FAILURES
            or (self.restarts > MANY_RESTARTS and (not self.ready or ended_lately))
            or (self.restarts >= FEW_RESTARTS and ended_lately and (not self.ready or started_lately))
        )


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod. `mount_failure` is the remembered Event of P6, reason and message."""

    name: str
    uid: str
    created: datetime
    phase: str
    reason: str
    message: str
    deleting: bool
    ready_condition: bool
    template_hash: str | None
    scheduling: tuple[str, str]
    sandbox_ready: bool
    containers: tuple[Container, ...]
    mount_failure: tuple[str, str] | None = None

    @property
    def active(self) -> bool:
        """Pending, Running or Unknown, not being deleted."""
        return self.phase in ACTIVE_PHASES and not self.deleting

    @property
    def awaits_sandbox(self) -> bool:
        """Nothing in it has started yet: only now can a mount be what keeps it."""
        return not self.sandbox_ready and not any(container.ever_started for container in self.containers)

    def failing_containers(self, now: datetime) -> tuple[Container, ...]:
        """The containers that make the pod fail, init containers first."""
        return tuple(container for container in self.containers if container.failing(now))

    def failing(self, now: datetime) -> bool:
        """P1-P4 and P6; P5 depends on the other pods, see `missing_failed`."""
        if not self.active:
            return False
        held = self.mount_failure is not None and self.awaits_sandbox
        return held or self.scheduling[0] in SCHEDULING_FAILURES or bool(self.failing_containers(now))


def pods_of(pods: Iterable[Json], mount_failures: Mapping[str, tuple[str, str]]) -> tuple[Pod, ...]:
    """The pods, oldest first: whoever is named in a message stays the same while it lives."""
    found = (pod_of(item, mount_failures) for item in pods)
    return tuple(sorted(found, key=lambda pod: (pod.created, pod.name)))


def pod_of(item: Json, mount_failures: Mapping[str, tuple[str, str]]) -> Pod:
    """One pod from Kubernetes' JSON."""
    meta, status = item.get("metadata") or {}, item.get("status") or {}
    conditions = {entry.get("type"): entry for entry in status.get("conditions") or ()}
    scheduled = conditions.get("PodScheduled") or {}
    refused = scheduled.get("status") == "False"
    containers = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
    uid = str(meta.get("uid") or meta.get("name"))
    return Pod(
        name=str(meta.get("name")),
        uid=uid,
        created=time_of(meta.get("creationTimestamp")) or EPOCH,
        phase=str(status.get("phase") or "Pending"),
        reason=str(status.get("reason") or ""),
        message=str(status.get("message") or ""),
        deleting=bool(meta.get("deletionTimestamp")),
        ready_condition=(conditions.get("Ready") or {}).get("status") == "True",
        template_hash=(meta.get("annotations") or {}).get(TEMPLATE_HASH),
        scheduling=(str(scheduled.get("reason") or ""), str(scheduled.get("message") or "")) if refused else ("", ""),
        sandbox_ready=(conditions.get("PodReadyToStartContainers") or {}).get("status") == "True",
        containers=tuple(container_of(entry) for entry in containers),
        mount_failure=mount_failures.get(uid),
    )


def container_of(entry: Json) -> Container:
    """One container status. The latest end is the present one, else the last one."""
    state, last = entry.get("state") or {}, entry.get("lastState") or {}
    waiting, running = state.get("waiting") or {}, state.get("running")
    terminated = state.get("terminated")
    return Container(
        name=str(entry.get("name")),
        ready=bool(entry.get("ready")),
        restarts=int(entry.get("restartCount") or 0),
        waiting=str(waiting.get("reason") or ""),
        waiting_message=str(waiting.get("message") or ""),
        running_since=(time_of(running.get("startedAt")) or EPOCH) if running is not None else None,
        ended=ended_of(terminated or last.get("terminated")),
        done=terminated is not None and terminated.get("exitCode") == 0 and bool(entry.get("ready")),
    )


def ended_of(terminated: Json | None) -> Ended | None:
    """The end of one life."""
    if not terminated:
        return None
    return Ended(
        exit_code=int(terminated.get("exitCode") or 0),
        reason=str(terminated.get("reason") or ""),
        message=str(terminated.get("message") or ""),
        at=time_of(terminated.get("finishedAt")) or EPOCH,
    )


def time_of(text: Any) -> datetime | None:
    """A timestamp of Kubernetes' JSON; None when it is absent or none."""
    return parse_time(text) if isinstance(text, str) else None


def missing_failed(pods: Iterable[Pod], gap: int) -> tuple[Pod, ...]:
    """P5: pods of phase Failed, newest first, as many as active ones are missing. Left-over evicted pods do not count."""
    failed = [pod for pod in pods if pod.phase == "Failed" and not pod.deleting]
    newest = sorted(failed, key=lambda pod: (pod.created, pod.name), reverse=True)
    return tuple(newest[: max(0, gap)])
