"""From a commit to running actors by a real Flux, with the manifests of gitops/flux: health by kstatus, failure, pruning, no drift.

Git is served over HTTP, both of Flux' controllers and ours are real processes on a real API server and a real broker. No kubelet runs
here, so a thread makes pods ready and speaks for KEDA, when the test lets it.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.support.console import ROOT
from tests.support.controller_bed import Bed, bed
from tests.support.git_server import Repository, git_server
from tests.support.kube.api import MERGE
from tests.support.kube.cluster import Cluster
from tests.support.kube.flux import Flux, flux
from tests.support.kube.hands import hands
from tests.support.rabbitmq import shared_node
from tests.support.wait import until

JSON = dict[str, Any]
T = TypeVar("T")
EXAMPLES = ROOT / "gitops" / "examples"
# What a person may write and an API server keeps as written: none of it may look like a change at the next pass.
ODD = """\
apiVersion: asya.sh/v1alpha1
kind: AsyncActor
metadata: {name: odd, labels: {asya.sh/flow: demo}}
spec:
  transport: rabbitmq
  timeout: {processing: 120}
  workload:
    template:
      metadata: {labels: {team: nlp}, annotations: {note: ""}}
      spec:
        nodeSelector: {}
        containers:
        - name: asya-runtime
          image: registry.example.com/odd:1
          env:
          - {name: ASYA_HANDLER, value: odd.f}
          - {name: EMPTY, value: ""}
          resources: {requests: {cpu: "1000m", memory: 1e9}, limits: {memory: 2048Mi}}
"""
BROKEN = """\
apiVersion: asya.sh/v1alpha1
kind: AsyncActor
metadata: {name: broken}
spec:
  transport: kafka
  workload: {template: {spec: {containers: [{name: asya-runtime, image: i, env: [{name: ASYA_HANDLER, value: a.b}]}]}}}
"""


class Scene:
    """A namespace whose actors come from a repository."""

    def __init__(self, home: Bed, controllers: Flux, repository: Repository) -> None:
        self.home = home
        self.flux = controllers
        self.repository = repository
        self.name = home.namespace

    def install(self, folder: Path) -> None:
        """Let Flux follow the repository."""
        self.flux.follow(self.repository.url, self.name, folder)

    def actors(self) -> dict[str, JSON]:
        """Name -> actor."""
        return {item["metadata"]["name"]: item for item in self.home.api.items("asyncactors", self.name)}

    def applied(self, commit: str) -> None:
        """Wait until Flux says that this commit is applied and healthy."""
        self.flux.applied(self.name, commit)

    def until(self, condition: Callable[[], T], what: str, within_s: float = 90) -> T:
        """Wait; a failure says what Flux has to say."""
        return self.flux.until(self.name, condition, what, within_s)


@pytest.fixture(scope="module")
def controllers(cluster: Cluster) -> Iterator[Flux]:
    with flux(cluster) as found:
        yield found


@pytest.fixture
def scene(cluster: Cluster, controllers: Flux, tmp_path: Path) -> Iterator[Scene]:
    (tmp_path / "git").mkdir()
    (tmp_path / "overlay").mkdir()
    with bed(cluster, shared_node()) as home, git_server(tmp_path / "git") as server:
        repository = server.repository("actors")
        found = Scene(home, controllers, repository)
        try:
            repository.commit({"README.md": "Actors of team a\n"})
            yield found
        finally:
            controllers.leave(found.name)


def examples() -> dict[str, str]:
    """The actors of gitops/examples as files of the repository."""
    return {f"actors/{path.relative_to(EXAMPLES)}": path.read_text() for path in sorted(EXAMPLES.glob("*/*.yaml"))}


def document(name: str, **more: str) -> str:
    """A small actor."""
    return BROKEN.replace("broken", name).replace("kafka", more.get("transport", "rabbitmq"))


@pytest.mark.timeout(300)
def test_a_commit_becomes_healthy_actors_and_nothing_looks_like_drift(scene: Scene, tmp_path: Path) -> None:
    commit = scene.repository.commit(examples() | {"actors/odd.yaml": ODD})
    scene.install(tmp_path / "overlay")
    scene.until(lambda: len(scene.actors()) == len(examples()) + 1, "all actors are there")
    waiting = scene.until(lambda: scene.flux.ready(scene.name), "Flux says something")
    assert waiting["status"] == "Unknown", "no pod is ready yet, so Flux waits"
    with hands(scene.home.api, scene.name):
        scene.applied(commit)
    assert {item["status"]["status"] for item in scene.actors().values()} <= {"Running", "Napping"}
    assert "odd" in scene.actors()

    # What an autoscaler does to a workload is no business of Flux.
    path = f"/apis/apps/v1/namespaces/{scene.name}/deployments/nap/scale"
    scene.home.api.ask("PATCH", path, {"spec": {"replicas": 3}}, MERGE)
    with hands(scene.home.api, scene.name):
        scene.home.has_pods("nap", 3)
        scene.home.reaches("nap", "Running")

    def undisturbed() -> bool:
        """Three whole passes of Flux with nobody writing any actor in between."""
        before = {name: item["metadata"]["resourceVersion"] for name, item in scene.actors().items()}
        for _ in range(3):
            scene.flux.reconciled(scene.name)
        return before == {name: item["metadata"]["resourceVersion"] for name, item in scene.actors().items()}

    scene.until(undisturbed, "three passes that change nothing", 120)
    assert scene.home.deployment("nap")["spec"]["replicas"] == 3
    told = scene.flux.told(scene.name)
    assert any("AsyncActor" in note and "created" in note for note in told), told
    assert not [note for note in told if "configured" in note], told


@pytest.mark.timeout(240)
def test_a_broken_actor_is_reported_then_mended_and_one_that_left_the_repository_goes(
    scene: Scene, tmp_path: Path
) -> None:
    scene.install(tmp_path / "overlay")
    commit = scene.repository.commit({"actors/a.yaml": document("a"), "actors/b.yaml": document("b")})
    with hands(scene.home.api, scene.name):
        scene.applied(commit)

        scene.repository.commit({"actors/broken.yaml": BROKEN})

        def failed() -> JSON:
            found = scene.flux.ready(scene.name)
            return found if found.get("status") == "False" else {}

        verdict = scene.until(failed, "Flux reports the failure")
        assert verdict["reason"] == "HealthCheckFailed"
        assert f"AsyncActor/{scene.name}/broken status: 'Failed'" in verdict["message"]
        words = "transport 'kafka' not found in operator configuration"
        wait = scene.home.cluster.kubectl(
            "get", "asya", "broken", "-n", scene.name, "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].message}"
        )
        assert wait.stdout == words

        scene.applied(scene.repository.commit({"actors/broken.yaml": document("broken")}))

        scene.applied(scene.repository.commit({"actors/a.yaml": None}))
        scene.until(lambda: set(scene.actors()) == {"b", "broken"}, "the actor that left is gone")
        until(lambda: scene.home.child("deployments", "a") is None, 30, 0.2, what="its workload is gone")
        assert scene.home.queue("b") in scene.home.queues()
        until(lambda: scene.home.queue("a") not in scene.home.queues(), 60, 0.2, what="its empty queue is gone")
