"""Whose the number of pods is: at no moment another count than the author's or the autoscaler's (contract: controller, Applying)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.controller_bed import Bed, bed, condition, states
from tests.support.controller_process import SCRIPT
from tests.support.kube import faults
from tests.support.kube.cluster import Cluster
from tests.support.kube.record import Request
from tests.support.rabbitmq import shared_node
from tests.support.wait import until

JSON = dict[str, Any]
SCALED = {"enabled": True}
SCRIPT_PATH = "ASYA_RUNTIME_SCRIPT_PATH"


@pytest.fixture(scope="module")
def home(cluster: Cluster) -> Iterator[Bed]:
    """One controller for the tests of this module."""
    with bed(cluster, shared_node()) as found:
        yield found


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
    with home.versions("deployments", "growing") as seen:
        home.change("growing", {"spec": {"scaling": SCALED}})
        home.keda_says("growing")
        status = home.reaches("growing", "Running", "ScaledObjectReady")
        assert status["scalingMode"] == "KEDA"
        home.told("growing", "ScalingEnabled")
        home.looked_at("growing")
        found = home.deployment("growing")
        assert found["spec"]["replicas"] == 4
        assert "asya-controller" not in owners_of_replicas(found)
    assert {version["spec"]["replicas"] for version in seen} == {4}


def changes_count(request: Request) -> bool:
    """Whether a write has changed a Deployment's count."""
    before, after = ((document or {}).get("spec", {}).get("replicas") for document in (request.before, request.after))
    return (request.resource, request.effect) == ("deployments", "change") and before != after


def test_row_39_scaling_switched_off_the_authors_count_comes_back(home: Bed) -> None:
    home.create("fixed", scaling={**SCALED, "minReplicas": 3})
    home.keda_says("fixed")
    home.make_ready("fixed", 3)
    home.reaches("fixed", "Running", "ScaledObjectReady")
    home.change("fixed", {"spec": {"scaling": {"enabled": False}, "workload": {"replicas": 2}}})
    until(lambda: home.child("scaledobjects", "fixed") is None, 20, 0.1, what="the ScaledObject is gone")
    until(lambda: home.deployment("fixed")["spec"]["replicas"] == 2, 20, 0.1, what="the author's count")
    until(lambda: any(map(changes_count, home.writes_about("fixed"))), what="the write is on record, too")
    asked = home.writes_about("fixed")
    gone = [at for at, request in enumerate(asked) if (request.effect, request.resource) == ("delete", "scaledobjects")]
    counted = [at for at, request in enumerate(asked) if changes_count(request)]
    assert (len(gone), gone < counted) == (1, True), "the ScaledObject goes first"
    until(lambda: home.status("fixed").get("scalingMode") == "Manual", 20, 0.1)
    home.has_pods("fixed", 2)
    status = home.reaches("fixed", "Running", "WorkloadAvailable")
    until(lambda: states(home.status("fixed")) == ("True", "", ""), what="it is Ready")
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
        home.rests("busy")
        generation = home.deployment("busy")["metadata"]["generation"]
        home.controller.stop()
        home.controller.start()
        until(lambda: home.controller.metric("asya_asyncactor_ready") == 1, 20, what="it was looked at")
        for number in range(3):
            passes = home.controller.metric("controller_runtime_reconcile_total")
            home.annotate("busy", deletion_policy=("Retain", "Delete")[number % 2])
            until(lambda passes=passes: home.controller.metric("controller_runtime_reconcile_total") > passes)
        assert home.controller.writes() == 0
        found = home.deployment("busy")
        assert (found["spec"]["replicas"], found["metadata"]["generation"]) == (7, generation)


@pytest.mark.parametrize("new", ["sidecar image", "script"])
def test_row_55_a_controller_with_another_sidecar_or_script_rolls_the_pods(
    cluster: Cluster, new: str, tmp_path: Path
) -> None:
    with bed(cluster, shared_node()) as home:
        home.create("rolled")
        home.make_ready("rolled", 1)
        home.reaches("rolled", "Running")
        home.controller.stop()
        script = tmp_path / "asya_runtime.py"
        script.write_text(f"{SCRIPT.read_text()}# the next version\n")
        set_anew = {"sidecar image": ("ASYA_SIDECAR_IMAGE", "asya-sidecar:next"), "script": (SCRIPT_PATH, str(script))}
        home.controller.environ(dict([set_anew[new]]))
        home.controller.start()
        status = home.reaches("rolled", "Running", "RolloutInProgress")
        assert states(status) == ("False", "True", "")
        until(lambda: len(home.pods("rolled")) == 2, 20, 0.1, what="the rollout")
        home.make_ready("rolled")
        until(lambda: len(home.pods("rolled")) == 1, 20, 0.1, what="the old pod is gone")
        home.reaches("rolled", "Running", "WorkloadAvailable")
        until(lambda: states(home.status("rolled")) == ("True", "", ""), 20, 0.1)
        (pod,) = home.pods("rolled")
        assert pod["spec"]["containers"][1]["image"] == (
            "asya-sidecar:next" if new != "script" else "asya-sidecar:test"
        )
        (volume,) = (volume for volume in pod["spec"]["volumes"] if volume["name"] == "asya-runtime")
        mounted = home.child("configmaps", volume["configMap"]["name"])
        assert mounted is not None
        assert ("# the next version" in mounted["data"]["asya_runtime.py"]) == (new == "script")


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
