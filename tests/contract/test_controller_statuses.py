"""All sixteen statuses, each by its cause on a real API server, and how each looks to people and tools (contract:
controller 11, crd 7 to 9).

Looked at are the conditions, the Events, the row of `kubectl get asya -o wide`, what `kubectl wait` waits for, and what Flux would say.
Pods' own words are written as a kubelet writes them; everything else is real.
A little over the usual length: it is one table, a row for each status.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.actors import POD, RUNTIME
from tests.support.controller_bed import WITHIN_S, Bed, bed, condition, ready
from tests.support.health import kstatus
from tests.support.kube.cluster import CRD, Cluster, documents
from tests.support.kube.seen import row
from tests.support.rabbitmq import shared_node
from tests.support.wait import until

JSON = dict[str, Any]
EARLIER = "00000000-0000-0000-0000-000000000000"
LOOPING = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}}


@pytest.fixture(scope="module")
def home(cluster: Cluster) -> Iterator[Bed]:
    """One controller for the tests of this module."""
    with bed(cluster, shared_node()) as found:
        yield found


# --- causes -----------------------------------------------------------------------------------------------------------


def creating(home: Bed, name: str) -> None:
    """The Deployment of an earlier actor of this name is still going, and is waited for."""
    labels = {"asya.sh/actor": name}
    before = {"apiVersion": "asya.sh/v1alpha1", "kind": "AsyncActor", "name": name, "uid": EARLIER, "controller": True}
    meta = {"name": name, "labels": labels, "ownerReferences": [before], "finalizers": ["test/hold"]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "old"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    home.api.create("deployments", home.namespace, {"metadata": meta, "spec": spec})
    home.create(name)


def running(home: Bed, name: str) -> None:
    home.create(name, workload={"replicas": 2})
    home.make_ready(name, 2)


def napping(home: Bed, name: str) -> None:
    home.create(name, scaling={"enabled": True})
    home.keda_says(name)


def scaling_up(home: Bed, name: str) -> None:
    home.create(name, workload={"replicas": 3})
    home.set_status(home.has_pods(name, 3)[0], ready(home.pods(name)[0]))


def scaling_down(home: Bed, name: str) -> None:
    """Five pods, three wanted: the two that go take their time."""
    home.create(name, scaling={"enabled": True})
    home.keda_says(name)
    home.reaches(name, "Napping")  # else nobody has seen it at zero
    home.scale(name, 5)
    home.make_ready(name, 5)
    home.reaches(name, "Running")
    until(lambda: condition(home.status(name), "Ready")[0] == "True", what="it has been Ready")
    home.hold(*home.pods(name))
    home.scale(name, 3)


def degraded(home: Bed, name: str) -> None:
    """A shortage that began five minutes ago, as the status would say."""
    home.create(name, workload={"replicas": 2})
    home.set_status(home.has_pods(name, 2)[0], ready(home.pods(name)[0]))
    until(lambda: home.status(name).get("readyReplicas") == 1, what="one is ready")
    home.short_for(name, 5 * 60)


def transport_error(home: Bed, name: str) -> None:
    home.create(name, transport="kafka")


def pending_resources(home: Bed, name: str) -> None:
    home.create(name)
    words = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
    waits = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": words}]
    home.set_status(home.has_pods(name, 1)[0], {"conditions": waits})


def image_pull_error(home: Bed, name: str) -> None:
    failing(home, name, "asya-runtime", {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}})


def runtime_error(home: Bed, name: str) -> None:
    failing(home, name, "asya-runtime", LOOPING, 4, ended(3, "ModuleNotFoundError: No module named 'shop'"))


def sidecar_error(home: Bed, name: str) -> None:
    failing(home, name, "asya-sidecar", LOOPING, 4, ended(4, "ACCESS_REFUSED: login was refused"))


def volume_error(home: Bed, name: str) -> None:
    home.create(name)
    words = "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims."
    waits = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": words}]
    home.set_status(home.has_pods(name, 1)[0], {"conditions": waits})


def config_error(home: Bed, name: str) -> None:
    home.create(name, ((*POD, "hostNetwork"), True))


def workload_error(home: Bed, name: str) -> None:
    home.create(name, ((*POD, "containers", 1), {"name": "cache", "image": "redis:7"}))
    home.make_failing(home.has_pods(name, 1)[0], "cache", LOOPING, 4, ended(1))


def scaling_error(home: Bed, name: str) -> None:
    """Somebody else's ScaledObject has the name."""
    home.somebody_scales(name)
    home.create(name, scaling={"enabled": True})


def terminating(home: Bed, name: str) -> None:
    home.create(name)
    home.make_ready(name, 1)
    home.reaches(name, "Running")
    home.hold(*home.pods(name))
    home.delete(name)


def failing(home: Bed, name: str, container: str, state: JSON, restarts: int = 0, last: JSON | None = None) -> None:
    home.create(name)
    home.make_failing(home.has_pods(name, 1)[0], container, state, restarts, last)


def ended(code: int, text: str = "") -> JSON:
    return {"terminated": {"exitCode": code, "reason": "Error", "message": text, "finishedAt": "2026-01-01T00:00:00Z"}}


# --- what is seen -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """A cause, and what it looks like: conditions as `Type: status reason`, cells of the row as `COLUMN=text`."""

    cause: Callable[[Bed, str], None]
    conditions: str
    cells: str
    flux: str
    events: tuple[str, ...] = ()


MADE = ("QueueCreated", "WorkloadCreated")
FIXED = "MIN= MAX= WORKLOAD=Deployment TRANSPORT=Ready SCALING=Manual QUEUED=0 PROCESSING=0 LAST-SCALE=-"
SCALED = "MIN=0 MAX=50 WORKLOAD=Deployment TRANSPORT=Ready SCALING=KEDA QUEUED=0 PROCESSING=0"
ONE_FAILS = f"RUNNING=0 PENDING=0 FAILING=1 TOTAL=1 DESIRED=1 {FIXED}"
USABLE = "TransportReady: True QueueReady"


def broken(value: str, reason: str) -> str:
    """The conditions of an actor one of whose pods fails."""
    return f"{USABLE}; WorkloadReady: False {reason}; Ready: False {value}; Reconciling: True WaitingForPods"


STATUSES: dict[str, Seen] = {
    "Creating": Seen(
        creating,
        "Ready: False Creating; Reconciling: True Creating",
        "RUNNING=0 PENDING=0 FAILING=0 TOTAL=0 DESIRED= MIN= MAX= TRANSPORT=NotReady SCALING=Manual QUEUED= PROCESSING=",
        "InProgress",
    ),
    "Running": Seen(
        running,
        f"{USABLE}; WorkloadReady: True WorkloadAvailable; Ready: True Running",
        f"RUNNING=2 PENDING=0 FAILING=0 TOTAL=2 DESIRED=2 {FIXED}",
        "Current",
        MADE,
    ),
    "Napping": Seen(
        napping,
        f"{USABLE}; WorkloadReady: True ScaledToZero; ScalingReady: True ScaledObjectReady; Ready: True Napping",
        f"RUNNING=0 PENDING=0 FAILING=0 TOTAL=0 DESIRED=0 {SCALED} LAST-SCALE=-",
        "Current",
        MADE,
    ),
    "ScalingUp": Seen(
        scaling_up,
        f"{USABLE}; WorkloadReady: Unknown Progressing; Ready: False ScalingUp; Reconciling: True WaitingForPods",
        f"RUNNING=1 PENDING=2 FAILING=0 TOTAL=3 DESIRED=3 {FIXED}",
        "InProgress",
        MADE,
    ),
    "ScalingDown": Seen(
        scaling_down,
        f"{USABLE}; WorkloadReady: True WorkloadAvailable; ScalingReady: True ScaledObjectReady; Ready: True ScalingDown",
        f"RUNNING=3 PENDING=0 FAILING=0 TOTAL=5 DESIRED=3 {SCALED} LAST-SCALE=<1m_ago_(down)",
        "Current",
        (*MADE, "ScaledFromZero"),
    ),
    "Degraded": Seen(
        degraded,
        f"{USABLE}; WorkloadReady: False ReplicasUnavailable; Ready: False Degraded; Reconciling: True WaitingForPods",
        f"RUNNING=1 PENDING=1 FAILING=0 TOTAL=2 DESIRED=2 {FIXED}",
        "InProgress",
        (*MADE, "Degraded"),
    ),
    "TransportError": Seen(
        transport_error,
        "TransportReady: False InvalidTransport; WorkloadReady: Unknown WaitingForTransport;"
        " Ready: False TransportError; Stalled: True InvalidTransport",
        "RUNNING=0 PENDING=0 FAILING=0 TOTAL=0 DESIRED=1 MIN= MAX= WORKLOAD= TRANSPORT=NotReady SCALING=Manual QUEUED=",
        "Failed",
        ("TransportError",),
    ),
    "PendingResources": Seen(
        pending_resources,
        broken("PendingResources", "InsufficientResources"),
        ONE_FAILS,
        "InProgress",
        (*MADE, "PendingResources"),
    ),
    "ImagePullError": Seen(
        image_pull_error,
        broken("ImagePullError", "ImagePullFailed"),
        ONE_FAILS,
        "InProgress",
        (*MADE, "ImagePullError"),
    ),
    "RuntimeError": Seen(
        runtime_error, broken("RuntimeError", "RuntimeCrashLoop"), ONE_FAILS, "InProgress", (*MADE, "RuntimeError")
    ),
    "SidecarError": Seen(
        sidecar_error, broken("SidecarError", "SidecarCrashLoop"), ONE_FAILS, "InProgress", (*MADE, "SidecarError")
    ),
    "VolumeError": Seen(
        volume_error, broken("VolumeError", "VolumeNotBound"), ONE_FAILS, "InProgress", (*MADE, "VolumeError")
    ),
    "ConfigError": Seen(
        config_error,
        "TransportReady: Unknown NotChecked; WorkloadReady: False PolicyViolation; Ready: False ConfigError;"
        " Stalled: True PolicyViolation",
        "RUNNING=0 PENDING=0 FAILING=0 TOTAL=0 DESIRED=1 MIN= MAX= WORKLOAD= TRANSPORT=NotReady SCALING=Manual QUEUED=",
        "Failed",
        ("ConfigError",),
    ),
    "WorkloadError": Seen(
        workload_error, broken("WorkloadError", "PodsFailing"), ONE_FAILS, "InProgress", (*MADE, "WorkloadError")
    ),
    "ScalingError": Seen(
        scaling_error,
        f"{USABLE}; WorkloadReady: True ScaledToZero; ScalingReady: False NameConflict; Ready: False ScalingError;"
        " Reconciling: True Retrying",
        f"RUNNING=0 PENDING=0 FAILING=0 TOTAL=0 DESIRED=0 {SCALED}",
        "InProgress",
        ("QueueCreated", "WorkloadCreated", "ScalingError"),
    ),
    "Terminating": Seen(
        terminating,
        "Ready: False Terminating; Reconciling: True Terminating",
        "TOTAL=1 MIN= MAX= SCALING=Manual",
        "Terminating",
        MADE,
    ),
}


def test_these_are_all_statuses_there_are() -> None:
    (crd,) = documents(CRD)
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
    assert set(STATUSES) == set(schema["status"]["enum"])


@pytest.mark.parametrize("value", STATUSES)
def test_each_status_is_seen_by_people_and_tools(home: Bed, value: str) -> None:
    seen, name = STATUSES[value], f"s-{value.lower()}"
    seen.cause(home, name)
    place = f"--namespace={home.namespace}"
    ready_is = dict(entry.split(": ") for entry in seen.conditions.split("; "))["Ready"].split()[0]
    home.cluster.kubectl("wait", f"asya/{name}", place, f"--for=jsonpath={{.status.status}}={value}", "--timeout=45s")
    # kubectl does not believe a condition that speaks of another generation: who has not been looked at yet is waited for.
    waits = ("wait", f"asya/{name}", place, f"--for=condition=Ready={ready_is}")
    if value == "Creating":
        assert home.cluster.kubectl(*waits, "--timeout=1s", check=False).returncode != 0
    else:
        home.cluster.kubectl(*waits, "--timeout=30s")
    expected = dict(entry.split(": ") for entry in seen.conditions.split("; "))

    def conditions() -> dict[str, str]:
        found = home.status(name).get("conditions") or ()
        told = {entry["type"]: f"{entry['status']} {entry['reason']}" for entry in found}
        # Of one that is going only what it says of going is told; what it had been stays as it was.
        return {kind: told.get(kind, "") for kind in expected} if value == "Terminating" else told

    settles(conditions, expected)
    assert kstatus(home.actor(name)) == seen.flux
    home.told(name, *seen.events)
    cells = {key: text.replace("_", " ") for key, _, text in (part.partition("=") for part in seen.cells.split())}

    def shown() -> dict[str, str]:
        found = row(home.cluster, home.namespace, name)
        return {key: found[key] for key in ("STATUS", *cells)}

    settles(shown, {"STATUS": value, **cells})
    home.release(*(pod for pod in home.pods(name) if pod["metadata"].get("finalizers")))


def settles(found: Callable[[], dict[str, str]], expected: dict[str, str]) -> None:
    """It becomes so: counters are written once a second, the broker's figures lag behind a little."""
    last: list[dict[str, str]] = [{}]

    def same() -> bool:
        last[0] = found()
        return last[0] == expected

    try:
        until(same, WITHIN_S, 0.2)
    except AssertionError:
        assert last[0] == expected
        raise


def test_a_broken_image_name_is_no_status_of_its_own(home: Bed) -> None:
    """Nothing beyond the sixteen: what nobody foresaw has its place among them."""
    home.create("odd", ((*RUNTIME, "image"), "registry.example.com/hello:1"))
    home.make_failing(home.has_pods("odd", 1)[0], "asya-runtime", {"waiting": {"reason": "CreateContainerError"}})
    home.reaches("odd", "WorkloadError", "PodsFailing")
