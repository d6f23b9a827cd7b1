"""A real Flux brings an actor that a real KEDA scales: nobody sees a change that is none, and nobody undoes what another one did.

tests/gitops/test_flux.py has what Flux does with many actors, broken ones and pruning, where no pods are needed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.console import ROOT
from tests.support.git_server import git_server
from tests.support.kube.flux import flux
from tests.support.kube.installation import Actors
from tests.support.kube.traffic import Traffic
from tests.support.manifests import as_yaml, objects
from tests.support.wait import until

pytestmark = [pytest.mark.node, pytest.mark.timeout(400)]

SCALED = {
    "enabled": True, "minReplicas": 0, "maxReplicas": 3, "pollingInterval": 1, "cooldownPeriod": 60, "queueLength": 1,
}  # fmt: skip
CHILDREN = ("deployments", "scaledobjects", "triggerauthentications", "horizontalpodautoscalers")


def generations(actors: Actors, *kinds: str) -> dict[str, int]:
    """Object -> generation, of what the mesh and KEDA made. An HPA has none: its autoscaling/v2 spec counts as version."""
    found = {
        f"{kind}/{item['metadata']['name']}": item
        for kind in kinds
        for item in actors.api.items(kind, actors.namespace)
    }
    return {name: item["metadata"].get("generation", 0) for name, item in found.items()}


def test_neither_flux_nor_argo_cd_sees_a_change_while_keda_scales(
    actors: Actors, traffic: Callable[[Actors], Traffic], tmp_path: Path
) -> None:
    document = actors.document("doze", handler="work.doze", scaling=SCALED, timeout={"processing": 60})
    del document["metadata"]["namespace"]  # as in git: Flux says which
    written = as_yaml(document)
    (application,) = objects((ROOT / "gitops" / "argocd" / "application.yaml").read_text())
    (tmp_path / "git").mkdir()
    (tmp_path / "overlay").mkdir()
    with flux(actors.cluster) as controllers, git_server(tmp_path / "git") as server:
        repository = server.repository("actors")
        commit = repository.commit({"actors/doze.yaml": written})
        controllers.follow(repository.url, actors.namespace, tmp_path / "overlay")
        try:
            controllers.applied(actors.namespace, commit)
            actors.reaches("doze", "Napping", "ScaledObjectReady")
            before = generations(actors, "asyncactors", "scaledobjects", "triggerauthentications")

            def unchanged() -> None:
                """As Flux sees it in a whole pass, and as Argo CD does with the options of gitops/argocd."""
                controllers.reconciled(actors.namespace)
                assert application["spec"]["syncPolicy"]["syncOptions"] == ["ServerSideApply=true"]
                how = ("--server-side", "--force-conflicts", "--field-manager=argocd-controller")
                actors.cluster.kubectl("diff", *how, "-n", actors.namespace, "-f", "-", text=written)  # 1: a difference

            unchanged()
            mail = traffic(actors)
            for _ in range(6):
                mail.send("doze", {"seconds": 2})
            until(lambda: len(actors.pods("doze")) == SCALED["maxReplicas"], 60, 0.1, what="KEDA has scaled")
            unchanged()
            actors.reaches("doze", "Running", "ScaledObjectReady", 90)
            mail.settle()
            unchanged()
            assert len(actors.pods("doze")) == SCALED["maxReplicas"], "nobody has taken KEDA's decision back"
            assert generations(actors, "asyncactors", "scaledobjects", "triggerauthentications") == before
            told = controllers.told(actors.namespace)
            assert not [note for note in told if "configured" in note], told
            for kind in CHILDREN:  # what Argo CD would take for its own
                for child in actors.api.items(kind, actors.namespace):
                    assert "app.kubernetes.io/instance" not in child["metadata"].get("labels", {}), child
        finally:
            controllers.leave(actors.namespace)
