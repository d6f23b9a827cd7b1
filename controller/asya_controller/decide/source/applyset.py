"""Which objects belong to one source: the inventory, in the form that kubectl's `--applyset` uses (KEP-3659).

A ConfigMap is the set's parent: it names the kinds and the namespaces in which members may be, so that what has gone from the files is
still found. Every member carries the set's id as a label. Called by sync.py and by whoever writes the parent. Pure.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from asya_schemas.actor.identity import GROUP, KIND

MANAGER = "asya-files"
"""Field manager of the file source, and the default name of its set."""
TOOL = "asya"
ID = "applyset.kubernetes.io/id"
PART_OF = "applyset.kubernetes.io/part-of"
TOOLING = "applyset.kubernetes.io/tooling"
KINDS = "applyset.kubernetes.io/contains-group-kinds"
NAMESPACES = "applyset.kubernetes.io/additional-namespaces"
REVISION = "asya.sh/source-revision"

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ApplySet:
    """One set, by the name and namespace of its parent."""

    name: str
    namespace: str

    @property
    def id(self) -> str:
        """`applyset-<hash of name, namespace, kind and group of the parent>-v1`."""
        digest = hashlib.sha256(f"{self.name}.{self.namespace}.ConfigMap.".encode()).digest()
        return f"applyset-{base64.urlsafe_b64encode(digest).decode().rstrip('=')}-v1"

    def parent(self, namespaces: Iterable[str], revision: str, version: str) -> dict[str, Any]:
        """The parent as it should be while members are in `namespaces`."""
        others = sorted(set(namespaces) - {self.namespace})
        annotations = {TOOLING: f"{TOOL}/{version}", KINDS: f"{KIND}.{GROUP}", NAMESPACES: ",".join(others)}
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": self.name,
                "namespace": self.namespace,
                "labels": {ID: self.id},
                "annotations": annotations | ({REVISION: revision} if revision else {}),
            },
        }

    def namespaces_of(self, parent: Json | None) -> frozenset[str]:
        """Where members may be, by the parent as it stands in the cluster."""
        named = annotations_of(parent or {}).get(NAMESPACES, "").split(",")
        return frozenset({self.namespace, *(name for name in named if name)})

    def not_ours(self, parent: Json | None) -> str | None:
        """Why the parent cannot be used, None when it can: the object is not there or is ours."""
        if parent is None:
            return None
        place = f"ConfigMap {self.name} in namespace {self.namespace}"
        tool = annotations_of(parent).get(TOOLING, "")
        if labels_of(parent).get(ID) != self.id:
            return f"{place} exists and is not the inventory of a source: choose another name with --set"
        if tool.partition("/")[0] != TOOL:
            return f"{place} is the inventory of {tool or 'another tool'}: choose another name with --set"
        return None


def labels_of(item: Json) -> Mapping[str, str]:
    """The labels of an object."""
    return (item.get("metadata") or {}).get("labels") or {}


def annotations_of(item: Json) -> Mapping[str, str]:
    """The annotations of an object."""
    return (item.get("metadata") or {}).get("annotations") or {}


def claimed_by(live: Json, mine: ApplySet) -> str | None:
    """Who else says that this object is theirs, in words; None when nobody does."""
    labels, annotations = labels_of(live), annotations_of(live)
    if labels.get(PART_OF, mine.id) != mine.id:
        return f"the ApplySet {labels[PART_OF]}"
    if "argocd.argoproj.io/instance" in labels or "argocd.argoproj.io/tracking-id" in annotations:
        return "Argo CD"
    for tool in ("kustomize", "helm"):
        if name := labels.get(f"{tool}.toolkit.fluxcd.io/name"):
            return f"Flux ({tool} {name})"
    return None
