"""Every status by its real cause: actors that cannot work, each in a way that a kubelet, a scheduler or the API server finds by itself.

All are created together, because most of the time is the kubelet's own waiting. How long the controller takes from the sign that Kubernetes
gives to the word in the status is kept for bench-e2e.json.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from bench.report import at_most
from tests.support.actors import POD, RUNTIME
from tests.support.console import ROOT
from tests.support.controller_bed import condition, message
from tests.support.health import argocd, kstatus, must_show
from tests.support.kube.api import JSON, Api, path_of
from tests.support.kube.figures import keep
from tests.support.kube.images import HANDLERS
from tests.support.kube.installation import Actors, Installation
from tests.support.wait import until

pytestmark = [pytest.mark.node, pytest.mark.timeout(400)]

HELPER = {"name": "helper", "image": HANDLERS[0], "command": ["python3", "-c", "raise SystemExit('no helper today')"]}
Sign = Callable[[JSON], bool]


@dataclass(frozen=True, slots=True)
class Fault:
    """`changes` break an actor; `status`, `reason` and a part of the message are what must be said. `sign` is how Kubernetes shows it."""

    status: str
    reason: str
    said: str
    sign: Sign
    changes: tuple[Any, ...] = ()
    handler: str = "work.greet"
    spec: dict[str, Any] | None = None
    place: str = "plain"
    """Which namespace: plain, wrong (its Secret has another password), full (a quota of no pods) or restricted."""


def waiting(*reasons: str) -> Sign:
    """A container waits for one of these reasons."""
    return lambda pod: any(
        one.get("state", {}).get("waiting", {}).get("reason") in reasons for one in container_statuses(pod)
    )


def container_statuses(pod: JSON) -> list[JSON]:
    status = pod.get("status", {})
    return [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]


def unschedulable(pod: JSON) -> bool:
    found = pod.get("status", {}).get("conditions", ())
    return any(one["type"] == "PodScheduled" and one["status"] == "False" for one in found)


def refused(deployment: JSON) -> bool:
    found = deployment.get("status", {}).get("conditions", ())
    return any(one["type"] == "ReplicaFailure" and one["status"] == "True" for one in found)


def looping(pod: JSON) -> bool:
    """A crash loop, as far as the controller believes in one: waiting for its next start, or started twice before."""
    return waiting("CrashLoopBackOff")(pod) or any(one["restartCount"] >= 2 for one in container_statuses(pod))


def never(_: JSON) -> bool:
    """Kubernetes says it in an Event alone, which nobody watches."""
    return False


def claim(name: str) -> JSON:
    return {"name": "data", "persistentVolumeClaim": {"claimName": name}}


LOOP = "CrashLoopBackOff"
EMPTY = {"name": "ASYA_HANDLER", "valueFrom": {"configMapKeyRef": {"name": "empty", "key": "handler"}}}
FAULTS = {
    "no-image": Fault(
        "ImagePullError", "ImagePullFailed", "localhost/nothing:1", waiting("ErrImagePull", "ImagePullBackOff"),
        (((*RUNTIME, "image"), "localhost/nothing:1"),),
    ),
    "no-module": Fault("RuntimeError", "RuntimeCrashLoop", "nowhere", looping, handler="nowhere.handle"),
    "no-handler": Fault(
        "ConfigError", "RuntimeMisconfigured", "ASYA_HANDLER", looping, (((*RUNTIME, "env", 0), EMPTY),)
    ),
    "no-python": Fault(
        "ConfigError", "InterpreterNotFound", "/no/python", waiting("RunContainerError", LOOP),
        spec={"workload": {"pythonExecutable": "/no/python"}},
    ),
    "wrong-password": Fault("SidecarError", "SidecarCrashLoop", "refuses the user or the password", looping, place="wrong"),
    "too-big": Fault(
        "PendingResources", "InsufficientResources", "Insufficient cpu", unschedulable,
        (((*RUNTIME, "resources"), {"requests": {"cpu": "500"}}),),
    ),
    "no-such-node": Fault(
        "WorkloadError", "Unschedulable", "node", unschedulable, (((*POD, "nodeSelector"), {"accelerator": "a100"}),)
    ),
    "no-secret": Fault(
        "ConfigError", "ConfigNotFound", "absent", waiting("CreateContainerConfigError"),
        (((*RUNTIME, "env", 1), {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "absent", "key": "key"}}}),),
    ),
    "no-configmap": Fault(
        "ConfigError", "ConfigNotFound", "absent", never,
        (
            ((*POD, "volumes"), [{"name": "data", "configMap": {"name": "absent"}}]),
            ((*RUNTIME, "volumeMounts"), [{"name": "data", "mountPath": "/data"}]),
        ),
    ),
    "unbound": Fault(
        "VolumeError", "VolumeNotBound", "unbound", unschedulable,
        (((*POD, "volumes"), [claim("unbound")]), ((*RUNTIME, "volumeMounts"), [{"name": "data", "mountPath": "/data"}])),
    ),
    "helper-loops": Fault("WorkloadError", "PodsFailing", "helper", looping, (((*POD, "containers", 1), HELPER),)),
    "init-loops": Fault("WorkloadError", "PodsFailing", "helper", looping, (((*POD, "initContainers"), [HELPER]),)),
    "quota": Fault("PendingResources", "QuotaExceeded", "exceeded quota", refused, place="full"),
    "not-restricted": Fault("ConfigError", "PodRejected", "violates PodSecurity", refused, place="restricted"),
}  # fmt: skip


class Watch:
    """Notes when Kubernetes showed a fault, when the actor's status said it, and what it has said since.

    Each kind is watched on its own connection, from before the actors are made.
    """

    def __init__(self, api: Api) -> None:
        self.shown: dict[str, float] = {}
        self.said: dict[str, float] = {}
        self.since: dict[str, set[str]] = {}
        self._api = api
        for resource in ("pods", "deployments", "asyncactors"):
            version = api.ask("GET", path_of(resource))["metadata"]["resourceVersion"]
            threading.Thread(target=self._follow, args=(resource, version), daemon=True).start()

    def _follow(self, resource: str, version: str) -> None:
        for event in self._api.watch(resource, "", version, timeout_s=300):
            now = time.monotonic()
            found = event["object"]
            metadata = found.get("metadata", {})
            if resource == "asyncactors":
                name, status = metadata["name"], found.get("status") or {}
                fault = FAULTS.get(name)
                if fault and condition(status, "WorkloadReady")[1] == fault.reason:
                    self.said.setdefault(name, now)
                if name in self.said:
                    self.since.setdefault(name, set()).add(status["status"])
            else:
                name = metadata.get("labels", {}).get("asya.sh/actor")
                if name in FAULTS and FAULTS[name].sign(found):
                    self.shown.setdefault(name, now)


@pytest.fixture(scope="module")
def watch(installation: Installation) -> Watch:
    return Watch(installation.api)


@pytest.fixture(scope="module")
def broken(installation: Installation, watch: Watch) -> Iterator[dict[str, Actors]]:
    """Namespace of each broken actor; all of them created, and watched."""
    api = installation.api
    with ExitStack() as stack:
        places = {
            "plain": stack.enter_context(installation.namespace()),
            "wrong": stack.enter_context(installation.namespace(password="not-this-one")),
            "full": stack.enter_context(installation.namespace()),
            "restricted": stack.enter_context(
                installation.namespace(**{"pod-security.kubernetes.io/enforce": "restricted"})
            ),
        }
        quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
        api.create("resourcequotas", places["full"].namespace, quota)
        until(
            lambda: api.get("resourcequotas", places["full"].namespace, "none").get("status", {}).get("hard"),
            what="the quota is in force",
        )
        plain = places["plain"].namespace
        api.create("configmaps", plain, {"metadata": {"name": "empty"}, "data": {"handler": ""}})
        storage = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        api.create("persistentvolumeclaims", plain, {"metadata": {"name": "unbound"}, "spec": storage})
        for name, fault in FAULTS.items():
            places[fault.place].create(name, *fault.changes, handler=fault.handler, **(fault.spec or {}))
        yield {name: places[fault.place] for name, fault in FAULTS.items()}
        seen = {name: watch.said[name] - at for name, at in watch.shown.items() if name in watch.said}
        keep(at_most("fault_to_status_s", "s", 0.5, [max(0.0, value) for value in seen.values()]))


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_in_the_status_by_its_real_cause(name: str, broken: dict[str, Actors]) -> None:
    fault = FAULTS[name]
    actors = broken[name]
    status = actors.reaches(name, fault.status, fault.reason, 120)
    assert fault.said in status["message"]
    assert status["message"] == message(status, "WorkloadReady") == message(status, "Ready")
    found = {kind: condition(status, kind) for kind in ("WorkloadReady", "Ready", "TransportReady")}
    assert found == {
        "WorkloadReady": ("False", fault.reason),
        "Ready": ("False", fault.status),
        "TransportReady": ("True", "QueueReady"),
    }
    pods = 0 if fault.sign is refused else 1
    assert (status["readyReplicas"], status["failingPods"], status["totalReplicas"]) == (0, pods, pods)
    item = actors.api.get("asyncactors", actors.namespace, name)
    assert (kstatus(item), argocd(item)["status"]) == must_show(item)

    def told() -> bool:
        events = actors.api.items("events", actors.namespace)
        mine = (event for event in events if event["regarding"].get("uid") == item["metadata"]["uid"])
        return any((event["type"], event["reason"]) == ("Warning", fault.status) for event in mine)

    until(told, what=f"an Event {fault.status}")


def test_what_was_missing_is_created_and_the_actor_recovers_alone(broken: dict[str, Actors]) -> None:
    for name in ("no-secret", "no-configmap"):
        broken[name].reaches(name, "ConfigError", "ConfigNotFound", 120)
    actors = broken["no-secret"]
    actors.api.create("secrets", actors.namespace, {"metadata": {"name": "absent"}, "stringData": {"key": "k"}})
    actors.api.create("configmaps", actors.namespace, {"metadata": {"name": "absent"}, "data": {"key": "k"}})
    for name in ("no-secret", "no-configmap"):
        status = actors.reaches(name, "Running", "WorkloadAvailable", 180)
        assert condition(status, "Ready")[0] == "True"


def test_the_end_actors_run_where_the_restricted_profile_is_enforced(broken: dict[str, Actors]) -> None:
    actors = broken["not-restricted"]
    actors.cluster.kubectl("apply", "--namespace", actors.namespace, "-k", str(ROOT / "kustomize" / "end-actors"))
    for name in ("x-sink", "x-sump"):
        status = actors.reaches(name, "Running", "ScaledObjectReady", 90)
        assert condition(status, "Ready")[0] == "True"


def test_what_is_broken_keeps_its_status_while_kubernetes_tries_again_and_again(
    broken: dict[str, Actors], watch: Watch
) -> None:
    lasting = FAULTS.keys() - {"no-secret", "no-configmap"}  # mended above
    for name in lasting:
        broken[name].reaches(name, FAULTS[name].status, FAULTS[name].reason, 120)
    assert {name: watch.since[name] for name in lasting} == {name: {FAULTS[name].status} for name in lasting}
