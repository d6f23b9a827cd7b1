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
    """Name of the variable."""
    value: Annotated[str, text(32768)] | None = None
    """Its value, as text."""
    value_from: AnyObject | None = None
    """Where the value comes from, in Kubernetes' form."""


class ResourceClaim(Block):
    name: Name
    """Name of a claim of the pod."""
    request: Annotated[str, text(63)] | None = None
    """Name of a request of that claim."""


class Resources(Block):
    limits: Annotated[dict[str, Quantity], Field(max_length=32)] | None = None
    """Upper bounds, as quantities."""
    requests: Annotated[dict[str, Quantity], Field(max_length=32)] | None = None
    """What the scheduler reserves, as quantities."""
    claims: Annotated[list[ResourceClaim], Field(max_length=32), ByName] | None = None
    """Claims for dynamic resources."""


class Sidecar(Block):
    """The injected container. Absent fields come from the operator's configuration."""

    image: Image | None = None
    """Image of the injected sidecar. Default: the operator's."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """When the sidecar's image is pulled."""
    resources: Resources | None = None
    """Replaces the operator's resources of the sidecar as a whole. Default: the operator's."""
    env: Annotated[list[EnvVar], Field(max_length=64), ByName] | None = None
    """Added to the sidecar; wins over an injected variable of the same meaning."""


class Timeout(Block):
    """Seconds; 0 counts as absent."""

    processing: Annotated[int, Field(ge=0, le=86400)] | None = None
    """Longest run of the handler for one envelope, in seconds; 0 counts as absent. Default: 300."""
    graceful_shutdown: Annotated[int, Field(ge=0, le=90000)] | None = None
    """Termination grace of the pod, in seconds; 0 counts as absent. Default: that of the pod template, else processing + 30."""


class Advanced(Block):
    """KEDA's scaling modifiers."""

    formula: Annotated[str, text(1024, 1)] | None = None
    """Scaling modifier of KEDA; the queue trigger is called queue. Needs a target."""
    target: Decimal | None = None
    """Composite target, a decimal number in quotes."""
    activation_target: Decimal | None = None
    """Composite activation value, a decimal number in quotes."""
    metric_type: Literal["AverageValue", "Value", "Utilization"] = "AverageValue"
    """Passed on; KEDA refuses Utilization for queue metrics."""
    restore_to_original_replica_count: bool = False
    """Passed on when true."""


class Scaling(Block):
    enabled: bool = False
    """KEDA scales the workload."""
    min_replicas: Annotated[int, Field(ge=0, le=1000)] = 0
    """0 allows scale to zero."""
    max_replicas: Annotated[int, Field(ge=1, le=1000)] = 50
    """Most replicas at any time."""
    polling_interval: Annotated[int, Field(ge=1, le=3600)] = 10
    """How often KEDA looks at the queue, in seconds."""
    cooldown_period: Annotated[int, Field(ge=0, le=86400)] = 60
    """Idle time before the step from N to 0, in seconds."""
    queue_length: Annotated[int, Field(ge=1, le=1_000_000)] = 5
    """Target number of messages, waiting and in work, per replica."""
    advanced: Advanced | None = None
    """Scaling modifiers of KEDA."""


class RetryPolicy(Block):
    """How one kind of failure is retried at this actor."""

    max_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    """Runs at this actor in total, the first one included."""
    backoff: Literal["constant", "linear", "exponential"] = "exponential"
    """How the wait grows: d, d x n, d x 2^(n-1), with d = initialDelay."""
    initial_delay: DurationOrZero = "1s"
    """First wait; 0s is allowed."""
    max_interval: Duration = "5m"
    """No wait is longer."""
    max_duration: Duration | None = None
    """No new run starts later than this after the first run at this actor. Default: no limit."""
    jitter: bool = True
    """Randomises the wait, never above maxInterval."""
    on_exhausted: Annotated[list[DnsLabel], Field(max_length=8)] = []  # noqa: RUF012 - pydantic copies defaults
    """Actors that replace what is left of the route; empty means x-sump."""


class RetryRule(Block):
    errors: Annotated[list[DottedName], Field(min_length=1, max_length=32)]
    """Exception classes: a name with a dot is compared whole, one without a dot with the last part; ancestors count."""
    policy: Annotated[str, text(63)]
    """Name of a policy."""


class Resiliency(Block):
    actor_timeout: Duration | None = None
    """Alias of timeout.processing; part seconds are rounded up."""
    policies: Annotated[dict[str, RetryPolicy], Field(max_length=16)] | None = None
    """Retry policies by name; default is used when no rule matches."""
    rules: Annotated[list[RetryRule], Field(max_length=64)] | None = None
    """First match wins."""


class VolumeMount(OpenBlock):
    name: Name
    """Name of a volume of the pod."""
    mount_path: Annotated[str, text(1024, 1)]
    """Where it is mounted. /var/run/asya, /run/asya and /opt/asya are reserved in asya-runtime."""


class Container(OpenBlock):
    """A container or init container: the fields that rules look at; the rest is Kubernetes'."""

    name: Name
    """Name of the container; exactly one is asya-runtime."""
    image: Image
    """Image of the container."""
    command: Annotated[list[Annotated[str, text(32768)]], Field(max_length=64)] | None = None
    """Entry point. Must be absent in asya-runtime: the controller sets it."""
    env: Annotated[list[EnvVar], Field(max_length=256), ByName] | None = None
    """Environment. asya-runtime needs ASYA_HANDLER."""
    volume_mounts: Annotated[list[VolumeMount], Field(max_length=64), ListMap(("mountPath",))] | None = None
    """Volumes that the container sees."""


class Volume(OpenBlock):
    name: Name
    """Name of the volume; socket-dir and asya-* are reserved."""


class PodMetadata(OpenBlock):
    labels: Annotated[dict[str, Annotated[str, text(63)]], Field(max_length=64)] | None = None
    """Labels of the pods."""
    annotations: Annotated[dict[str, Annotated[str, text(4096)]], Field(max_length=64)] | None = None
    """Annotations of the pods."""


class PodSpec(OpenBlock):
    containers: Annotated[list[Container], Field(min_length=1, max_length=32), ByName]
    """Containers of the pod, one of them asya-runtime; the sidecar is added."""
    init_containers: Annotated[list[Container], Field(max_length=32), ByName] | None = None
    """Containers that run before the others."""
    volumes: Annotated[list[Volume], Field(max_length=64), ByName] | None = None
    """Volumes of the pod."""


class PodTemplate(OpenBlock):
    metadata: PodMetadata | None = None
    """Labels and annotations of the pods."""
    spec: PodSpec
    """Pod spec, as in a Deployment."""


class Workload(Block):
    kind: WorkloadKind | None = None
    """Kind of the workload. Default: Deployment."""
    type: WorkloadKind | None = None
    """Deprecated alias of kind."""
    replicas: Annotated[int, Field(ge=0, le=1000)] | None = None
    """Number of pods, used only while scaling is off. Default: 1."""
    python_executable: Annotated[str, text(512)] | None = None
    """Interpreter that starts the runtime. Default: python3."""
    template: PodTemplate
    """Pod template: metadata and spec."""


class AsyncActorSpec(Block):
    transport: DnsLabel
    """Name of a transport in the operator's configuration (not its type)."""
    sidecar: Sidecar | None = None
    """The injected container."""
    timeout: Timeout | None = None
    """Time limits."""
    scaling: Scaling | None = None
    """Autoscaling by KEDA."""
    resiliency: Resiliency | None = None
    """What happens when the handler fails."""
    workload: Workload
    """The pods."""
