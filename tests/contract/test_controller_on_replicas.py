"""Whose the number of pods is: at no moment another count than the author's or the autoscaler's (contract: controller, Applying)."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.controller_bed import Bed, bed, condition, states
from tests.support.kube import faults
from tests.support.kube.cluster import Cluster
from tests.support.rabbitmq import shared_node
from tests.support.wait import until

JSON = dict[str, Any]
SCALED = {"enabled": True}


@pytest.fixture(scope="module")
def home(cluster: Cluster) -> Iterator[Bed]:
    """One controller for the tests of this module."""
    with bed(cluster, shared_node()) as found:
        yield found


def replicas_seen(home: Bed, name: str, version: str, into: list[int]) -> threading.Thread:
    """Collect every count that the Deployment ever has from `version` on."""

    def watch() -> None:
        for event in home.api.watch("deployments", home.namespace, version, timeout_s=15):
            item = event["object"]
            if item["metadata"]["name"] == name:
                into.append(item["spec"]["replicas"])

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def owners_of_replicas(deployment: JSON) -> set[str]:
    return {
        entry["manager"]
        for entry in deployment["metadata"]["managedFields"]
        if "f:replicas" in entry["fieldsV1"].get("f:spec", {})
    }


def test_row_38_scaling_switched_on_leaves_the_count_as_it_is(home: Bed) -> None:
    home.create("growing", workload={"replicas": 4})
    home.make_ready("growing", 4)
    home.reaches("growing", "Running")
    seen: list[int] = []
    thread = replicas_seen(home, "growing", home.deployment("growing")["metadata"]["resourceVersion"], seen)
    home.change("growing", {"spec": {"scaling": SCALED}})
    home.keda_says("growing")
    status = home.reaches("growing", "Running", "ScaledObjectReady")
    assert status["scalingMode"] == "KEDA"
    home.told("growing", "ScalingEnabled")
    found = home.deployment("growing")
    assert found["spec"]["replicas"] == 4
    assert "asya-controller" not in owners_of_replicas(found)
    thread.join(20)
    assert set(seen) == {4}


def test_row_39_scaling_switched_off_the_authors_count_comes_back(home: Bed) -> None:
    home.create("fixed", scaling={**SCALED, "minReplicas": 3})
    home.keda_says("fixed")
    home.make_ready("fixed", 3)
    home.reaches("fixed", "Running", "ScaledObjectReady")
    home.change("fixed", {"spec": {"scaling": {"enabled": False}, "workload": {"replicas": 2}}})
    until(lambda: home.child("scaledobjects", "fixed") is None, 20, 0.1, what="the ScaledObject is gone")
    until(lambda: home.deployment("fixed")["spec"]["replicas"] == 2, 20, 0.1, what="the author's count")
    until(lambda: home.status("fixed").get("scalingMode") == "Manual", 20, 0.1)
    status = home.status("fixed")
    assert "scaledObjectRef" not in status
    assert condition(status, "ScalingReady") == ("", "")
    assert home.child("triggerauthentications", "fixed-trigger-auth") is None
    home.told("fixed", "ScalingDisabled")


def test_row_39_what_ends_while_a_pass_is_at_work_is_looked_at_again(home: Bed) -> None:
    """Both of KEDA's objects are gone before the pass that removes them has ended: whoever is told of that must look again."""
    home.create("late", scaling={**SCALED, "minReplicas": 3})
    home.keda_says("late")
    home.make_ready("late", 3)
    home.reaches("late", "Running", "ScaledObjectReady")
    home.proxy.inject(faults.answered_late(2), verb="delete", resource="triggerauthentications")
    home.change("late", {"spec": {"scaling": {"enabled": False}, "workload": {"replicas": 2}}})
    until(lambda: home.deployment("late")["spec"]["replicas"] == 2, 20, 0.1, what="the author's count")


def test_row_40_a_restart_does_not_touch_what_the_autoscaler_set(cluster: Cluster) -> None:
    with bed(cluster, shared_node()) as home:
        home.create("busy", scaling=SCALED)
        home.keda_says("busy")
        home.reaches("busy", "Napping", "ScaledObjectReady")
        home.scale("busy", 7)
        home.make_ready("busy", 7)
        home.reaches("busy", "Running")
        until(lambda: home.status("busy")["readyReplicas"] == 7, 20, 0.1)
        generation = home.deployment("busy")["metadata"]["generation"]
        home.controller.stop()
        home.controller.start()
        until(lambda: home.controller.metric("asya_asyncactor_ready") == 1, 20, what="it was looked at")
        for number in range(3):
            home.annotate("busy", deletion_policy=("Retain", "Delete")[number % 2])
            passes = home.controller.metric("controller_runtime_reconcile_total")
            until(lambda passes=passes: home.controller.metric("controller_runtime_reconcile_total") >= passes, 10)
        assert home.controller.writes() == 0
        found = home.deployment("busy")
        assert (found["spec"]["replicas"], found["metadata"]["generation"]) == (7, generation)


def test_row_55_a_new_sidecar_image_rolls_the_pods(cluster: Cluster) -> None:
    with bed(cluster, shared_node()) as home:
        home.create("rolled")
        home.make_ready("rolled", 1)
        home.reaches("rolled", "Running")
        home.controller.stop()
        with_image = {"ASYA_SIDECAR_IMAGE": "asya-sidecar:next"}
        home.controller.environ(with_image)
        home.controller.start()
        status = home.reaches("rolled", "Running", "RolloutInProgress")
        assert states(status) == ("False", "True", "")
        until(lambda: len(home.pods("rolled")) == 2, 20, 0.1, what="the rollout")
        home.make_ready("rolled")
        until(lambda: len(home.pods("rolled")) == 1, 20, 0.1, what="the old pod is gone")
        home.reaches("rolled", "Running", "WorkloadAvailable")
        until(lambda: states(home.status("rolled")) == ("True", "", ""), 20, 0.1)


def test_the_count_is_handed_over_at_creation(home: Bed) -> None:
    home.create("handed", scaling={**SCALED, "minReplicas": 2})
    home.deployment("handed")
    until(lambda: home.status("handed").get("workloadRef"), 20)

    def kept_by_the_helper() -> list[object]:
        fields = home.deployment("handed")["metadata"]["managedFields"]
        return [entry["fieldsV1"] for entry in fields if entry["manager"] == "asya-replicas-handover"]

    # The helper creates all of it, and keeps the count alone when the rest is ours: with a 409 in between a second later.
    until(lambda: kept_by_the_helper() == [{"f:spec": {"f:replicas": {}}}], 20, what="the helper keeps the count alone")
    assert owners_of_replicas(home.deployment("handed")) == {"asya-replicas-handover"}
