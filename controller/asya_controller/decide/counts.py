"""How many pods are wanted, there, ready and failing?

Called by status.py (contract: controller, Status: Pods, Rollout, Desired). Reads a spec that may be refused, so every value
is taken with a fallback.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from asya_controller.decide.memory import condition
from asya_controller.decide.pods import ACTIVE_PHASES, Pod, missing_failed, pods_of
from asya_controller.decide.workload import TEMPLATE_HASH, number
from asya_controller.decide.world import Json, World
from asya_schemas.actor import effective

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Counts:
    """The pods of one actor at one time. `failing` includes failed pods that are missed (P5)."""

    pods: tuple[Pod, ...]
    failing: tuple[Pod, ...]
    desired: int
    rollout: bool
    template_hash: str | None

    def current(self, pod: Pod) -> bool:
        """Whether the pod was made from the template that is applied now."""
        return pod.template_hash == self.template_hash

    @property
    def active_pods(self) -> tuple[Pod, ...]:
        """Pods that are there to stay."""
        return tuple(pod for pod in self.pods if pod.active)

    @property
    def ready_pods(self) -> tuple[Pod, ...]:
        """Failing outranks Ready."""
        return tuple(pod for pod in self.active_pods if pod.ready_condition and pod not in self.failing)

    @property
    def pending_pods(self) -> tuple[Pod, ...]:
        """Neither Ready nor failing."""
        return tuple(pod for pod in self.active_pods if not pod.ready_condition and pod not in self.failing)

    @property
    def active(self) -> int:
        """Number of active pods."""
        return len(self.active_pods)

    @property
    def ready(self) -> int:
        """Number of Ready pods."""
        return len(self.ready_pods)

    @property
    def total(self) -> int:
        """Pods in an active phase, those being deleted included."""
        return sum(pod.phase in ACTIVE_PHASES for pod in self.pods)

    @property
    def deleting(self) -> int:
        """Pods on their way out."""
        return sum(pod.phase in ACTIVE_PHASES and pod.deleting for pod in self.pods)

    def judged(self, pods: tuple[Pod, ...]) -> tuple[Pod, ...]:
        """Of `pods` those that show whether the applied template works: during a rollout only the current ones."""
        return tuple(pod for pod in pods if self.current(pod)) if self.rollout else pods


def counts_of(world: World, now: datetime) -> Counts:
    """The counts. `world.memory` must already be up to date."""
    pods = pods_of(world.pods, world.memory.mount_failures)
    wanted, applied = desired(world), template_hash(world.workload)
    active = [pod for pod in pods if pod.active]
    failing = (*(pod for pod in pods if pod.failing(now)), *missing_failed(pods, wanted - len(active)))
    outdated = any(pod.template_hash != applied for pod in active) if world.workload else False
    return Counts(pods, failing, wanted, outdated or rolling(world.workload), applied)


def desired(world: World) -> int:
    """How many pods somebody wants: the author, KEDA's zero, or the autoscaler. Nobody asks an actor that is going."""
    former = world.previous.get("desiredReplicas")
    if world.metadata.get("deletionTimestamp") and isinstance(former, int):
        return former
    if not scaling_enabled(world):
        return lenient(effective.replicas, world.spec, 1)
    if world.workload is None:
        return lenient(effective.min_replicas, world.spec, 0)
    replicas = number((world.workload.get("spec") or {}).get("replicas"), 1)
    wanted = number(((world.hpa or {}).get("status") or {}).get("desiredReplicas"), 0)
    return 0 if replicas == 0 else wanted if wanted >= 1 else replicas


def scaling_enabled(world: World) -> bool:
    """Whether scaling is on, as far as the spec can be read."""
    return lenient(effective.scaling_enabled, world.spec, False)


def lenient(read: Callable[[Mapping[str, Any]], T], spec: Mapping[str, Any], default: T) -> T:
    """A value of a spec that validation may have refused: what cannot be read counts as absent."""
    try:
        value = read(spec)
    except (AttributeError, TypeError, ValueError):
        return default
    return value if type(value) is type(default) else default


def template_hash(workload: Json | None) -> str | None:
    """The hash of the template that is applied, as it stands in the live workload."""
    template = ((workload or {}).get("spec") or {}).get("template") or {}
    found = ((template.get("metadata") or {}).get("annotations") or {}).get(TEMPLATE_HASH)
    return str(found) if found is not None else None


def rolling(workload: Json | None) -> bool:
    """Whether the workload itself says that a rollout is unfinished."""
    status = (workload or {}).get("status") or {}
    if (workload or {}).get("kind") == "StatefulSet":
        return bool(status.get("currentRevision") != status.get("updateRevision"))
    return number(status.get("updatedReplicas"), 0) < number(status.get("replicas"), 0)


def progressing(workload: Json | None) -> Mapping[str, Any]:
    """The Deployment's own view of its rollout."""
    return condition(workload, "Progressing")
