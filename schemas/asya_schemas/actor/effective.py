"""What an AsyncActor means where it says nothing: effective defaults, aliases (contract: crd, section 2, (e)).

Called by the controller's decisions and by the local mesh, with `spec` as Kubernetes' JSON, stored defaults filled in
or not. Without pydantic. Expects a spec that `validate` accepts; a null counts as absent, as it does for the API server.
"""

from collections.abc import Mapping
from typing import Any

from asya_schemas.actor.identity import HANDLER_VARIABLE, INTERPRETER_VARIABLE, RUNTIME_CONTAINER
from asya_schemas.actor.timespan import nanoseconds, whole_seconds

PROCESSING_DEFAULT_S = 300
GRACE_AFTER_PROCESSING_S = 30
INTERPRETER_DEFAULT = "python3"
KIND_DEFAULT = "Deployment"
REPLICAS_DEFAULT = 1
MIN_REPLICAS_DEFAULT = 0
MAX_REPLICAS_DEFAULT = 50
POLLING_INTERVAL_DEFAULT_S = 10
COOLDOWN_DEFAULT_S = 60
QUEUE_LENGTH_DEFAULT = 5
RETRY_POLICY_DEFAULTS: Mapping[str, Any] = {
    "maxAttempts": 3,
    "backoff": "exponential",
    "initialDelay": "1s",
    "maxInterval": "5m",
    "jitter": True,
    "onExhausted": [],
}

Spec = Mapping[str, Any]


def processing_s(spec: Spec) -> int:
    """Longest run of the handler for one envelope, whole seconds: `timeout.processing`, its alias, else 300."""
    alias = _block(spec, "resiliency").get("actorTimeout")
    return (
        _block(spec, "timeout").get("processing")
        or (whole_seconds(nanoseconds(alias)) if alias else 0)
        or PROCESSING_DEFAULT_S
    )


def grace_s(spec: Spec) -> int:
    """Termination grace of the pod, whole seconds."""
    pod = pod_spec(spec).get("terminationGracePeriodSeconds")
    return _block(spec, "timeout").get("gracefulShutdown") or (
        pod if isinstance(pod, int) else processing_s(spec) + GRACE_AFTER_PROCESSING_S
    )


def kind(spec: Spec) -> str:
    """`Deployment` or `StatefulSet`: `workload.kind`, its alias `workload.type`, else Deployment."""
    workload = _block(spec, "workload")
    return workload.get("kind") or workload.get("type") or KIND_DEFAULT


def replicas(spec: Spec) -> int:
    """Fixed number of pods; means something only while scaling is off."""
    return _or(_block(spec, "workload").get("replicas"), REPLICAS_DEFAULT)


def interpreter(spec: Spec) -> str:
    """What starts the runtime: the container's ASYA_PYTHONEXECUTABLE, else `workload.pythonExecutable`, else python3."""
    literal = (environment_entry(runtime_container(spec), INTERPRETER_VARIABLE) or {}).get("value")
    return literal or _block(spec, "workload").get("pythonExecutable") or INTERPRETER_DEFAULT


def scaling_enabled(spec: Spec) -> bool:
    return bool(_block(spec, "scaling").get("enabled"))


def min_replicas(spec: Spec) -> int:
    return _or(_block(spec, "scaling").get("minReplicas"), MIN_REPLICAS_DEFAULT)


def max_replicas(spec: Spec) -> int:
    return _or(_block(spec, "scaling").get("maxReplicas"), MAX_REPLICAS_DEFAULT)


def polling_interval_s(spec: Spec) -> int:
    return _or(_block(spec, "scaling").get("pollingInterval"), POLLING_INTERVAL_DEFAULT_S)


def cooldown_s(spec: Spec) -> int:
    """Idle time before the step from N to 0, whole seconds."""
    return _or(_block(spec, "scaling").get("cooldownPeriod"), COOLDOWN_DEFAULT_S)


def queue_length(spec: Spec) -> int:
    """Messages, waiting and in work, that one replica is meant to have."""
    return _or(_block(spec, "scaling").get("queueLength"), QUEUE_LENGTH_DEFAULT)


def policies(spec: Spec) -> dict[str, dict[str, Any]]:
    """Retry policies by name with their defaults filled in; empty when there are none. For ASYA_RESILIENCY_POLICIES."""
    given = _block(spec, "resiliency").get("policies") or {}
    return {name: {**RETRY_POLICY_DEFAULTS, **_without_nulls(policy or {})} for name, policy in given.items()}


def rules(spec: Spec) -> list[dict[str, Any]]:
    """Retry rules in order; empty when there are none. For ASYA_RESILIENCY_RULES."""
    return [dict(rule) for rule in _block(spec, "resiliency").get("rules") or []]


def handler(spec: Spec) -> str | None:
    """Literal value of ASYA_HANDLER; None when it comes from elsewhere (`valueFrom`)."""
    return (environment_entry(runtime_container(spec), HANDLER_VARIABLE) or {}).get("value")


def pod_template(spec: Spec) -> Mapping[str, Any]:
    return _block(_block(spec, "workload"), "template")


def pod_spec(spec: Spec) -> Mapping[str, Any]:
    return _block(pod_template(spec), "spec")


def runtime_container(spec: Spec) -> Mapping[str, Any]:
    """The container named asya-runtime; an empty mapping when there is none."""
    return next((c for c in pod_spec(spec).get("containers") or [] if c.get("name") == RUNTIME_CONTAINER), {})


def environment_entry(container: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """The container's environment entry of that name, in Kubernetes' form."""
    return next((entry for entry in container.get("env") or [] if entry.get("name") == name), None)


def _block(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return parent.get(name) or {}


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def _without_nulls(block: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in block.items() if value is not None}
