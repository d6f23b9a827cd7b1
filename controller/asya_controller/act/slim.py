"""What is kept of an object: the parts some rule reads, and who owns which fields.

Called by store.py for every object that arrives; the rest is dropped at once, because a thousand actors with three thousand pods have to
fit into little memory. Must keep every field that `decide` reads.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from asya_controller.act.api import CHILDREN, HANDOVER
from asya_controller.act.kinds import Kind
from asya_controller.act.parts import Applied, Metadata
from asya_controller.decide.ownership import Ownership

Json = Mapping[str, Any]

_METADATA = tuple(name for name in Metadata.__annotations__ if name != "managedFields")
NOTHING = b"{}"
_DROPPED_ANNOTATIONS = frozenset(
    {"kubectl.kubernetes.io/last-applied-configuration", "deployment.kubernetes.io/revision"}
)
_POD_STATUS = ("phase", "reason", "message", "conditions", "containerStatuses", "initContainerStatuses")
_CONTAINER_STATUS = ("name", "ready", "restartCount", "state", "lastState")
_CONDITION = ("type", "status", "reason", "message")


def slim(kind: Kind, item: Json) -> dict[str, Any]:
    """The kept parts of `item`; `apiVersion` and `kind` are filled in, since the items of a list have none."""
    kept: dict[str, Any] = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata(item["metadata"])}
    return kept | _PARTS.get(kind.name, whole)(item)


def metadata(found: Json) -> dict[str, Any]:
    """Metadata without managed fields and what kubectl stores there."""
    kept = {key: found[key] for key in _METADATA if key in found}
    if annotations := kept.get("annotations"):
        kept["annotations"] = {key: value for key, value in annotations.items() if key not in _DROPPED_ANNOTATIONS}
    return kept


def whole(item: Json) -> dict[str, Any]:
    """Spec and status as they are."""
    return {key: item[key] for key in ("spec", "status") if key in item}


def nothing(_: Json) -> dict[str, Any]:
    """Its existence and owner are all."""
    return {}


def pod(item: Json) -> dict[str, Any]:
    """What says how the pod is."""
    status = item.get("status") or {}
    kept = {key: status[key] for key in _POD_STATUS if key in status}
    if "conditions" in kept:
        kept["conditions"] = [{key: entry[key] for key in _CONDITION if key in entry} for entry in kept["conditions"]]
    for name in ("containerStatuses", "initContainerStatuses"):
        if name in kept:
            kept[name] = [{key: entry[key] for key in _CONTAINER_STATUS if key in entry} for entry in kept[name]]
    return {"status": kept}


def workload(item: Json) -> dict[str, Any]:
    """Deployment or StatefulSet: the conditions' heartbeat times change without news."""
    kept = whole(item)
    status = dict(kept.get("status") or {})
    if "conditions" in status:
        status["conditions"] = [
            {key: value for key, value in entry.items() if key != "lastUpdateTime"} for entry in status["conditions"]
        ]
    return {**kept, "status": status}


def autoscaler(item: Json) -> dict[str, Any]:
    """The HPA: what it wants and why it does not work; its metrics change at every look."""
    status = item.get("status") or {}
    return {"status": {key: status[key] for key in ("desiredReplicas", "conditions") if key in status}}


def scaled_object(item: Json) -> dict[str, Any]:
    """The ScaledObject: spec and conditions; `lastActiveTime` and health counters change all the time."""
    status = item.get("status") or {}
    kept = {"conditions": status["conditions"]} if "conditions" in status else {}
    return {"spec": item.get("spec") or {}, "status": kept}


_PARTS = {
    "Pod": pod,
    "ReplicaSet": nothing,
    "ConfigMap": nothing,
    "HorizontalPodAutoscaler": autoscaler,
    "ScaledObject": scaled_object,
    "Deployment": workload,
    "StatefulSet": workload,
}


class _Spec(msgspec.Struct):
    replicas: dict[str, Any] | None = msgspec.field(name="f:replicas", default=None)


class _Ours(msgspec.Struct):
    spec: _Spec = msgspec.field(name="f:spec", default_factory=_Spec)


_read_ours = msgspec.json.Decoder(_Ours).decode


def ownership(found: Json) -> Ownership:
    """Who owns what of an object, from its `metadata`. Of our fields the text alone counts, which the server writes in one order: most of
    them are read by nobody.
    """
    ours, helper = applied(found, CHILDREN), msgspec.json.decode(applied(found, HANDOVER))
    more = {"f:metadata"} & helper.keys() or set(helper.get("f:spec") or {}) - {"f:replicas"}
    return Ownership(
        applied=hashlib.blake2b(ours, digest_size=8).hexdigest() if ours != NOTHING else None,
        replicas=_read_ours(ours).spec.replicas is not None,
        handover_open=bool(more),
    )


def applied(found: Json, manager: str) -> bytes:
    """The fields a manager has applied to the object itself, as JSON text; an empty object when it has applied none."""
    entries: Iterable[Applied] = found.get("managedFields") or ()
    for entry in entries:
        if entry.manager == manager and entry.operation == "Apply" and not entry.subresource:
            return bytes(entry.fieldsV1)
    return NOTHING
