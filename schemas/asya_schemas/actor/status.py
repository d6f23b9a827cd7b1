"""`status` of an AsyncActor as models (contract: crd, sections 6 and 7). Written by controller and local mesh.

Zero is written as 0, unknown is left out: every field is optional.
"""

from typing import Annotated, Literal

from pydantic import Field

from asya_schemas.actor.shapes import Block, ListMap, Time, text

StatusValue = Literal[
    "Creating",
    "Running",
    "Napping",
    "Degraded",
    "ScalingUp",
    "ScalingDown",
    "Terminating",
    "TransportError",
    "WorkloadError",
    "PendingResources",
    "ImagePullError",
    "RuntimeError",
    "SidecarError",
    "VolumeError",
    "ConfigError",
    "ScalingError",
]


class Condition(Block):
    """A condition in Kubernetes' standard form."""

    type: Annotated[str, text(316, 1)]
    """What the condition is about."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    reason: Annotated[str, text(1024)] | None = None
    """Why, in one word."""
    message: Annotated[str, text(1024)] | None = None
    """Why, in one sentence."""
    observed_generation: int | None = None
    """Generation of the spec that this speaks about."""
    last_transition_time: Time | None = None
    """When status changed last."""


class TransportRef(Block):
    name: Annotated[str, text(63)] | None = None
    """Name in the operator's configuration."""
    type: Annotated[str, text(63)] | None = None
    """rabbitmq, sqs or sqlite."""


class PreviousQueue(Block):
    transport: Annotated[str, text(63)] | None = None
    """Name of the transport it is on."""
    queue: Annotated[str, text(255)]
    """Full name of the queue."""


class WorkloadRef(Block):
    api_version: Annotated[str, text(317)] | None = None
    """Of the workload."""
    kind: Annotated[str, text(63)] | None = None
    """Deployment or StatefulSet."""
    name: Annotated[str, text(253)] | None = None
    """Of the workload."""


class ScaledObjectRef(Block):
    name: Annotated[str, text(253)] | None = None
    """Of the ScaledObject."""


class ActorStatus(Block):
    observed_generation: int | None = None
    """Generation this status speaks about; -1 until the first finished pass."""
    status: StatusValue | None = None
    """The state in one word."""
    message: Annotated[str, text(1024)] | None = None
    """One sentence why; empty for Running and Napping."""
    conditions: Annotated[list[Condition], Field(max_length=32), ListMap(("type",))] | None = None
    """Conditions in Kubernetes' standard form."""
    ready_replicas: int | None = None
    """Pods that are Ready, not failing, not being deleted."""
    pending_replicas: int | None = None
    """Pods not Ready, not failing, not being deleted."""
    failing_pods: int | None = None
    """Pods that fail."""
    total_replicas: int | None = None
    """Pods in phase Pending, Running or Unknown, those being deleted included."""
    desired_replicas: int | None = None
    """Pods that should be there."""
    last_scale_time: Time | None = None
    """Last change of desiredReplicas after the first value was known."""
    last_scale_direction: Literal["up", "down"] | None = None
    """Its direction."""
    last_scale_formatted: Annotated[str, text(64)] | None = None
    """How long ago that was, in words."""
    short_since: Time | None = None
    """Start of the present shortage of Ready pods."""
    scaling_mode: Literal["KEDA", "Manual"] | None = None
    """Who sets the number of pods."""
    transport_status: Literal["Ready", "NotReady"] | None = None
    """Whether the queue is usable."""
    transport: TransportRef | None = None
    """The transport as resolved."""
    queue: Annotated[str, text(255)] | None = None
    """Full name of the queue."""
    queue_url: Annotated[str, text(2048)] | None = None
    """Its address, where queues have one."""
    dead_letter_queue: Annotated[str, text(255)] | None = None
    """Full name of the dead letter queue."""
    queued_messages: int | None = None
    """Messages that wait."""
    processing_messages: int | None = None
    """Messages in work."""
    previous_queues: Annotated[list[PreviousQueue], Field(max_length=4), ListMap(("queue",))] | None = None
    """Queues left behind by a change of transport or template."""
    workload_ref: WorkloadRef | None = None
    """The workload of this actor."""
    scaled_object_ref: ScaledObjectRef | None = None
    """The ScaledObject, while scaling is on."""
    suspended: bool | None = None
    """True while the annotation asya.sh/suspend is set."""
    last_handled_reconcile_at: Annotated[str, text(4096)] | None = None
    """Newest handled value of a reconcile annotation."""
