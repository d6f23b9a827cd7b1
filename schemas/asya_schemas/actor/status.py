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
    status: Literal["True", "False", "Unknown"]
    reason: Annotated[str, text(1024)] | None = None
    message: Annotated[str, text(1024)] | None = None
    observed_generation: int | None = None
    last_transition_time: Time | None = None


class TransportRef(Block):
    name: Annotated[str, text(63)] | None = None
    type: Annotated[str, text(63)] | None = None


class PreviousQueue(Block):
    transport: Annotated[str, text(63)] | None = None
    queue: Annotated[str, text(255)]


class WorkloadRef(Block):
    api_version: Annotated[str, text(317)] | None = None
    kind: Annotated[str, text(63)] | None = None
    name: Annotated[str, text(253)] | None = None


class ScaledObjectRef(Block):
    name: Annotated[str, text(253)] | None = None


class ActorStatus(Block):
    observed_generation: int | None = None
    status: StatusValue | None = None
    message: Annotated[str, text(1024)] | None = None
    conditions: Annotated[list[Condition], Field(max_length=32), ListMap(("type",))] | None = None
    ready_replicas: int | None = None
    pending_replicas: int | None = None
    failing_pods: int | None = None
    total_replicas: int | None = None
    desired_replicas: int | None = None
    last_scale_time: Time | None = None
    last_scale_direction: Literal["up", "down"] | None = None
    last_scale_formatted: Annotated[str, text(64)] | None = None
    short_since: Time | None = None
    scaling_mode: Literal["KEDA", "Manual"] | None = None
    transport_status: Literal["Ready", "NotReady"] | None = None
    transport: TransportRef | None = None
    queue: Annotated[str, text(255)] | None = None
    queue_url: Annotated[str, text(2048)] | None = None
    dead_letter_queue: Annotated[str, text(255)] | None = None
    queued_messages: int | None = None
    processing_messages: int | None = None
    previous_queues: Annotated[list[PreviousQueue], Field(max_length=4), ListMap(("queue",))] | None = None
    workload_ref: WorkloadRef | None = None
    scaled_object_ref: ScaledObjectRef | None = None
    suspended: bool | None = None
    last_handled_reconcile_at: Annotated[str, text(4096)] | None = None
