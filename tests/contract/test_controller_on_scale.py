"""How an actor looks while its number of pods changes, on a real API server (contract: controller, Situations 8, 12, 14 and 15).

The HPA that KEDA would make stands there by hand, aimed at nothing, so that what it wants is what a test says; nothing else is told apart.
Time is not waited for: minutes that have passed are written into the status, as they would stand there.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.controller_bed import Bed, bed, condition, ready, states
from tests.support.kube.cluster import Cluster
from tests.support.rabbitmq import shared_node
from tests.support.wait import until

JSON = dict[str, Any]
LOOPING = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}}
ENDED = {"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": "2026-01-01T00:00:00Z"}}


@pytest.fixture(scope="module")
def home(cluster: Cluster) -> Iterator[Bed]:
    """One controller for the tests of this module."""
    with bed(cluster, shared_node()) as found:
        yield found


def scaled(home: Bed, name: str, pods: int) -> None:
    """An actor whose autoscaler has got the pods it asked for, all of them ready."""
    home.create(name, scaling={"enabled": True, "minReplicas": 1})
    home.keda_says(name)
    home.autoscaler(name)
    wants(home, name, pods)
    home.scale(name, pods)
    home.make_ready(name, pods)
    home.reaches(name, "Running", "ScaledObjectReady")
    until(lambda: states(home.status(name)) == ("True", "", ""), what=f"{name} is Ready")


def wants(home: Bed, name: str, pods: int) -> None:
    """The HPA has computed a number."""
    home.autoscaler_says(name, currentReplicas=1, desiredReplicas=pods)


def judged(status: JSON) -> list[tuple[str, str]]:
    """What Ready and WorkloadReady are, and since when."""
    found = (entry for entry in status["conditions"] if entry["type"] in ("Ready", "WorkloadReady"))
    return [(entry["status"], entry["lastTransitionTime"]) for entry in found]


def test_row_08_more_pods_wanted_than_there_are_is_scaling_up_and_takes_nothing_away(home: Bed) -> None:
    scaled(home, "rising", 3)
    before = judged(home.status("rising"))
    wants(home, "rising", 10)
    status = home.reaches("rising", "ScalingUp")
    assert judged(status) == before
    assert (status["desiredReplicas"], status["totalReplicas"], status["readyReplicas"]) == (10, 3, 3)
    assert status["lastScaleFormatted"] == "<1m ago (up)"


def test_row_08_fewer_pods_wanted_than_there_are_is_scaling_down_and_takes_nothing_away(home: Bed) -> None:
    scaled(home, "falling", 3)
    before = judged(home.status("falling"))
    home.scale("falling", 8)
    home.has_pods("falling", 8)
    status = home.reaches("falling", "ScalingDown")
    until(lambda: home.status("falling")["totalReplicas"] == 8, what="all are counted")
    assert judged(home.status("falling")) == before
    assert (status["desiredReplicas"], status["readyReplicas"]) == (3, 3)


def test_row_12_a_shortage_of_five_minutes_is_degraded_and_ten_minutes_later_stalled(home: Bed) -> None:
    home.create("short", workload={"replicas": 5})
    for pod in home.has_pods("short", 5)[:3]:
        home.set_status(pod, ready(pod))
    until(lambda: home.status("short").get("readyReplicas") == 3, what="three are ready")
    assert home.short_for("short", 5 * 60 - 20)["status"] == "ScalingUp"
    status = home.reaches("short", "Degraded", "ReplicasUnavailable", within_s=60)
    assert condition(status, "WorkloadReady") == ("False", "ReplicasUnavailable")
    assert states(status) == ("False", "True", "")
    home.told("short", "Degraded")
    home.began("short", "WorkloadReady", 10 * 60 - 5)
    until(lambda: states(home.status("short")) == ("False", "", "True"), what="it is stalled")
    assert condition(home.status("short"), "Stalled") == ("True", "ReplicasUnavailable")
    assert home.status("short")["status"] == "Degraded"


def test_row_14_failing_pods_beyond_the_wanted_ones_do_no_harm(home: Bed) -> None:
    scaled(home, "spare", 5)
    home.scale("spare", 7)
    pods = home.has_pods("spare", 7)
    for pod in (pod for pod in pods if pod["status"]["phase"] == "Pending"):
        home.make_failing(pod, "asya-runtime", LOOPING, 5, ENDED)
    status = home.reaches("spare", "ScalingDown")
    until(lambda: home.status("spare")["failingPods"] == 2, what="both are counted")
    status = home.status("spare")
    assert status["status"] == "ScalingDown"
    assert condition(status, "WorkloadReady") == ("True", "WorkloadAvailable")
    assert (status["readyReplicas"], status["totalReplicas"], status["desiredReplicas"]) == (5, 7, 5)


def test_row_15_a_surge_pod_keeps_the_actor_running_but_not_ready(home: Bed) -> None:
    home.create("surging", workload={"replicas": 3})
    home.make_ready("surging", 3)
    home.reaches("surging", "Running", "WorkloadAvailable")
    home.image("surging", "registry.example.com/hello:2")
    home.has_pods("surging", 4)
    status = home.reaches("surging", "Running", "RolloutInProgress")
    assert states(status) == ("False", "True", "")
    assert condition(status, "Ready") == ("False", "RolloutInProgress")
    assert condition(status, "Reconciling") == ("True", "RolloutInProgress")
    assert condition(status, "WorkloadReady") == ("True", "WorkloadAvailable")
    assert (status["readyReplicas"], status["desiredReplicas"]) == (3, 3)
