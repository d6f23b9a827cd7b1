"""How two states of an object differ, for programs (JSON Patch) and for people (unified diff). Pure; called by comparing.py."""

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jsonpatch

from asya_controller.decide.desired import APPLIED_HASH
from asya_controller.decide.source.applyset import REVISION
from asya_schemas.actor.yaml_text import to_yaml

Json = Mapping[str, Any]
CONTEXT_LINES = 3
# What the server writes, or what follows from the rest.
_METADATA = frozenset(
    {
        "managedFields",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "uid",
        "selfLink",
        "deletionGracePeriodSeconds",
    }
)
_ANNOTATIONS = frozenset({APPLIED_HASH, REVISION, "kubectl.kubernetes.io/last-applied-configuration"})


@dataclass(frozen=True, slots=True)
class Difference:
    """One object that would change. `change` is `added`, `changed` or `removed`."""

    kind: str
    namespace: str
    name: str
    change: str
    patch: list[dict[str, Any]]
    unified: str

    def as_data(self) -> dict[str, Any]:
        """For `--output json|yaml`."""
        return {
            "kind": self.kind, "namespace": self.namespace, "name": self.name, "change": self.change,
            "patch": self.patch, "diff": self.unified,
        }  # fmt: skip

    def as_text(self) -> str:
        """For a person: which object, the patch one operation a line, the diff."""
        operations = ",\n".join(f"  {json.dumps(operation)}" for operation in self.patch)
        return f"{self.kind} {self.name} in {self.namespace}: {self.change}\n[\n{operations}\n]\n{self.unified}"


def difference(before: Json | None, after: Json | None) -> Difference | None:
    """What would change; None for nothing. At least one of the two is there."""
    old, new = (None if item is None else shown(item) for item in (before, after))
    if old == new:
        return None
    item = after if after is not None else before
    assert item is not None
    kind, meta = str(item["kind"]), item["metadata"]
    place = f"{meta['namespace']}/{kind}/{meta['name']}"
    a, b = ([] if part is None else to_yaml(part).splitlines() for part in (old, new))
    labels = ("/dev/null" if old is None else f"live/{place}", "/dev/null" if new is None else f"files/{place}")
    unified = "\n".join(difflib.unified_diff(a, b, *labels, lineterm="", n=CONTEXT_LINES))
    change = "added" if old is None else "removed" if new is None else "changed"
    return Difference(kind, str(meta["namespace"]), str(meta["name"]), change, patch_of(old, new), unified)


def patch_of(old: Json | None, new: Json | None) -> list[dict[str, Any]]:
    """RFC 6902; a whole object is added or removed at the root."""
    if old is None:
        return [{"op": "add", "path": "", "value": new}]
    if new is None:
        return [{"op": "remove", "path": ""}]
    patch: list[dict[str, Any]] = jsonpatch.make_patch(old, new).patch
    return patch


def shown(item: Json) -> dict[str, Any]:
    """The parts that say something: no status, nothing that the server counts, no record of who applied it."""
    metadata = {key: value for key, value in item["metadata"].items() if key not in _METADATA}
    if "annotations" in metadata:
        kept = {key: value for key, value in metadata["annotations"].items() if key not in _ANNOTATIONS}
        metadata |= {"annotations": kept}
        if not kept:
            del metadata["annotations"]
    rest = {key: value for key, value in item.items() if key not in ("metadata", "status")}
    if item["kind"] == "ConfigMap":  # its name says which script it holds, which nobody wants to read here
        rest["data"] = {key: f"<{len(str(value))} characters>" for key, value in (item.get("data") or {}).items()}
    head: dict[str, Any] = {key: rest.pop(key) for key in ("apiVersion", "kind") if key in rest}
    return {**head, "metadata": metadata, **rest}
