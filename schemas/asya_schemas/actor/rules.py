"""Rules V1-V18 between fields: message, CEL expression for the API server, and function for everybody else.

Called by `structural` (CEL), `validate` and the controller (functions). Source: contract: crd, section 3. Without pydantic.
"""

from collections.abc import Callable
from dataclasses import dataclass

from asya_schemas.actor import broken
from asya_schemas.actor.identity import HANDLER_VARIABLE, RUNTIME_CONTAINER, SIDECAR_CONTAINER
from asya_schemas.actor.paths import POD, POD_METADATA, ROOT, SPEC, WORKLOAD, Path
from asya_schemas.actor.patterns import DNS_LABEL_PATTERN, DURATION_PATTERN, POLICY_NAME_PATTERN


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
    broken: Callable[[broken.Document], Path | None]
    old_self: bool = False


_STATEFUL = "((has({0}.kind) && {0}.kind == 'StatefulSet') || (has({0}.type) && {0}.type == 'StatefulSet'))"
_OF_RUNTIME = f"self.containers.all(c, c.name != '{RUNTIME_CONTAINER}' || "
_RESERVED_MOUNTS = " && ".join(
    [f"m.mountPath != '{folder}'" for folder in broken.RESERVED_FOLDERS]
    + [f"!m.mountPath.startsWith('{folder}/')" for folder in broken.RESERVED_FOLDERS]
)
_RESERVED_NAMES = ",".join(f"'{name}'" for name in broken.RESERVED_SIDECAR_VARIABLES)
_RESERVED_LABELS = " || ".join(f"'{label}' in self.labels" for label in broken.RESERVED_LABELS)
_DURATION = DURATION_PATTERN.replace("\\", "\\\\")

RULES: tuple[Rule, ...] = (
    Rule(
        "V1",
        "metadata.name must be a DNS label of at most 63 characters (a-z, 0-9, '-')",
        ROOT,
        f"oldSelf.hasValue() || (self.metadata.name.size() <= {broken.NAME_LIMIT} && self.metadata.name.matches('{DNS_LABEL_PATTERN}'))",
        broken.v1,
        old_self=True,
    ),
    Rule(
        "V2",
        "with scaling.enabled metadata.name must have at most 54 characters, so that keda-hpa-<name> fits",
        ROOT,
        "(oldSelf.hasValue() && has(oldSelf.value().spec.scaling) && oldSelf.value().spec.scaling.enabled)"
        f" || !has(self.spec.scaling) || !self.spec.scaling.enabled || self.metadata.name.size() <= {broken.SCALED_NAME_LIMIT}",
        broken.v2,
        old_self=True,
    ),
    Rule(
        "V3",
        "with workload.kind StatefulSet metadata.name must have at most 52 characters, so that the revision label fits",
        ROOT,
        f"(oldSelf.hasValue() && {_STATEFUL.format('oldSelf.value().spec.workload')})"
        f" || !{_STATEFUL.format('self.spec.workload')} || self.metadata.name.size() <= {broken.STATEFUL_SET_NAME_LIMIT}",
        broken.v3,
        old_self=True,
    ),
    Rule(
        "V4",
        "exactly one container must be named asya-runtime",
        POD,
        f"self.containers.exists_one(c, c.name == '{RUNTIME_CONTAINER}')",
        broken.v4,
    ),
    Rule(
        "V5",
        "container asya-runtime must not set command: the controller sets it",
        POD,
        f"{_OF_RUNTIME}!has(c.command) || c.command.size() == 0)",
        broken.v5,
    ),
    Rule(
        "V6",
        "container name asya-sidecar is reserved, and asya-runtime cannot be an init container",
        POD,
        f"self.containers.all(c, c.name != '{SIDECAR_CONTAINER}') && (!has(self.initContainers)"
        f" || self.initContainers.all(c, c.name != '{SIDECAR_CONTAINER}' && c.name != '{RUNTIME_CONTAINER}'))",
        broken.v6,
    ),
    Rule(
        "V7",
        "container asya-runtime must set the environment variable ASYA_HANDLER",
        POD,
        f"{_OF_RUNTIME}(has(c.env) && c.env.exists(e, e.name == '{HANDLER_VARIABLE}'"
        " && (has(e.valueFrom) || (has(e.value) && e.value != '')))))",
        broken.v7,
    ),
    Rule(
        "V8",
        "workload.type is a deprecated alias of workload.kind: they must be equal when both are set",
        WORKLOAD,
        "!has(self.kind) || !has(self.type) || self.kind == self.type",
        broken.v8,
    ),
    Rule(
        "V9",
        "scaling.minReplicas must not be greater than scaling.maxReplicas",
        ("spec", "scaling"),
        "self.minReplicas <= self.maxReplicas",
        broken.v9,
    ),
    Rule(
        "V10",
        "scaling.advanced.formula requires scaling.advanced.target",
        ("spec", "scaling", "advanced"),
        "!has(self.formula) || has(self.target)",
        broken.v10,
    ),
    Rule(
        "V11",
        "timeout.processing and resiliency.actorTimeout are one setting: they must be equal when both are set",
        SPEC,
        "!has(self.timeout) || !has(self.timeout.processing) || self.timeout.processing == 0"
        " || !has(self.resiliency) || !has(self.resiliency.actorTimeout)"
        f" || !self.resiliency.actorTimeout.matches('{_DURATION}')"
        # The number becomes no text and the text no number but through duration(): string() is far over the cost budget.
        " || (duration(self.resiliency.actorTimeout) + duration('999999999ns')).getSeconds() == self.timeout.processing",
        broken.v11,
    ),
    Rule(
        "V12",
        "sidecar.env must not set a variable that the controller sets: actor name, namespace, transport, queue or socket",
        ("spec", "sidecar"),
        f"!has(self.env) || self.env.all(e, !(e.name in [{_RESERVED_NAMES}]))",
        broken.v12,
    ),
    Rule(
        "V13",
        "container asya-runtime must not move the socket: ASYA_SOCKET_DIR, ASYA_SOCKETS_DIR and ASYA_SOCKET_NAME"
        " are set by the controller",
        POD,
        f"{_OF_RUNTIME}!has(c.env) || c.env.all(e, e.name == 'ASYA_SOCKET_DIR' || e.name == 'ASYA_SOCKETS_DIR'"
        " ? (has(e.value) && e.value == '/var/run/asya' && !has(e.valueFrom))"
        " : (e.name == 'ASYA_SOCKET_NAME'"
        " ? (has(e.value) && e.value == 'asya-runtime.sock' && !has(e.valueFrom)) : true)))",
        broken.v13,
    ),
    Rule(
        "V14",
        "volume names socket-dir and asya-* are reserved",
        POD,
        "!has(self.volumes) || self.volumes.all(v, v.name != 'socket-dir' && !v.name.startsWith('asya-'))",
        broken.v14,
    ),
    Rule(
        "V15",
        "mount paths at or below /var/run/asya and /opt/asya are reserved in container asya-runtime",
        POD,
        f"{_OF_RUNTIME}!has(c.volumeMounts) || c.volumeMounts.all(m, {_RESERVED_MOUNTS}))",
        broken.v15,
    ),
    Rule(
        "V16",
        "pod labels asya.sh/actor, asya.sh/asya and asya.sh/workload are set by the controller",
        POD_METADATA,
        f"!has(self.labels) || !({_RESERVED_LABELS})",
        broken.v16,
    ),
    Rule(
        "V17",
        "every resiliency rule must name a policy of resiliency.policies",
        ("spec", "resiliency"),
        "!has(self.rules) || self.rules.all(r, has(self.policies) && r.policy in self.policies)",
        broken.v17,
    ),
    Rule(
        "V18",
        "policy names use letters, digits, '-' and '_'",
        ("spec", "resiliency"),
        f"!has(self.policies) || self.policies.all(k, k.matches('{POLICY_NAME_PATTERN}'))",
        broken.v18,
    ),
)

# Refused by the controller alone: the API server would let it pass.
CONTROLLER_RULES: tuple[Rule, ...] = (
    Rule("literal-interpreter", "ASYA_PYTHONEXECUTABLE must be a literal value", POD, None, broken.literal_interpreter),
)
