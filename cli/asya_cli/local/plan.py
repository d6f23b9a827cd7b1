"""From AsyncActor documents to what this machine has to run. Called by `mesh.py` at the start and after every change.

The objects are the controller's (`desired_objects`), made for the broker in use; this module adds what a machine knows:
interpreter, folders, values, caps. It starts nothing and reads no file but to see whether an interpreter exists.
"""

import copy
import socket
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from asya_cli.local import interpreter
from asya_cli.local.outcome import SINK, SUMP
from asya_cli.local.pod import Recipe
from asya_controller.decide.check import Violation, check
from asya_controller.decide.config import OperatorConfig
from asya_controller.decide.desired import Desired, desired_objects
from asya_controller.decide.scaling import ScalingRule
from asya_schemas.actor import effective

Key = tuple[str, str]  # namespace, name
_CREW = "asya_crew."


@dataclass(frozen=True, slots=True)
class Settings:
    """What `asya up` was told and where it runs, as far as replicas depend on it."""

    here: Path
    handlers: Path | None
    python: str | None
    max_replicas: int
    own_python: str
    script: Path
    state_root: Path
    environ: Mapping[str, str]
    values: Mapping[str, str]
    value_sources: str
    broker_env: Mapping[str, str]  # how a sidecar reaches the broker

    @property
    def base_env(self) -> dict[str, str]:
        """What a process inherits: everything but our own variables, which belong to each replica alone."""
        return {name: value for name, value in self.environ.items() if not name.startswith("ASYA_")}


@dataclass(frozen=True, slots=True)
class Source:
    """One AsyncActor document and the file it stands in (None: built in)."""

    document: Mapping[str, Any]
    file: Path | None
    handler_line: int = 0  # of the value of ASYA_HANDLER


@dataclass(frozen=True, slots=True)
class Planned:
    """One actor, ready to run, or the violation that forbids it."""

    key: Key
    label: str
    document: dict[str, Any]
    file: Path | None
    desired: Desired | None
    violation: Violation | None
    recipe: Recipe | None
    scaling: ScalingRule | None
    replicas: int
    handler: str
    handler_line: int = field(compare=False)  # moves with every edit above it, which changes nothing
    notes: tuple[str, ...]
    conflict: str = ""
    """Why its queue is not its own: it belongs to another actor of this mesh."""

    def without_queue(self, owner: Key) -> "Planned":
        """The same actor when `owner` has its queue already: it runs nothing (contract: controller, Ownership)."""
        assert self.desired is not None, "it has a queue that another one has"
        text = f"queue '{self.desired.queue}' belongs to {'/'.join(owner)}"
        return replace(self, desired=None, recipe=None, scaling=None, replicas=0, conflict=text)

    @property
    def version(self) -> tuple[object, ...]:
        """Differs when running replicas have to be replaced."""
        return () if self.recipe is None else (self.recipe,)


def end_actors(sources: Iterable[Source], transport: str) -> list[Source]:
    """The built-in x-sink and x-sump for every namespace in use that does not define its own."""
    defined = {key_of(source.document) for source in sources}
    namespaces = sorted({namespace for namespace, _ in defined})
    return [
        Source(_end_actor(namespace, name, transport), None)
        for namespace in namespaces
        for name in (SINK, SUMP)
        if (namespace, name) not in defined
    ]


def _end_actor(namespace: str, name: str, transport: str) -> dict[str, Any]:
    handler = {"name": "ASYA_HANDLER", "value": f"{_CREW}{name.removeprefix('x-')}.handle"}
    env = [handler, {"name": "ASYA_HANDLER_MODE", "value": "envelope"}]
    container = {"name": "asya-runtime", "image": "asya-crew:local", "env": env}
    return {
        "apiVersion": "asya.sh/v1alpha1",
        "kind": "AsyncActor",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"transport": transport, "workload": {"template": {"spec": {"containers": [container]}}}},
    }


def key_of(document: Mapping[str, Any]) -> Key:
    """Namespace and name of a document."""
    metadata = document["metadata"]
    return str(metadata.get("namespace") or "default"), str(metadata["name"])


def labels_of(keys: Iterable[Key]) -> dict[Key, str]:
    """A short name for every actor: its own, with the namespace in front where two share it."""
    keys = list(keys)
    names = [name for _, name in keys]
    return {key: key[1] if names.count(key[1]) == 1 else f"{key[0]}.{key[1]}" for key in keys}


def search_folders(file: Path | None, settings: Settings) -> tuple[Path, ...]:
    """Where a handler is imported from (contract: cli, Handlers); the first is the working folder."""
    if settings.handlers is not None:
        return (settings.handlers,)
    folders = [] if file is None else [file.parent, file.parent / "handlers"]
    return tuple(dict.fromkeys(folder for folder in (*folders, settings.here) if folder.is_dir()))


def planned(source: Source, label: str, config: OperatorConfig, settings: Settings) -> Planned:
    """One actor as it will run here."""
    document, notes = _fitted(source.document, settings.max_replicas)
    key, spec = key_of(document), document["spec"]
    violation = check(document, config)
    if violation is not None:
        return Planned(key, label, document, source.file, None, violation, None, None, 0, "", 0, tuple(notes))
    desired = desired_objects(document, config)
    notes += _not_here(spec)
    recipe = _recipe(source, label, document, desired, settings)
    rule = ScalingRule.of(spec) if effective.scaling_enabled(spec) else None
    count = rule.minimum if rule else effective.replicas(spec)
    handler = effective.handler(spec) or settings.values.get("ASYA_HANDLER", "")
    return Planned(
        key,
        label,
        document,
        source.file,
        desired,
        None,
        recipe,
        rule,
        count,
        handler,
        source.handler_line,
        tuple(notes),
    )


def _fitted(original: Mapping[str, Any], limit: int) -> tuple[dict[str, Any], list[str]]:
    """The document with namespace filled in and replica counts cut to what this machine may run."""
    document = copy.deepcopy(dict(original))
    document["metadata"].setdefault("namespace", "default")
    spec, notes = document.get("spec"), []
    if isinstance(spec, dict):
        for block, field in (("workload", "replicas"), ("scaling", "minReplicas"), ("scaling", "maxReplicas")):
            part = spec.get(block)
            value = part.get(field) if isinstance(part, dict) else None
            if part and isinstance(value, int) and value > limit:
                part[field] = limit
                notes.append(f"spec.{block}.{field} {value} is cut to {limit} here (--max-replicas)")
        scaling = spec.get("scaling")
        if isinstance(scaling, dict) and scaling.get("enabled") and "maxReplicas" not in scaling:
            scaling["maxReplicas"] = min(effective.MAX_REPLICAS_DEFAULT, limit)
    return document, notes


def _not_here(spec: Mapping[str, Any]) -> list[str]:
    pod = effective.pod_spec(spec)
    others = [c["name"] for c in pod.get("containers") or () if c["name"] != "asya-runtime"]
    others += [c["name"] for c in pod.get("initContainers") or ()]
    return [f"container {name} is not run on this machine" for name in others]


def _recipe(source: Source, label: str, document: Mapping[str, Any], desired: Desired, settings: Settings) -> Recipe:
    namespace, name = key_of(document)
    spec = document["spec"]
    crew = (effective.handler(spec) or "").startswith(_CREW)
    wanted = settings.python or effective.interpreter(spec)
    program = settings.own_python if crew else interpreter.resolve(wanted, settings.environ, settings.own_python)
    return Recipe(
        actor=name,
        namespace=namespace,
        label=label,
        template=_on_a_folder(desired.pod_template, settings.state_root) if crew else desired.pod_template,
        template_hash=desired.template_hash,
        owner_uid=uid_of(desired.workload),
        grace_s=float(effective.grace_s(spec)),
        interpreter=program,
        script=settings.script,
        search=search_folders(source.file, settings),
        crew=crew,
        python=settings.own_python,
        broker_env=settings.broker_env,
        logs=settings.state_root / "logs",
        base_env=settings.base_env,
        values=_used(desired.pod_template, settings.values),
        value_sources=settings.value_sources,
        host=socket.gethostname(),
    )


def _on_a_folder(template: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """The crew's handlers store into the state folder here, whatever bucket their file names."""
    changed = copy.deepcopy(dict(template))
    for container in changed["spec"]["containers"]:
        if container["name"] == "asya-runtime":
            kept = [e for e in container["env"] if not e["name"].startswith(("ASYA_S3_", "ASYA_PERSISTENCE_MOUNT"))]
            container["env"] = [*kept, {"name": "ASYA_PERSISTENCE_MOUNT", "value": str(root)}]
    return changed


def _used(template: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, str]:
    """The local values this template asks for, so that a change of another one restarts nothing."""
    containers = template["spec"]["containers"]
    if any(container.get("envFrom") for container in containers):
        return dict(values)
    asked = {e["name"] for container in containers for e in container.get("env") or () if e.get("valueFrom")}
    return {name: value for name, value in values.items() if name in asked}


def uid_of(thing: Mapping[str, Any]) -> str:
    """A stable uid for an object of the local mesh: the same kind, namespace and name are the same object."""
    metadata = thing["metadata"]
    name = f"{thing.get('kind')}/{metadata.get('namespace', 'default')}/{metadata['name']}"
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.local.asya.sh"))


def transports_of(sources: Sequence[Source]) -> list[str]:
    """The transport names the documents use."""
    specs = [source.document.get("spec") for source in sources]
    return sorted({str(spec["transport"]) for spec in specs if isinstance(spec, dict) and spec.get("transport")})
