"""All sixteen statuses on a real API server, as Flux and Argo CD read them.

One controller, one actor for each status, its cause played where no kubelet runs. A watch keeps every version of every actor, and all are
held against the specification's table. recorded/asyncactors.json keeps one of each for tests without a cluster; ASYA_WRITE_RECORDED=1
writes it anew.
"""

import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.actors import POD
from tests.support.controller_bed import Bed, bed, stamp
from tests.support.health import STATUSES, argocd, kstatus, must_show
from tests.support.kube.api import MERGE, path_of
from tests.support.kube.cluster import Cluster
from tests.support.rabbitmq import shared_node
from tests.support.wait import until

JSON = dict[str, Any]
RECORDED = Path(__file__).parent / "recorded" / "asyncactors.json"


class Seen:
    """Every version of the actors in a namespace, from a watch; also of those that come before it is answered."""

    def __init__(self, home: Bed) -> None:
        self.versions: list[JSON] = []
        self._home = home
        version = home.api.ask("GET", path_of("asyncactors", home.namespace))["metadata"]["resourceVersion"]
        self._thread = threading.Thread(target=self._watch, args=(version,), daemon=True)
        self._thread.start()

    def _watch(self, version: str) -> None:
        for event in self._home.api.watch("asyncactors", self._home.namespace, version, 300):
            if event["type"] in ("ADDED", "MODIFIED"):
                self.versions.append(event["object"])

    def of(self, name: str, status: str) -> JSON | None:
        """The newest version of an actor with this status."""
        found = [item for item in self.versions if item["metadata"]["name"] == name]
        return next((item for item in reversed(found) if (item.get("status") or {}).get("status") == status), None)


@pytest.fixture(scope="module")
def home(cluster: Cluster) -> Iterator[Bed]:
    with bed(cluster, shared_node()) as found:
        yield found


@pytest.fixture(scope="module")
def seen(home: Bed) -> Seen:
    return Seen(home)


def running(home: Bed, name: str) -> None:
    home.create(name)
    home.make_ready(name, 1)


def napping(home: Bed, name: str) -> None:
    home.create(name, scaling={"enabled": True})
    home.keda_says(name)


def scaled_to(home: Bed, name: str, replicas: int) -> None:
    path = f"/apis/apps/v1/namespaces/{home.namespace}/deployments/{name}/scale"
    home.api.ask("PATCH", path, {"spec": {"replicas": replicas}}, MERGE)


def scaling_down(home: Bed, name: str) -> None:
    napping(home, name)
    home.reaches(name, "Napping")
    scaled_to(home, name, 2)
    home.make_ready(name, 2)
    home.reaches(name, "Running")
    for pod in home.pods(name):
        hold(home, pod, ["test/hold"])
    scaled_to(home, name, 1)


def hold(home: Bed, pod: JSON, finalizers: list[str] | None) -> None:
    """A pod that is deleted stays until nobody holds it: what a kubelet's grace looks like from here."""
    home.api.patch("pods", home.namespace, pod["metadata"]["name"], {"metadata": {"finalizers": finalizers}})


def degraded(home: Bed, name: str) -> None:
    """The Deployment's controller says that it waits no more; it keeps that word once it stands there."""
    home.create(name)
    home.has_pods(name, 1)
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}
    path = f"/apis/apps/v1/namespaces/{home.namespace}/deployments/{name}/status"
    home.api.ask("PATCH", path, {"status": {"conditions": [late]}}, MERGE)


def unschedulable(words: str) -> Callable[[Bed, str], None]:
    def play(home: Bed, name: str) -> None:
        home.create(name)
        (pod,) = home.has_pods(name, 1)
        scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": words}
        home.set_status(pod, {"phase": "Pending", "conditions": [scheduled | {"lastTransitionTime": stamp()}]})

    return play


def failing(container: str, state: JSON, restarts: int = 0, last: JSON | None = None) -> Callable[[Bed, str], None]:
    def play(home: Bed, name: str) -> None:
        home.create(name)
        (pod,) = home.has_pods(name, 1)
        home.make_failing(pod, container, {"waiting": state}, restarts, last)

    return play


def foreign_scaler(home: Bed, name: str) -> None:
    theirs = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": name},
        "spec": {"scaleTargetRef": {"name": name}, "triggers": [{"type": "cron", "metadata": {}}]},
    }
    home.api.create("scaledobjects", home.namespace, theirs)
    home.create(name, scaling={"enabled": True})


def terminating(home: Bed, name: str) -> None:
    running(home, name)
    home.reaches(name, "Running")
    (pod,) = home.pods(name)
    hold(home, pod, ["test/hold"])
    home.delete(name)


LOOP = {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}
EXITED = {"terminated": {"exitCode": 3, "reason": "Error", "message": "ModuleNotFoundError: No module named 'shop'"}}
PLAYS: dict[str, Callable[[Bed, str], object]] = {
    "Creating": running,
    "Running": running,
    "Napping": napping,
    "ScalingUp": lambda home, name: home.create(name),
    "ScalingDown": scaling_down,
    "Degraded": degraded,
    "TransportError": lambda home, name: home.create(name, transport="kafka"),
    "PendingResources": unschedulable("0/3 nodes are available: 3 Insufficient cpu."),
    "ImagePullError": failing("asya-runtime", {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}),
    "RuntimeError": failing("asya-runtime", LOOP, 3, EXITED),
    "SidecarError": failing("asya-sidecar", LOOP, 3, {"terminated": {"exitCode": 1, "reason": "Error"}}),
    "VolumeError": unschedulable("0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims."),
    "ConfigError": lambda home, name: home.create(
        name, ((*POD, "volumes"), [{"name": "d", "hostPath": {"path": "/d"}}])
    ),
    "WorkloadError": unschedulable("0/3 nodes are available: 3 node(s) had untolerated taint {gpu: }."),
    "ScalingError": foreign_scaler,
    "Terminating": terminating,
}


def test_every_status_has_a_play() -> None:
    assert set(PLAYS) == STATUSES


@pytest.mark.timeout(240)
def test_tools_read_every_status_as_the_specification_says(home: Bed, seen: Seen) -> None:
    names = {status: f"is-{status.lower()}" for status in PLAYS}
    for status, play in PLAYS.items():
        play(home, names[status])
    found: dict[str, JSON] = {}
    for status, name in names.items():
        item = until(lambda name=name, status=status: seen.of(name, status), 60, 0.1, what=f"{name} is {status}")
        assert item is not None
        found[status] = item
    for pod in home.api.items("pods", home.namespace):
        if pod["metadata"].get("finalizers"):
            hold(home, pod, None)
    home.gone(names["Terminating"])
    assert {item["status"]["status"] for item in seen.versions if "status" in item["status"]} == STATUSES
    for item in seen.versions:
        assert (kstatus(item), argocd(item)["status"]) == must_show(item), item
    # The default of observedGeneration keeps both waiting before the controller has looked.
    first = [item for item in seen.versions if "status" not in item["status"]]
    assert {(kstatus(item), argocd(item)["status"]) for item in first} == {("InProgress", "Progressing")}
    if os.environ.get("ASYA_WRITE_RECORDED"):
        RECORDED.parent.mkdir(exist_ok=True)
        for item in found.values():
            item["metadata"].pop("managedFields")
        RECORDED.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


@pytest.mark.parametrize("status", sorted(STATUSES))
def test_the_recorded_actor_is_read_as_the_specification_says(status: str) -> None:
    item = json.loads(RECORDED.read_text())[status]
    assert item["status"]["status"] == status
    assert (kstatus(item), argocd(item)["status"]) == must_show(item)
    assert argocd(item)["message"] == item["status"].get("message", "")


def test_suspending_is_shown_before_everything_else() -> None:
    for item in json.loads(RECORDED.read_text()).values():
        item["metadata"]["annotations"] = {"asya.sh/suspend": "true"}
        assert argocd(item)["status"] == "Suspended"
        assert must_show(item)[1] == "Suspended"
