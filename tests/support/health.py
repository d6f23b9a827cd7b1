"""What tools make of an actor: Argo CD by its script, run by the Lua 5.1 that it embeds, Flux by kstatus, and what both must say.

`must_show` is the table of the specification (crd.md, How tools read it), written without looking at the script. Used by tests/gitops and,
for every status that any test on a cluster makes the controller write, by tests/support/kube/oracles.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from lupa import lua51

from tests.support.console import ROOT

SCRIPT = ROOT / "gitops" / "argocd" / "health.lua"
ERRORS = frozenset(
    {
        "ImagePullError",
        "RuntimeError",
        "SidecarError",
        "VolumeError",
        "ConfigError",
        "WorkloadError",
        "TransportError",
        "ScalingError",
        "Degraded",
    }
)
STATUSES = ERRORS | {"Creating", "Running", "Napping", "ScalingUp", "ScalingDown", "PendingResources", "Terminating"}
"""All sixteen."""


@cache
def _script() -> str:
    return SCRIPT.read_text()


def argocd(document: Mapping[str, Any]) -> dict[str, str]:
    """`status` and `message` as Argo CD gets them: `obj` is a global table, the answer a table."""
    lua = lua51.LuaRuntime()
    lua.globals().obj = lua.table_from(document, recursive=True)
    return dict(lua.execute(_script()))


def conditions(document: Mapping[str, Any]) -> dict[str, str]:
    """Type -> status."""
    found = (document.get("status") or {}).get("conditions") or ()
    return {entry["type"]: entry["status"] for entry in found}


def kstatus(document: Mapping[str, Any]) -> str:
    """What Flux' library says of a kind that it does not know: the standard conditions in its order."""
    metadata, status = document["metadata"], document.get("status") or {}
    if metadata.get("deletionTimestamp"):
        return "Terminating"
    if status.get("observedGeneration", metadata["generation"]) != metadata["generation"]:
        return "InProgress"  # one that says nothing is believed: hence the CRD's default of -1
    found = conditions(document)
    if found.get("Reconciling") == "True":
        return "InProgress"
    if found.get("Stalled") == "True":
        return "Failed"
    return "Current" if found.get("Ready", "True") == "True" else "InProgress"


def must_show(document: Mapping[str, Any]) -> tuple[str, str]:
    """(Flux, Argo CD) for an actor, as the specification's table has it."""
    metadata, status = document["metadata"], document.get("status") or {}
    found = conditions(document)
    name = status.get("status")
    waits = status.get("observedGeneration") != metadata["generation"]
    is_ready, is_stalled = found.get("Ready") == "True", found.get("Stalled") == "True"
    if metadata.get("deletionTimestamp"):
        flux = "Terminating"
    elif waits or name in (None, "Creating"):
        flux = "InProgress"
    elif name in ("Running", "Napping", "ScalingUp", "ScalingDown"):
        flux = "Current" if is_ready else "InProgress"
    else:
        flux = "Failed" if is_stalled else "InProgress"
    if (metadata.get("annotations") or {}).get("asya.sh/suspend") == "true":
        argo = "Suspended"
    elif metadata.get("deletionTimestamp") or waits or name in (None, "Creating"):
        argo = "Progressing"
    elif name in ERRORS or (name == "PendingResources" and is_stalled):
        argo = "Degraded"
    else:
        argo = "Healthy" if is_ready else "Progressing"
    return flux, argo
