"""The operator's configuration: transports, sidecar, policies. Checked whole, every problem at once.

Called by the controller's start, by `asya render` (contract: controller, Operator configuration) and, through `local_config`, by the
local mesh. Takes a parsed document; must not read files or the environment.
"""

import typing
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError, field_validator

from asya_controller.decide.transports import Duration, RabbitMQ, SecretRef, Sqlite, Sqs, Strict, Text, Transport
from asya_controller.decide.wording import masked
from asya_schemas.actor.problems import near
from asya_schemas.limits import MAX_MESSAGE_BYTES
from asya_schemas.names import is_actor_name

M = TypeVar("M", bound=Strict)


class ConfigurationError(Exception):
    """The configuration cannot be used. `lines` holds one `configuration error: <path>: <problem>` per problem."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


class Sidecar(Strict):
    """The injected container."""

    image: Text | None = None
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    resources: dict[str, Any] = Field(default={"requests": {"cpu": "10m", "memory": "64Mi"}})
    run_as_user: int | None = Field(default=65532, ge=1)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class Gateway(Strict):
    """The gateway that sidecars report to."""

    url: str = ""
    callback_token_secret_ref: SecretRef | None = None


class EndActors(Strict):
    """Where results and errors go."""

    sink: str = "x-sink"
    sump: str = "x-sump"

    @field_validator("sink", "sump")
    @classmethod
    def actor_name(cls, value: str) -> str:
        """End actors are actors: their names are DNS labels."""
        if not is_actor_name(value):
            raise ValueError("must be a DNS label of at most 63 characters (a-z, 0-9, '-')")
        return value


PodRule = Literal[
    "hostNamespaces", "hostPath", "hostPorts", "privileged", "addedCapabilities", "shareProcessNamespace",
    "nodeName", "ephemeralContainers", "serviceAccountName", "projectedTokens",
]  # fmt: skip
DENIED_BY_DEFAULT: tuple[PodRule, ...] = (
    "hostNamespaces", "hostPath", "hostPorts", "privileged", "addedCapabilities", "shareProcessNamespace",
    "nodeName", "ephemeralContainers",
)  # fmt: skip


class PodPolicy(Strict):
    """Which pod fields authors may use (contract: crd, Pod template policy)."""

    deny: Annotated[tuple[PodRule, ...], Field(strict=False)] = DENIED_BY_DEFAULT
    allow_pod_fields: Annotated[tuple[str, ...], Field(strict=False)] | None = None


class OperatorConfig(Strict):
    """The whole configuration. `transports` is empty when none is configured, which is valid."""

    transports: dict[str, Transport] = Field(default={})
    sidecar: Sidecar = Sidecar()
    gateway: Gateway = Gateway()
    end_actors: EndActors = EndActors()
    pod_policy: PodPolicy = PodPolicy()
    propagate_labels: Annotated[tuple[str, ...], Field(strict=False)] = ("asya.sh/flow",)
    cleanup_timeout: Duration = "10m"
    cluster_id: Text = "default"
    max_message_bytes: int = Field(default=MAX_MESSAGE_BYTES, ge=1024)
    runtime_config_map: str = "asya-runtime"
    """Name of the ConfigMap with the runtime script; set by the controller from the script's hash, not from the file."""

    def transport(self, name: str) -> Transport | None:
        """The transport an actor names, None when there is none."""
        return self.transports.get(name)


CONFIG_TYPES: dict[str, type[RabbitMQ] | type[Sqs]] = {"rabbitmq": RabbitMQ, "sqs": Sqs}


def operator_config(document: Any, overrides: Mapping[str, Any] | None = None, version: str = "dev") -> OperatorConfig:
    """The configuration from a parsed YAML or JSON document; an empty one (None) means all defaults.

    `overrides` are `(section, key)`-shaped: `{"sidecar": {"image": ..}}`, what the controller's variables set over the file.

    Raises:
        ConfigurationError: with every problem of the document.
    """
    if document is not None and not isinstance(document, Mapping):
        raise ConfigurationError([line((), f"expected a mapping, got {type(document).__name__}")])
    merged = overlay(document or {}, overrides or {})
    problems: list[str] = []
    if "transports" in (document or {}) and "transports" in (overrides or {}):
        problems.append(
            line(("transports",), "stands in the file and in ASYA_TRANSPORT_CONFIG: only one of them may have it")
        )
    transports = {
        str(name): found
        for name, value in mapping_at(merged, "transports", problems).items()
        if (found := transport_of(name, value, problems)) is not None
    }
    rest = {key: value for key, value in merged.items() if key not in ("transports", "runtimeConfigMap")}
    if "runtimeConfigMap" in merged:
        problems.append(line(("runtimeConfigMap",), "unknown key"))
    config = validated(OperatorConfig, rest, (), problems)
    if config is None or problems:
        raise ConfigurationError(problems)
    sidecar = config.sidecar
    if sidecar.image is None:
        sidecar = sidecar.model_copy(update={"image": f"asya-sidecar:{version}"})
    return config.model_copy(update={"transports": transports, "sidecar": sidecar})


def local_config(
    transports: Iterable[str],
    broker: Sqlite | RabbitMQ,
    *,
    gateway_url: str = "",
    sink: str = "x-sink",
    sump: str = "x-sump",
    max_message_bytes: int = MAX_MESSAGE_BYTES,
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO",
) -> OperatorConfig:
    """The configuration of the mesh on one machine: every transport name in use is this one broker."""
    local = Transport(type="sqlite" if isinstance(broker, Sqlite) else "rabbitmq", config=broker)
    return OperatorConfig(
        transports=dict.fromkeys(transports, local),
        sidecar=Sidecar(image="asya-sidecar:local", log_level=log_level),
        gateway=Gateway(url=gateway_url),
        end_actors=EndActors(sink=sink, sump=sump),
        max_message_bytes=max_message_bytes,
    )


def overlay(document: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The document with the overrides laid over it, one level into sections."""
    merged = dict(document)
    for key, value in overrides.items():
        below = merged.get(key)
        merged[key] = {**below, **value} if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def mapping_at(document: Mapping[str, Any], key: str, problems: list[str]) -> Mapping[Any, Any]:
    """The mapping under `key`; empty, with a problem noted, when it is something else."""
    value = document.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        problems.append(line((key,), f"expected a mapping, got {type(value).__name__}"))
        return {}
    return value


def transport_of(name: Any, value: Any, problems: list[str]) -> Transport | None:
    """One transport, checked against the model of its type; disabled ones too."""
    path = ("transports", str(name))
    if not isinstance(name, str) or not is_actor_name(name):
        problems.append(line(path, "the name must be a DNS label of at most 63 characters (a-z, 0-9, '-')"))
    if not isinstance(value, Mapping):
        problems.append(line(path, f"expected a mapping, got {type(value).__name__}"))
        return None
    for key in value.keys() - {"type", "enabled", "config"}:
        problems.append(line((*path, str(key)), unknown_key(str(key), ("type", "enabled", "config"))))
    kind, enabled = value.get("type"), value.get("enabled", True)
    if not isinstance(enabled, bool):
        problems.append(line((*path, "enabled"), f"expected true or false, got {enabled!r}"))
        enabled = False
    model = CONFIG_TYPES.get(kind) if isinstance(kind, str) else None
    if model is None:
        wanted = "missing" if kind is None else f"{kind!r} is not a transport type{meant(str(kind), CONFIG_TYPES)}"
        problems.append(line((*path, "type"), f"{wanted}; known are rabbitmq and sqs"))
        return None
    config = validated(model, value.get("config") or {}, (*path, "config"), problems)
    return None if config is None else Transport.model_validate({"type": kind, "enabled": enabled, "config": config})


def validated(model: type[M], value: Any, path: tuple[str, ...], problems: list[str]) -> M | None:
    """The value as `model`; None, with every problem noted, when it does not fit."""
    try:
        return model.model_validate(value)
    except ValidationError as refused:
        errors = refused.errors(include_url=False, include_context=False)
        for error in errors:
            if error["type"] == "too_short" and any(len(other["loc"]) > len(error["loc"]) for other in errors):
                continue  # an entry was refused, and so the list is empty
            problems.append(line((*path, *map(str, error["loc"])), sentence(model, error)))
        return None


def sentence(model: type[BaseModel], error: Mapping[str, Any]) -> str:
    """What is wrong, in our words where pydantic's would not help."""
    kind, place = error["type"], error["loc"]
    if kind == "extra_forbidden":
        owner = model_at(model, place[:-1])
        known = [field.alias or name for name, field in owner.model_fields.items()] if owner else []
        return unknown_key(str(place[-1]), known)
    if kind == "missing":
        return "is required"
    text = str(error["msg"]).removeprefix("Value error, ")
    return text if kind == "value_error" else f"{text[:1].lower()}{text[1:]}{got(place, error['input'])}"


def got(place: tuple[Any, ...], value: Any) -> str:
    """The value as it stands in the file, unless it may be a credential in the wrong place."""
    secret = any(word in str(part).lower() for part in place for word in ("secret", "password", "credential"))
    return "" if secret else f", got {masked(repr(value))}"


def model_at(model: type[BaseModel], place: Iterable[Any]) -> type[BaseModel] | None:
    """The model that a location inside `model` belongs to."""
    found: type[BaseModel] | None = model
    for step in place:
        if found is None:
            return None
        fields = {field.alias or name: field.annotation for name, field in found.model_fields.items()}
        found = next((part for part in parts(fields.get(str(step))) if issubclass(part, BaseModel)), None)
    return found


def parts(annotation: Any) -> list[type[Any]]:
    """The classes named by an annotation such as `SecretRef | None`."""
    members = typing.get_args(annotation) or (annotation,)
    return [member for member in members if isinstance(member, type)]


def unknown_key(key: str, known: Iterable[str]) -> str:
    """The sentence about a key nobody knows."""
    return f"unknown key{meant(key, known)}"


def meant(word: str, known: Iterable[str]) -> str:
    """`, did you mean x?` when a known word looks like this one."""
    found = near(word, known)
    return f", did you mean {found}?" if found else ""


def line(path: tuple[str, ...], problem: str) -> str:
    """One problem as it stands on stderr."""
    return f"configuration error: {'.'.join(path) or '(top level)'}: {problem}"
