"""Where is a rule broken? V1-V18 as pure functions (contract: crd, section 3), and what the controller adds to them.

Called through the table in `rules`, which holds the messages. Without pydantic. A function takes the whole document in
Kubernetes' form, with or without stored defaults, and returns the path of the field to change, or None. It never fails on a
malformed document: what has the wrong type is somebody else's mistake and counts as absent, as a null does.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from asya_schemas.actor.effective import MAX_REPLICAS_DEFAULT, MIN_REPLICAS_DEFAULT
from asya_schemas.actor.identity import HANDLER_VARIABLE, INTERPRETER_VARIABLE, RUNTIME_CONTAINER, SIDECAR_CONTAINER
from asya_schemas.actor.paths import CONTAINERS, POD, POD_METADATA, WORKLOAD, Path
from asya_schemas.actor.patterns import DNS_LABEL_PATTERN, DURATION_PATTERN, POLICY_NAME_PATTERN
from asya_schemas.actor.timespan import nanoseconds, whole_seconds

Document = Mapping[str, Any]

NAME_LIMIT = 63
# KEDA calls its autoscaler keda-hpa-<name>, and that must be a DNS label too.
SCALED_NAME_LIMIT = 54
# The revision label is <name>-<hash of up to 10 characters>.
STATEFUL_SET_NAME_LIMIT = 52
RESERVED_SIDECAR_VARIABLES = (
    "ASYA_ACTOR_NAME",
    "ASYA_NAMESPACE",
    "ASYA_TRANSPORT",
    "ASYA_QUEUE_NAME",
    "ASYA_QUEUE_NAME_TEMPLATE",
    "ASYA_SOCKET_DIR",
    "ASYA_SOCKETS_DIR",
    "ASYA_SOCKET_NAME",
)
SOCKET_VARIABLES = {
    "ASYA_SOCKET_DIR": "/var/run/asya",
    "ASYA_SOCKETS_DIR": "/var/run/asya",
    "ASYA_SOCKET_NAME": "asya-runtime.sock",
}
RESERVED_FOLDERS = ("/var/run/asya", "/run/asya", "/opt/asya")
RESERVED_LABELS = ("asya.sh/actor", "asya.sh/asya", "asya.sh/workload")


# --- reading a document that may be malformed -------------------------------------------------------------------------


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _at(document: Document, path: Path) -> Mapping[str, Any]:
    """The object at that path; an empty one where there is none."""
    node: Any = document
    for name in path:
        node = _map(node).get(str(name))
    return _map(node)


def _items(parent: Mapping[str, Any], name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The objects of a list, with their index."""
    found = parent.get(name)
    return ((i, _map(item)) for i, item in enumerate(found if isinstance(found, list) else []))


def _runtime(document: Document) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Every container named asya-runtime, with its path."""
    containers = _items(_at(document, POD), "containers")
    return (((*CONTAINERS, i), c) for i, c in containers if c.get("name") == RUNTIME_CONTAINER)


def _name(document: Document) -> str:
    name = _at(document, ("metadata",)).get("name")
    return name if isinstance(name, str) else ""


def _first(paths: Iterator[Path]) -> Path | None:
    return next(paths, None)


# --- the functions ----------------------------------------------------------------------------------------------------


def v1(document: Document) -> Path | None:
    name = _name(document)
    fits = len(name) <= NAME_LIMIT and re.fullmatch(DNS_LABEL_PATTERN, name)
    return None if fits else ("metadata", "name")


def v2(document: Document) -> Path | None:
    scaling_on = _at(document, ("spec", "scaling")).get("enabled") is True
    return ("metadata", "name") if scaling_on and len(_name(document)) > SCALED_NAME_LIMIT else None


def v3(document: Document) -> Path | None:
    workload = _at(document, WORKLOAD)
    stateful = "StatefulSet" in (workload.get("kind"), workload.get("type"))
    return ("metadata", "name") if stateful and len(_name(document)) > STATEFUL_SET_NAME_LIMIT else None


def v4(document: Document) -> Path | None:
    return None if len(list(_runtime(document))) == 1 else CONTAINERS


def v5(document: Document) -> Path | None:
    return _first((*path, "command") for path, container in _runtime(document) if container.get("command"))


def v6(document: Document) -> Path | None:
    reserved = {"containers": (SIDECAR_CONTAINER,), "initContainers": (SIDECAR_CONTAINER, RUNTIME_CONTAINER)}
    pod = _at(document, POD)
    return _first(
        (*POD, field, i, "name")
        for field, names in reserved.items()
        for i, container in _items(pod, field)
        if container.get("name") in names
    )


def v7(document: Document) -> Path | None:
    def is_handler(entry: Mapping[str, Any]) -> bool:
        has_value = bool(entry.get("value")) or entry.get("valueFrom") is not None
        return entry.get("name") == HANDLER_VARIABLE and has_value

    return _first(
        (*path, "env")
        for path, container in _runtime(document)
        if not any(is_handler(e) for _, e in _items(container, "env"))
    )


def v8(document: Document) -> Path | None:
    workload = _at(document, WORKLOAD)
    kind, alias = workload.get("kind"), workload.get("type")
    return (*WORKLOAD, "type") if None not in (kind, alias) and kind != alias else None


def v9(document: Document) -> Path | None:
    scaling = _at(document, ("spec", "scaling"))
    lowest, highest = scaling.get("minReplicas"), scaling.get("maxReplicas")
    lowest = MIN_REPLICAS_DEFAULT if lowest is None else lowest
    highest = MAX_REPLICAS_DEFAULT if highest is None else highest
    comparable = isinstance(lowest, int) and isinstance(highest, int)
    return ("spec", "scaling", "minReplicas") if comparable and lowest > highest else None


def v10(document: Document) -> Path | None:
    advanced = _at(document, ("spec", "scaling", "advanced"))
    lacks_target = advanced.get("formula") is not None and advanced.get("target") is None
    return ("spec", "scaling", "advanced", "formula") if lacks_target else None


def v11(document: Document) -> Path | None:
    processing = _at(document, ("spec", "timeout")).get("processing")
    alias = _at(document, ("spec", "resiliency")).get("actorTimeout")
    if not isinstance(processing, int) or processing == 0 or not isinstance(alias, str):
        return None
    if not re.fullmatch(DURATION_PATTERN, alias) or whole_seconds(nanoseconds(alias)) == processing:
        return None
    return ("spec", "resiliency", "actorTimeout")


def v12(document: Document) -> Path | None:
    env = _items(_at(document, ("spec", "sidecar")), "env")
    return _first(("spec", "sidecar", "env", i, "name") for i, e in env if e.get("name") in RESERVED_SIDECAR_VARIABLES)


def v13(document: Document) -> Path | None:
    def moves(entry: Mapping[str, Any]) -> bool:
        fixed = SOCKET_VARIABLES.get(str(entry.get("name")))
        return fixed is not None and (entry.get("value") != fixed or entry.get("valueFrom") is not None)

    return _first(
        (*path, "env", i) for path, container in _runtime(document) for i, e in _items(container, "env") if moves(e)
    )


def v14(document: Document) -> Path | None:
    volumes = _items(_at(document, POD), "volumes")
    return _first(
        (*POD, "volumes", i, "name")
        for i, volume in volumes
        if volume.get("name") == "socket-dir" or str(volume.get("name")).startswith("asya-")
    )


def v15(document: Document) -> Path | None:
    """As written, like the API server, and as the path reads once `//`, `.` and `..` are resolved."""

    def reserved(path: Any) -> bool:
        texts = (path, _normal(path)) if isinstance(path, str) else ()
        return any(text == folder or text.startswith(f"{folder}/") for text in texts for folder in RESERVED_FOLDERS)

    return _first(
        (*path, "volumeMounts", i, "mountPath")
        for path, container in _runtime(document)
        for i, mount in _items(container, "volumeMounts")
        if reserved(mount.get("mountPath"))
    )


def _normal(path: str) -> str:
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def v16(document: Document) -> Path | None:
    labels = _at(document, (*POD_METADATA, "labels"))
    return _first((*POD_METADATA, "labels", label) for label in RESERVED_LABELS if labels.get(label) is not None)


def v17(document: Document) -> Path | None:
    resiliency = _at(document, ("spec", "resiliency"))
    policies = _map(resiliency.get("policies"))
    return _first(
        ("spec", "resiliency", "rules", i, "policy")
        for i, rule in _items(resiliency, "rules")
        if isinstance(rule.get("policy"), str) and policies.get(rule["policy"]) is None
    )


def v18(document: Document) -> Path | None:
    policies = _at(document, ("spec", "resiliency", "policies"))
    return _first(
        ("spec", "resiliency", "policies", name)
        for name in policies
        if not re.fullmatch(POLICY_NAME_PATTERN, str(name))
    )


def literal_interpreter(document: Document) -> Path | None:
    """The controller must know the interpreter when it writes the command (contract: controller, section 12)."""
    return _first(
        (*path, "env", i)
        for path, container in _runtime(document)
        for i, entry in _items(container, "env")
        if entry.get("name") == INTERPRETER_VARIABLE and entry.get("valueFrom") is not None
    )
