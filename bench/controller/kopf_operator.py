"""What a user of kopf would write for an AsyncActor, without any children: a status that tells of the generation, and a finalizer.

Run by `kopf run` in an environment of its own; bench/controller/kopf_peer.py starts it. It makes nothing, asks no broker and watches
nothing but the AsyncActors: the least an operator in kopf can do.
"""

from typing import Any

import kopf


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    """Progress goes into annotations: the CRD keeps no unknown fields of the status."""
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix="bench.asya.sh")
    settings.persistence.finalizer = "bench.asya.sh/finalizer"
    settings.posting.enabled = False


@kopf.on.create("asya.sh", "v1alpha1", "asyncactors")
@kopf.on.update("asya.sh", "v1alpha1", "asyncactors")
def converge(meta: Any, patch: Any, **_: Any) -> None:
    """Say that it is fine."""
    patch.status["status"] = "Napping"
    patch.status["observedGeneration"] = meta["generation"]
    patch.status["desiredReplicas"] = 0


@kopf.on.delete("asya.sh", "v1alpha1", "asyncactors")
def gone(**_: Any) -> None:
    """Nothing has to be removed."""
