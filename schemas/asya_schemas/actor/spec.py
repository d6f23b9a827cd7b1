"""`spec` of an AsyncActor as models: fields, stored defaults, ranges, patterns (contract: crd, sections 2 and 4).

Called by whoever wants typed access, and by `structural`, which makes the schema of the resource from it.
Rules between fields are in `rules`; defaults that are not stored are in `effective`.
"""

from typing import Annotated, Literal

from pydantic import Field

from asya_schemas.actor.shapes import (
    AnyObject,
    Block,
    Decimal,
    DnsLabel,
    DottedName,
    Duration,
    DurationOrZero,
    Image,
    ListMap,
    Name,
    OpenBlock,
    Quantity,
    text,
)

WorkloadKind = Literal["Deployment", "StatefulSet"]
ByName = ListMap(("name",))


class EnvVar(Block):
    """One environment variable; `valueFrom` is passed on as it is."""

    name: Annotated[str, text(256, 1)]
    value: Annotated[str, text(32768)] | None = None
    value_from: AnyObject | None = None


class ResourceClaim(Block):
    name: Name
    request: Annotated[str, text(63)] | None = None


class Resources(Block):
    limits: Annotated[dict[str, Quantity], Field(max_length=32)] | None = None
    requests: Annotated[dict[str, Quantity], Field(max_length=32)] | None = None
    claims: Annotated[list[ResourceClaim], Field(max_length=32), ByName] | None = None


class Sidecar(Block):
    """The injected container. Absent fields come from the operator's configuration."""

    image: Image | None = None
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    resources: Resources | None = None
    env: Annotated[list[EnvVar], Field(max_length=64), ByName] | None = None


class Timeout(Block):
    """Seconds; 0 counts as absent."""

    processing: Annotated[int, Field(ge=0, le=86400)] | None = None
    graceful_shutdown: Annotated[int, Field(ge=0, le=90000)] | None = None


class Advanced(Block):
    """KEDA's scaling modifiers."""

    formula: Annotated[str, text(1024, 1)] | None = None
    target: Decimal | None = None
    activation_target: Decimal | None = None
    metric_type: Literal["AverageValue", "Value", "Utilization"] = "AverageValue"
    restore_to_original_replica_count: bool = False


class Scaling(Block):
    enabled: bool = False
    min_replicas: Annotated[int, Field(ge=0, le=1000)] = 0
    max_replicas: Annotated[int, Field(ge=1, le=1000)] = 50
    polling_interval: Annotated[int, Field(ge=1, le=3600)] = 10
    cooldown_period: Annotated[int, Field(ge=0, le=86400)] = 60
    queue_length: Annotated[int, Field(ge=1, le=1_000_000)] = 5
    advanced: Advanced | None = None


class RetryPolicy(Block):
    """How one kind of failure is retried at this actor."""

    max_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    backoff: Literal["constant", "linear", "exponential"] = "exponential"
    initial_delay: DurationOrZero = "1s"
    max_interval: Duration = "5m"
    max_duration: Duration | None = None
    jitter: bool = True
    on_exhausted: Annotated[list[DnsLabel], Field(max_length=8)] = []  # noqa: RUF012 - pydantic copies defaults


class RetryRule(Block):
    errors: Annotated[list[DottedName], Field(min_length=1, max_length=32)]
    policy: Annotated[str, text(63)]


class Resiliency(Block):
    actor_timeout: Duration | None = None
    policies: Annotated[dict[str, RetryPolicy], Field(max_length=16)] | None = None
    rules: Annotated[list[RetryRule], Field(max_length=64)] | None = None


class VolumeMount(OpenBlock):
    name: Name
    mount_path: Annotated[str, text(1024, 1)]


class Container(OpenBlock):
    """A container or init container: the fields that rules look at; the rest is Kubernetes'."""

    name: Name
    image: Image
    command: Annotated[list[Annotated[str, text(32768)]], Field(max_length=64)] | None = None
    env: Annotated[list[EnvVar], Field(max_length=256), ByName] | None = None
    volume_mounts: Annotated[list[VolumeMount], Field(max_length=64), ListMap(("mountPath",))] | None = None


class Volume(OpenBlock):
    name: Name


class PodMetadata(OpenBlock):
    labels: Annotated[dict[str, Annotated[str, text(63)]], Field(max_length=64)] | None = None
    annotations: Annotated[dict[str, Annotated[str, text(4096)]], Field(max_length=64)] | None = None


class PodSpec(OpenBlock):
    containers: Annotated[list[Container], Field(min_length=1, max_length=32), ByName]
    init_containers: Annotated[list[Container], Field(max_length=32), ByName] | None = None
    volumes: Annotated[list[Volume], Field(max_length=64), ByName] | None = None


class PodTemplate(OpenBlock):
    metadata: PodMetadata | None = None
    spec: PodSpec


class Workload(Block):
    kind: WorkloadKind | None = None
    type: Annotated[WorkloadKind | None, Field(description="Deprecated alias of kind.")] = None
    replicas: Annotated[int, Field(ge=0, le=1000)] | None = None
    python_executable: Annotated[str, text(512)] | None = None
    template: PodTemplate


class AsyncActorSpec(Block):
    transport: DnsLabel
    sidecar: Sidecar | None = None
    timeout: Timeout | None = None
    scaling: Scaling | None = None
    resiliency: Resiliency | None = None
    workload: Workload
