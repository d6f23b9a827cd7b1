"""Everything one pass has observed about one actor, as values.

Filled by whoever looks (the controller's gather step, or the local mesh), read by every decision. Children are plain dicts in
Kubernetes' JSON form, so that what the API server says and what the local mesh reports are the same thing to the rules.
Must not fetch, interpret or default anything: a fact that was not observed stays None.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from asya_controller.decide.config import OperatorConfig
from asya_controller.decide.ownership import Ownership

if TYPE_CHECKING:
    from asya_controller.decide.check import Violation

Json = Mapping[str, Any]


def namespace_of(actor: Json) -> str:
    """The actor's namespace; files may leave it out."""
    return str(actor["metadata"].get("namespace") or "default")


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """The actor's queues after the last look at the broker (contract: controller, Queues).

    `reason` is a reason of TransportReady: `QueueReady`, `QueueDrift` and `NotManaged` mean that the queue can be used, any other one
    (`BrokerUnreachable`, `AuthFailed`, `CredentialsMissing`, `QueueMissing`, `QueueCreateFailed`, `QueueConflict`,
    `QueueDeletedRecently`) that it cannot. `message` must hold no credentials. A count the broker does not give is None, never 0.
    """

    reason: str = "QueueReady"
    message: str = ""
    url: str | None = None
    queued: int | None = None
    processing: int | None = None
    dead: int | None = None
    created: bool = False
    """Whether this look had to create a queue."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An API answer that kept a child from being applied (contract: controller, Applying).

    `reason` is a reason of WorkloadReady or ScalingReady; `kind` of the child decides which. An `ApiError` counts 60 s after `since`.
    """

    kind: str
    name: str
    reason: str
    message: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """What the rules must remember from one evaluation to the next and status has no field for.

    Made by `remember(world, now)` only. Losing it (a restart) delays a verdict, it never reverses one.
    """

    queue_failing_since: datetime | None = None
    scaler_unready_since: datetime | None = None
    scaler_ready_since: datetime | None = None
    mount_failures: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """uid of a pod -> reason and message of the Warning Event that blamed a mount."""


@dataclass(frozen=True, slots=True)
class World:
    """The observed facts about one actor.

    `actor` is the AsyncActor document with `metadata` and, under `status`, the status last written. `workload` is the live Deployment
    or StatefulSet that runs the pods. `pods` are those owned by it, directly or through a ReplicaSet, also those being deleted.
    `events` are core/v1 Events about these pods, the workload and the ScaledObject. `scaled_object` carries its `status.conditions`
    (the local mesh, which has no KEDA, reports `Ready` True itself). `queue` is None when the broker was not looked at.
    `pass_finished` is False only for the status written at the beginning of a pass.
    """

    actor: Json
    config: OperatorConfig
    workload: Json | None = None
    pods: tuple[Json, ...] = ()
    events: tuple[Json, ...] = ()
    scaled_object: Json | None = None
    hpa: Json | None = None
    trigger_authentication: Json | None = None
    other_workload: Json | None = None
    service_account: Json | None = None
    keda: bool = True
    queue: QueueFacts | None = None
    refusals: tuple[Refusal, ...] = ()
    queues_dealt_with: tuple[tuple[str, str], ...] = ()
    """(transport, queue) of former queues that are gone or were kept for good."""
    pass_finished: bool = True
    fields: Mapping[str, Ownership] = field(default_factory=dict)
    """Kind of a child -> who owns its fields. A child that is not named (as in the local mesh) is as we left it."""
    left: Mapping[str, str] = field(default_factory=dict)
    """Kind of a child -> `Ownership.applied` after our last apply; absent when that was before our time."""
    due: frozenset[str] = frozenset()
    """Kinds of children that are applied although nothing seems to differ."""
    awaiting: str = ""
    """What a deletion waits for, in words."""
    memory: Memory = Memory()
    checked: "tuple[Violation | None] | None" = None
    """What `check` says about the spec, for whoever looks often and knows it already; None: it is asked."""

    @property
    def metadata(self) -> Json:
        """The actor's metadata."""
        found = self.actor.get("metadata")
        return found if isinstance(found, Mapping) else {}

    @property
    def spec(self) -> Json:
        """The actor's spec, empty when it is not an object."""
        found = self.actor.get("spec")
        return found if isinstance(found, Mapping) else {}

    @property
    def previous(self) -> Json:
        """The status last written, empty for a new object."""
        found = self.actor.get("status")
        return found if isinstance(found, Mapping) else {}

    @property
    def name(self) -> str:
        """The actor's name."""
        return str(self.metadata.get("name", ""))

    @property
    def namespace(self) -> str:
        """The actor's namespace."""
        return namespace_of({"metadata": self.metadata})
