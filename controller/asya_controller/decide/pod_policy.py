"""Does this pod template use a field that the operator denies?

Called by check.py (contract: crd, Pod template policy). Creating an AsyncActor creates pods, so this is a fence; it must look at every
container list and must not trust that the template is well formed beyond what validation accepted.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from asya_controller.decide.config import PodPolicy

HARMLESS_CAPABILITY = "NET_BIND_SERVICE"
_CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")

Pod = Mapping[str, Any]


def policy_violation(pod: Pod, policy: PodPolicy) -> tuple[str, str] | None:
    """Path below the pod's spec and rule of the first denied field, None when the template is allowed."""
    for rule, find in RULES.items():
        if rule in policy.deny and (path := next(find(pod), None)):
            return path, rule
    if policy.allow_pod_fields is not None:
        for key, value in pod.items():
            if key not in policy.allow_pod_fields and value is not None:
                return key, "allowPodFields"
    return None


def fields_set(*names: str) -> Callable[[Pod], Iterator[str]]:
    """A rule against pod fields that are there at all; an empty or false value is as good as none."""
    return lambda pod: (name for name in names if pod.get(name))


def block(value: Any, key: str) -> Mapping[str, Any]:
    """The object under `key`; the template is open, so anything may stand there."""
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def items(value: Any, key: str) -> list[Any]:
    """The list under `key`, empty when there is none."""
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, list) else []


def containers(pod: Pod) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every container of the pod with its path."""
    for key in _CONTAINER_LISTS:
        for index, item in enumerate(items(pod, key)):
            if isinstance(item, Mapping):
                yield f"{key}[{index}]", item


def host_path(pod: Pod) -> Iterator[str]:
    """Volumes of the node's own folders."""
    for index, volume in enumerate(items(pod, "volumes")):
        if isinstance(volume, Mapping) and volume.get("hostPath") is not None:
            yield f"volumes[{index}].hostPath"


def host_ports(pod: Pod) -> Iterator[str]:
    """Ports opened on the node."""
    for path, container in containers(pod):
        for index, port in enumerate(items(container, "ports")):
            if isinstance(port, Mapping) and port.get("hostPort"):
                yield f"{path}.ports[{index}].hostPort"


def privileged(pod: Pod) -> Iterator[str]:
    """Containers that are root on the node."""
    for path, container in containers(pod):
        if block(container, "securityContext").get("privileged"):
            yield f"{path}.securityContext.privileged"


def added_capabilities(pod: Pod) -> Iterator[str]:
    """Capabilities beyond binding a low port."""
    for path, container in containers(pod):
        added = block(block(container, "securityContext"), "capabilities")
        for index, name in enumerate(items(added, "add")):
            if name != HARMLESS_CAPABILITY:
                yield f"{path}.securityContext.capabilities.add[{index}]"


def projected_tokens(pod: Pod) -> Iterator[str]:
    """Tokens that speak to the API server."""
    for index, volume in enumerate(items(pod, "volumes")):
        for place, source in enumerate(items(block(volume, "projected"), "sources")):
            if isinstance(source, Mapping) and source.get("serviceAccountToken") is not None:
                yield f"volumes[{index}].projected.sources[{place}].serviceAccountToken"


RULES: Mapping[str, Callable[[Pod], Iterator[str]]] = {
    "hostNamespaces": fields_set("hostNetwork", "hostPID", "hostIPC"),
    "hostPath": host_path,
    "hostPorts": host_ports,
    "privileged": privileged,
    "addedCapabilities": added_capabilities,
    "shareProcessNamespace": fields_set("shareProcessNamespace"),
    "nodeName": fields_set("nodeName"),
    "ephemeralContainers": fields_set("ephemeralContainers"),
    "serviceAccountName": fields_set("serviceAccountName", "serviceAccount"),
    "projectedTokens": projected_tokens,
}
