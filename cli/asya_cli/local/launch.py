"""From a rendered pod template to the two command lines of a local replica. Pure; called by `pod.py`.

The template is the one the controller would apply (contract: controller, The pod). What exists only in a cluster is
replaced: the socket folder, the runtime script, values from Secrets and ConfigMaps, ports. A replica that cannot be started
is described in the kubelet's words (`Refused`), so that its status is the one a cluster would show.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RUNTIME = "asya-runtime"
SIDECAR = "asya-sidecar"

_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")
_METADATA_KEY = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


@dataclass(frozen=True, slots=True)
class Launch:
    """One process to start."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    log: Path


@dataclass(frozen=True, slots=True)
class Refused:
    """A container that cannot be started: the reason the kubelet would give, and one sentence."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Place:
    """What a local replica gets from this machine instead of from a cluster."""

    actor: str
    namespace: str
    pod: str
    sockets: Path
    logs: Path
    base_env: Mapping[str, str]
    values: Mapping[str, str]  # for `valueFrom`: the .env files and --env
    value_sources: str  # how these are called in a message
    host: str


class MissingValue(Exception):
    """A `valueFrom` without a local value. The text names actor, container and variable."""


def environment(container: Mapping[str, Any], pod: Mapping[str, Any], place: Place) -> dict[str, str]:
    """The variables of one container, as the kubelet computes them: `envFrom`, then `env` with `$(NAME)` expanded.

    Raises:
        MissingValue: a value that a Secret, ConfigMap or field would give is not known here.
    """
    result: dict[str, str] = dict(place.values) if container.get("envFrom") else {}
    for entry in container.get("env") or ():
        name = str(entry["name"])
        source = entry.get("valueFrom")
        if not source:
            result[name] = expand(str(entry.get("value") or ""), result)
            continue
        value = _value_from(name, source, container, pod, place)
        if value is not None:
            result[name] = value
    return result


def expand(text: str, known: Mapping[str, str]) -> str:
    """Kubernetes' `$(NAME)`: replaced when known, left as written when not; `$$` is a dollar sign."""

    def replaced(match: re.Match[str]) -> str:
        name = match.group(1)
        return "$" if name is None else known.get(name, match.group(0))

    return _REFERENCE.sub(replaced, text)


def _value_from(
    name: str, source: Mapping[str, Any], container: Mapping[str, Any], pod: Mapping[str, Any], place: Place
) -> str | None:
    if name in place.values:
        return place.values[name]
    if "fieldRef" in source:
        return _field(str(source["fieldRef"].get("fieldPath", "")), pod, place)
    if "resourceFieldRef" in source:
        return _resource(str(source["resourceFieldRef"].get("resource", "")), container)
    reference = source.get("secretKeyRef") or source.get("configMapKeyRef") or {}
    if reference.get("optional"):
        return None
    kind = "secret" if "secretKeyRef" in source else "configmap"
    raise MissingValue(
        f'actor {place.actor}, container {container["name"]}, variable {name}: {kind} "{reference.get("name", "")}" '
        f"not found on this machine; give {name} a value in {place.value_sources}"
    )


def _field(path: str, pod: Mapping[str, Any], place: Place) -> str:
    metadata = pod.get("metadata") or {}
    if match := _METADATA_KEY.fullmatch(path):
        return str((metadata.get(match.group(1)) or {}).get(match.group(2), ""))
    return {
        "metadata.name": place.pod,
        "metadata.namespace": place.namespace,
        "spec.nodeName": place.host,
        "status.podIP": "127.0.0.1",
        "status.hostIP": "127.0.0.1",
        "spec.serviceAccountName": "default",
    }.get(path, "")


def _resource(path: str, container: Mapping[str, Any]) -> str:
    kind, _, resource = path.partition(".")
    return str(((container.get("resources") or {}).get(kind) or {}).get(resource, "0"))


def containers(pod: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The containers of a pod template by name."""
    return {str(container["name"]): container for container in pod["spec"]["containers"]}


def runtime_launch(
    pod: Mapping[str, Any], place: Place, interpreter: str | Refused, script: Path, search: Sequence[Path], crew: bool
) -> Launch | Refused:
    """How to start the runtime. `search` are the folders handlers are imported from, the first is the working folder."""
    container = containers(pod)[RUNTIME]
    if isinstance(interpreter, Refused):
        return interpreter
    try:
        own = environment(container, pod, place)
    except MissingValue as missing:
        return Refused("CreateContainerConfigError", str(missing))
    env = {**place.base_env, **own, **_where(place)}
    if not crew:
        paths = [*(str(folder) for folder in search), own.get("PYTHONPATH", ""), place.base_env.get("PYTHONPATH", "")]
        env["PYTHONPATH"] = ":".join(dict.fromkeys(path for path in paths if path))
    # A cached .pyc is matched by size and whole seconds, so a quick edit of equal length would run the old code.
    env.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    env.setdefault("PYTHONUNBUFFERED", "1")
    folder = container.get("workingDir")
    cwd = Path(folder) if folder and Path(folder).is_dir() else search[0]
    return Launch((interpreter, str(script)), env, cwd, place.logs / "runtime.log")


def sidecar_launch(
    pod: Mapping[str, Any], place: Place, python: str, broker_env: Mapping[str, str], port: int
) -> Launch | Refused:
    """How to start the sidecar, with the broker that `broker_env` leads to and its health endpoint on `port`."""
    try:
        own = environment(containers(pod)[SIDECAR], pod, place)
    except MissingValue as missing:
        return Refused("CreateContainerConfigError", str(missing))
    env = {**place.base_env, **own, **_where(place), **broker_env, "ASYA_METRICS_ADDR": f"127.0.0.1:{port}"}
    # -P: the working folder is not on the path, so a user's json.py cannot stand in for the library's.
    return Launch((python, "-P", "-m", "asya_sidecar"), env, place.sockets, place.logs / "sidecar.log")


def _where(place: Place) -> dict[str, str]:
    return {"ASYA_SOCKET_DIR": str(place.sockets), "ASYA_SOCKET_NAME": "asya-runtime.sock"}
