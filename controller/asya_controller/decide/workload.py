"""How does the user's pod template become the actor's pods?

The whole injection (contract: controller, The pod) and the Deployment or StatefulSet around it. Called by desired.py.
Must leave everything the author wrote as it is, apart from the fields the contract names.
"""

from collections.abc import Mapping
from typing import Any

from asya_controller.decide.config import OperatorConfig
from asya_controller.decide.normal import digest
from asya_controller.decide.sidecar import (
    SOCKET_FOLDER,
    credential_files,
    is_end_actor,
    max_message_bytes,
    sidecar_container,
)
from asya_controller.decide.transports import Transport
from asya_schemas.actor import effective

TEMPLATE_HASH = "asya.sh/template-hash"
RUNTIME = "asya-runtime"
RUNTIME_FILE = "/opt/asya/asya_runtime.py"
READABLE_BY_ALL = 0o444
PROGRESS_DEADLINE_S = 600
PROGRESS_ALLOWANCE_S = 300
_PROBE_COMMAND = f"test -S {SOCKET_FOLDER}/asya-runtime.sock && test -f {SOCKET_FOLDER}/runtime-ready"


def plain(value: Any) -> Any:
    """A copy made of dicts and lists only, so that nothing rendered shares structure with what was read."""
    kind = type(value)
    if kind is str or kind is int or kind is bool:  # nearly all there is; the abstract types cost ten times as much
        return value
    if kind is dict or isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def pod_template(
    actor: Mapping[str, Any], transport: Transport, config: OperatorConfig, queue_url: str | None
) -> dict[str, Any]:
    """The rendered pod template, with its hash."""
    spec, name = actor["spec"], actor["metadata"]["name"]
    given = plain(spec["workload"]["template"])
    metadata = dict(given.get("metadata") or {})
    metadata["labels"] = {**propagated(actor, config), **(metadata.get("labels") or {}), **pod_labels(name, spec)}
    pod = injected_pod(given["spec"], actor, transport, config, queue_url)
    template = {**given, "metadata": metadata, "spec": pod}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), TEMPLATE_HASH: digest(template)}
    return template


def propagated(actor: Mapping[str, Any], config: OperatorConfig) -> dict[str, str]:
    """The labels that go from the AsyncActor to its children and pods."""
    labels = actor["metadata"].get("labels") or {}
    return {key: str(labels[key]) for key in config.propagate_labels if key in labels}


def pod_labels(name: str, spec: Mapping[str, Any]) -> dict[str, str]:
    """Labels by which pods are found; `asya.sh/asya` for users of the older vocabulary."""
    return {"asya.sh/actor": name, "asya.sh/asya": name, "asya.sh/workload": effective.kind(spec).lower()}


def injected_pod(
    pod: dict[str, Any], actor: Mapping[str, Any], transport: Transport, config: OperatorConfig, queue_url: str | None
) -> dict[str, Any]:
    """The pod spec with our volumes, the runtime container completed and the sidecar last."""
    containers = [
        runtime_container(item, actor, transport, config) if item.get("name") == RUNTIME else item
        for item in pod["containers"]
    ]
    result = {"automountServiceAccountToken": False, "enableServiceLinks": False} | {
        key: value for key, value in pod.items() if value is not None
    }
    result["terminationGracePeriodSeconds"] = effective.grace_s(actor["spec"])
    if role_arn(transport):
        result["serviceAccountName"] = f"asya-{actor['metadata']['name']}"
    result["volumes"] = [*(pod.get("volumes") or ()), *our_volumes(transport, config)]
    result["containers"] = [*containers, plain(sidecar_container(actor, transport, config, queue_url))]
    return result


def role_arn(transport: Transport) -> str | None:
    """The role that a ServiceAccount of the actor's own is bound to (sqs)."""
    return getattr(transport.config, "actor_role_arn", None)


def our_volumes(transport: Transport, config: OperatorConfig) -> list[dict[str, Any]]:
    """Socket folder, runtime script, scratch space and, if there are any, credentials."""
    script = {"name": config.runtime_config_map, "defaultMode": READABLE_BY_ALL}
    volumes: list[dict[str, Any]] = [
        {"name": "socket-dir", "emptyDir": {}},
        {"name": "asya-runtime", "configMap": script},
        {"name": "asya-tmp", "emptyDir": {}},
    ]
    sources = [
        {"secret": {"name": ref.name, "items": [{"key": ref.key, "path": path}]}}
        for ref, path in credential_files(transport, config)
    ]
    if sources:
        projected = {"sources": sources, "defaultMode": READABLE_BY_ALL}
        volumes.append({"name": "asya-credentials", "projected": projected})
    return volumes


def runtime_container(
    container: dict[str, Any], actor: Mapping[str, Any], transport: Transport, config: OperatorConfig
) -> dict[str, Any]:
    """The author's container with command, socket, script, variables and the probes that were left out."""
    mounts = [
        {"name": "socket-dir", "mountPath": SOCKET_FOLDER},
        {"name": "asya-runtime", "mountPath": RUNTIME_FILE, "subPath": "asya_runtime.py", "readOnly": True},
    ]
    return {
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "startupProbe": probe(delay_s=3, period_s=2, timeout_s=3, failures=150),
        "livenessProbe": probe(delay_s=0, period_s=30, timeout_s=5, failures=3),
        "readinessProbe": probe(delay_s=0, period_s=10, timeout_s=3, failures=3),
        **{key: value for key, value in container.items() if value not in (None, "")},
        "command": [effective.interpreter(actor["spec"]), RUNTIME_FILE],
        "env": runtime_env(container, actor, transport, config),
        "volumeMounts": [*(container.get("volumeMounts") or ()), *mounts],
    }


def runtime_env(
    container: Mapping[str, Any], actor: Mapping[str, Any], transport: Transport, config: OperatorConfig
) -> list[dict[str, Any]]:
    """The author's variables; the socket's folder replaces theirs, the rest is only added. No name occurs twice."""
    given = {entry["name"]: entry for entry in container.get("env") or ()}
    added = {
        "ASYA_ACTOR_NAME": actor["metadata"]["name"],
        "ASYA_MAX_MESSAGE_BYTES": str(max_message_bytes(transport, config)),
    }
    if is_end_actor(actor["metadata"]["name"], actor["spec"], config):
        added["ASYA_ENABLE_VALIDATION"] = "false"
    given["ASYA_SOCKET_DIR"] = {"name": "ASYA_SOCKET_DIR", "value": SOCKET_FOLDER}
    return [*given.values(), *({"name": name, "value": value} for name, value in added.items() if name not in given)]


def probe(delay_s: int, period_s: int, timeout_s: int, failures: int) -> dict[str, Any]:
    """A probe that asks for socket and ready file. A delay of 0 is the default and left out: the server drops it."""
    timing = {"periodSeconds": period_s, "timeoutSeconds": timeout_s, "failureThreshold": failures}
    delay = {"initialDelaySeconds": delay_s} if delay_s else {}
    return {"exec": {"command": ["sh", "-c", _PROBE_COMMAND]}, **delay, **timing}


def startup_budget_s(spec: Mapping[str, Any]) -> int:
    """How long the author's own startup probe lets the runtime load; 0 when there is none."""
    own = effective.runtime_container(spec).get("startupProbe")
    if not isinstance(own, Mapping):
        return 0
    delay, period, failures = (
        number(own.get(key), default)
        for key, default in (("initialDelaySeconds", 0), ("periodSeconds", 10), ("failureThreshold", 3))
    )
    return delay + period * failures


def number(value: Any, default: int) -> int:
    """An integer field of an object that nobody may have checked."""
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def workload(
    actor: Mapping[str, Any], metadata: dict[str, Any], transport: Transport, config: OperatorConfig, url: str | None
) -> dict[str, Any]:
    """The Deployment or StatefulSet; `spec.replicas` only while scaling is off."""
    spec, name, kind = actor["spec"], actor["metadata"]["name"], effective.kind(actor["spec"])
    labels = pod_labels(name, spec)
    body: dict[str, Any] = {
        "selector": {"matchLabels": {key: labels[key] for key in ("asya.sh/actor", "asya.sh/workload")}},
        "template": pod_template(actor, transport, config, url),
    }
    if not effective.scaling_enabled(spec):
        body["replicas"] = effective.replicas(spec)
    if kind == "StatefulSet":
        body |= {"serviceName": name, "podManagementPolicy": "Parallel"}
    else:
        deadline = max(PROGRESS_DEADLINE_S, startup_budget_s(spec) + PROGRESS_ALLOWANCE_S)
        body["progressDeadlineSeconds"] = deadline
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": body}
