"""Rules V1-V18 between fields, each as CEL for the API server and as a pure function with the same message.

Called by `structural` (CEL), `validate` and the controller (functions). Source: contract: crd, section 3. Without pydantic.
A function takes the whole document in Kubernetes' form, with or without stored defaults, and returns where the rule is
broken, or None. It never fails on a malformed document: what has the wrong type is somebody else's mistake and counts
as absent, as a null does.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from asya_schemas.actor.effective import MAX_REPLICAS_DEFAULT, MIN_REPLICAS_DEFAULT
from asya_schemas.actor.identity import HANDLER_VARIABLE, INTERPRETER_VARIABLE, RUNTIME_CONTAINER, SIDECAR_CONTAINER
from asya_schemas.actor.patterns import DNS_LABEL_PATTERN, DURATION_PATTERN, POLICY_NAME_PATTERN
from asya_schemas.actor.timespan import nanoseconds, whole_seconds

Path = tuple[str | int, ...]
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

_ROOT: Path = ()
_SPEC: Path = ("spec",)
_WORKLOAD: Path = ("spec", "workload")
_METADATA: Path = ("spec", "workload", "template", "metadata")
_POD: Path = ("spec", "workload", "template", "spec")
_CONTAINERS: Path = (*_POD, "containers")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        at: the schema node that carries the CEL expression.
        cel: None where only the controller checks.
        broken: document -> path of the field to change, or None.
        old_self: the expression looks at the old object too and lets an object pass that broke the rule before.
    """

    id: str
    message: str
    at: Path
    cel: str | None
    broken: Callable[[Document], Path | None]
    old_self: bool = False


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
    containers = _items(_at(document, _POD), "containers")
    return (((*_CONTAINERS, i), c) for i, c in containers if c.get("name") == RUNTIME_CONTAINER)


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
    workload = _at(document, _WORKLOAD)
    stateful = "StatefulSet" in (workload.get("kind"), workload.get("type"))
    return ("metadata", "name") if stateful and len(_name(document)) > STATEFUL_SET_NAME_LIMIT else None


def v4(document: Document) -> Path | None:
    return None if len(list(_runtime(document))) == 1 else _CONTAINERS


def v5(document: Document) -> Path | None:
    return _first((*path, "command") for path, container in _runtime(document) if container.get("command"))


def v6(document: Document) -> Path | None:
    reserved = {"containers": (SIDECAR_CONTAINER,), "initContainers": (SIDECAR_CONTAINER, RUNTIME_CONTAINER)}
    pod = _at(document, _POD)
    return _first(
        (*_POD, field, i, "name")
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
    workload = _at(document, _WORKLOAD)
    kind, alias = workload.get("kind"), workload.get("type")
    return (*_WORKLOAD, "type") if None not in (kind, alias) and kind != alias else None


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
    volumes = _items(_at(document, _POD), "volumes")
    return _first(
        (*_POD, "volumes", i, "name")
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
    labels = _at(document, (*_METADATA, "labels"))
    return _first((*_METADATA, "labels", label) for label in RESERVED_LABELS if labels.get(label) is not None)


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


# --- the table --------------------------------------------------------------------------------------------------------

_STATEFUL = "((has({0}.kind) && {0}.kind == 'StatefulSet') || (has({0}.type) && {0}.type == 'StatefulSet'))"
_OF_RUNTIME = f"self.containers.all(c, c.name != '{RUNTIME_CONTAINER}' || "
_RESERVED_MOUNTS = " && ".join(
    [f"m.mountPath != '{folder}'" for folder in RESERVED_FOLDERS]
    + [f"!m.mountPath.startsWith('{folder}/')" for folder in RESERVED_FOLDERS]
)
_RESERVED_NAMES = ",".join(f"'{name}'" for name in RESERVED_SIDECAR_VARIABLES)
_RESERVED_LABELS = " || ".join(f"'{label}' in self.labels" for label in RESERVED_LABELS)
_DURATION = DURATION_PATTERN.replace("\\", "\\\\")

RULES: tuple[Rule, ...] = (
    Rule(
        "V1",
        "metadata.name must be a DNS label of at most 63 characters (a-z, 0-9, '-')",
        _ROOT,
        f"oldSelf.hasValue() || (self.metadata.name.size() <= {NAME_LIMIT} && self.metadata.name.matches('{DNS_LABEL_PATTERN}'))",
        v1,
        old_self=True,
    ),
    Rule(
        "V2",
        "with scaling.enabled metadata.name must have at most 54 characters, so that keda-hpa-<name> fits",
        _ROOT,
        "(oldSelf.hasValue() && has(oldSelf.value().spec.scaling) && oldSelf.value().spec.scaling.enabled)"
        f" || !has(self.spec.scaling) || !self.spec.scaling.enabled || self.metadata.name.size() <= {SCALED_NAME_LIMIT}",
        v2,
        old_self=True,
    ),
    Rule(
        "V3",
        "with workload.kind StatefulSet metadata.name must have at most 52 characters, so that the revision label fits",
        _ROOT,
        f"(oldSelf.hasValue() && {_STATEFUL.format('oldSelf.value().spec.workload')})"
        f" || !{_STATEFUL.format('self.spec.workload')} || self.metadata.name.size() <= {STATEFUL_SET_NAME_LIMIT}",
        v3,
        old_self=True,
    ),
    Rule(
        "V4",
        "exactly one container must be named asya-runtime",
        _POD,
        f"self.containers.exists_one(c, c.name == '{RUNTIME_CONTAINER}')",
        v4,
    ),
    Rule(
        "V5",
        "container asya-runtime must not set command: the controller sets it",
        _POD,
        f"{_OF_RUNTIME}!has(c.command) || c.command.size() == 0)",
        v5,
    ),
    Rule(
        "V6",
        "container name asya-sidecar is reserved, and asya-runtime cannot be an init container",
        _POD,
        f"self.containers.all(c, c.name != '{SIDECAR_CONTAINER}') && (!has(self.initContainers)"
        f" || self.initContainers.all(c, c.name != '{SIDECAR_CONTAINER}' && c.name != '{RUNTIME_CONTAINER}'))",
        v6,
    ),
    Rule(
        "V7",
        "container asya-runtime must set the environment variable ASYA_HANDLER",
        _POD,
        f"{_OF_RUNTIME}(has(c.env) && c.env.exists(e, e.name == '{HANDLER_VARIABLE}'"
        " && (has(e.valueFrom) || (has(e.value) && e.value != '')))))",
        v7,
    ),
    Rule(
        "V8",
        "workload.type is a deprecated alias of workload.kind: they must be equal when both are set",
        _WORKLOAD,
        "!has(self.kind) || !has(self.type) || self.kind == self.type",
        v8,
    ),
    Rule(
        "V9",
        "scaling.minReplicas must not be greater than scaling.maxReplicas",
        ("spec", "scaling"),
        "self.minReplicas <= self.maxReplicas",
        v9,
    ),
    Rule(
        "V10",
        "scaling.advanced.formula requires scaling.advanced.target",
        ("spec", "scaling", "advanced"),
        "!has(self.formula) || has(self.target)",
        v10,
    ),
    Rule(
        "V11",
        "timeout.processing and resiliency.actorTimeout are one setting: they must be equal when both are set",
        _SPEC,
        "!has(self.timeout) || !has(self.timeout.processing) || self.timeout.processing == 0"
        " || !has(self.resiliency) || !has(self.resiliency.actorTimeout)"
        f" || !self.resiliency.actorTimeout.matches('{_DURATION}')"
        # The number becomes no text and the text no number but through duration(): string() is far over the cost budget.
        " || (duration(self.resiliency.actorTimeout) + duration('999999999ns')).getSeconds() == self.timeout.processing",
        v11,
    ),
    Rule(
        "V12",
        "sidecar.env must not set a variable that the controller sets: actor name, namespace, transport, queue or socket",
        ("spec", "sidecar"),
        f"!has(self.env) || self.env.all(e, !(e.name in [{_RESERVED_NAMES}]))",
        v12,
    ),
    Rule(
        "V13",
        "container asya-runtime must not move the socket: ASYA_SOCKET_DIR, ASYA_SOCKETS_DIR and ASYA_SOCKET_NAME"
        " are set by the controller",
        _POD,
        f"{_OF_RUNTIME}!has(c.env) || c.env.all(e, e.name == 'ASYA_SOCKET_DIR' || e.name == 'ASYA_SOCKETS_DIR'"
        " ? (has(e.value) && e.value == '/var/run/asya' && !has(e.valueFrom))"
        " : (e.name == 'ASYA_SOCKET_NAME'"
        " ? (has(e.value) && e.value == 'asya-runtime.sock' && !has(e.valueFrom)) : true)))",
        v13,
    ),
    Rule(
        "V14",
        "volume names socket-dir and asya-* are reserved",
        _POD,
        "!has(self.volumes) || self.volumes.all(v, v.name != 'socket-dir' && !v.name.startsWith('asya-'))",
        v14,
    ),
    Rule(
        "V15",
        "mount paths at or below /var/run/asya and /opt/asya are reserved in container asya-runtime",
        _POD,
        f"{_OF_RUNTIME}!has(c.volumeMounts) || c.volumeMounts.all(m, {_RESERVED_MOUNTS}))",
        v15,
    ),
    Rule(
        "V16",
        "pod labels asya.sh/actor, asya.sh/asya and asya.sh/workload are set by the controller",
        _METADATA,
        f"!has(self.labels) || !({_RESERVED_LABELS})",
        v16,
    ),
    Rule(
        "V17",
        "every resiliency rule must name a policy of resiliency.policies",
        ("spec", "resiliency"),
        "!has(self.rules) || self.rules.all(r, has(self.policies) && r.policy in self.policies)",
        v17,
    ),
    Rule(
        "V18",
        "policy names use letters, digits, '-' and '_'",
        ("spec", "resiliency"),
        f"!has(self.policies) || self.policies.all(k, k.matches('{POLICY_NAME_PATTERN}'))",
        v18,
    ),
)

# Refused by the controller alone: the API server would let it pass.
CONTROLLER_RULES: tuple[Rule, ...] = (
    Rule("literal-interpreter", "ASYA_PYTHONEXECUTABLE must be a literal value", _POD, None, literal_interpreter),
)
