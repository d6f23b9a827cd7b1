"""The CustomResourceDefinition of AsyncActor, made from the models (contract: crd, sections 1, 4 and 9).

Called by `asya crd` and by the generator of `schemas/crd/asyncactors.yaml`.
"""

from copy import deepcopy
from typing import Any

from asya_schemas.actor.identity import GROUP, KIND, LIST_KIND, PLURAL, SHORT_NAMES, SINGULAR, VERSION
from asya_schemas.actor.structure import SCHEMA
from asya_schemas.actor.yaml_text import to_yaml

# Name, path, type; in the order of `kubectl get`.
COLUMNS = (
    ("Status", ".status.status", "string"),
    ("Running", ".status.readyReplicas", "integer"),
    ("Pending", ".status.pendingReplicas", "integer"),
    ("Failing", ".status.failingPods", "integer"),
    ("Total", ".status.totalReplicas", "integer"),
    ("Desired", ".status.desiredReplicas", "integer"),
    ("Min", ".spec.scaling.minReplicas", "integer"),
    ("Max", ".spec.scaling.maxReplicas", "integer"),
    ("Last-Scale", ".status.lastScaleFormatted", "string"),
    ("Age", ".metadata.creationTimestamp", "date"),
)
# Shown by `-o wide` only.
WIDE_COLUMNS = (
    ("Workload", ".status.workloadRef.kind", "string"),
    ("Transport", ".status.transportStatus", "string"),
    ("Scaling", ".status.scalingMode", "string"),
    ("Queued", ".status.queuedMessages", "integer"),
    ("Processing", ".status.processingMessages", "integer"),
)


def crd() -> dict[str, Any]:
    """The whole definition as Kubernetes' JSON, a new value at each call."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": LIST_KIND,
                "plural": PLURAL,
                "singular": SINGULAR,
                "shortNames": list(SHORT_NAMES),
            },
            "versions": [_version()],
        },
    }


def text() -> str:
    """The definition as YAML: the committed file and what `asya crd` prints."""
    return f"# Generated from the models in schemas/asya_schemas/actor by `make generate`.\n{to_yaml(crd())}"


def _version() -> dict[str, Any]:
    narrow = [{"name": name, "jsonPath": path, "type": kind} for name, path, kind in COLUMNS]
    wide = [{"name": name, "jsonPath": path, "type": kind, "priority": 1} for name, path, kind in WIDE_COLUMNS]
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": narrow + wide,
        "schema": {"openAPIV3Schema": deepcopy(SCHEMA)},
    }
