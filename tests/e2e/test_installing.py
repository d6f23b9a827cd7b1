"""`kubectl apply -k` on the real cluster: how long it takes, twice, over an older CRD and before KEDA and the broker, with a mistake in it,
and once more after a removal in the wrong order.

Those with the fixture `away` have the cluster to themselves: the session's installation is taken away before and applied again after them.
In any order: tests/gitops/test_applying.py, which needs no pods. All away again: test_pages.py.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from bench.report import at_most
from tests.support.controller_bed import condition
from tests.support.kube.cluster import SYSTEM
from tests.support.kube.figures import keep
from tests.support.kube.installation import Installation
from tests.support.kube.keda import Keda
from tests.support.manifests import as_yaml, older_crd
from tests.support.rabbitmq import Node
from tests.support.wait import until

pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]


def test_from_apply_to_a_ready_controller(away: Installation) -> None:
    started = time.monotonic()
    away.apply()
    away.ready()
    took_s = time.monotonic() - started
    keep(at_most("cold_install_s", "s", 15, [took_s]))


def generations(installation: Installation) -> dict[str, int]:
    """Object -> generation, of all that the overlay holds and that has one."""
    found = json.loads(installation.cluster.kubectl("get", "-k", str(installation.overlay), "-o", "json").stdout)
    return {
        f"{one['kind']}/{one['metadata']['name']}": one["metadata"]["generation"]
        for one in found["items"]
        if "generation" in one["metadata"]
    }


def test_applying_again_changes_nothing_and_restarts_nobody(installation: Installation) -> None:
    before, pods = generations(installation), [pod["metadata"]["name"] for pod in installation.controllers()]
    assert len(before) > 2
    installation.apply()  # kubectl prints "configured" for what the server defaults, but the server sees no change
    assert generations(installation) == before
    assert [pod["metadata"]["name"] for pod in installation.controllers()] == pods


@pytest.fixture
def keda(away: Installation, broker: Node) -> Iterator[Keda]:
    """A cluster that has never had a KEDA, and a broker that is not up; both are there afterwards."""
    found = away.cluster.keda
    assert found is not None
    found.remove()
    broker.stop()
    try:
        yield found
    finally:
        broker.mend()
        found.install()


def test_applied_over_an_older_crd_and_before_broker_and_keda_the_mesh_takes_up_its_actors_as_each_of_them_comes(
    away: Installation, broker: Node, keda: Keda
) -> None:
    away.cluster.kubectl("apply", "-f", "-", text=as_yaml(older_crd()))
    served = ("get", "asyncactors", "--all-namespaces")
    until(lambda: away.cluster.kubectl(*served, check=False).returncode == 0, what="the older kind is served")
    with away.namespace() as actors:
        actors.create("old")
        actors.create("scaled", scaling={"enabled": True, "minReplicas": 0, "pollingInterval": 1, "cooldownPeriod": 5})
        away.apply()
        away.ready(90)
        for name in ("old", "scaled"):
            actors.reaches(name, "TransportError", "BrokerUnreachable", 90)
            assert actors.pods(name) == []
        broker.mend()
        actors.reaches("old", "Running", "WorkloadAvailable", 120)
        status = actors.reaches("scaled", "ScalingError", "WorkloadAvailable", 120)
        assert condition(status, "ScalingReady")[:2] == ("False", "KEDANotInstalled")
        assert len(actors.pods("scaled")) == 1, "it works, without an autoscaler"
        keda.install()
        actors.reaches("scaled", "Napping", "ScaledObjectReady", 120)


def test_removed_before_its_actors_and_applied_again_the_mesh_lets_them_go_and_works_once_more(
    installation: Installation,
) -> None:
    """docs/installation.md, Uninstall: the wrong order, and the way out of it."""
    with installation.namespace() as actors:
        actors.create(
            "one", (("metadata", "annotations"), {"asya.sh/deletion-policy": "Retain"})
        )  # no looks at its queue
        actors.reaches("one", "Running", "WorkloadAvailable", 90)
        delete = ("delete", "-k", str(installation.overlay), "--timeout=4s")
        try:
            installation.cluster.kubectl("scale", "deployment/asya-controller", "-n", SYSTEM, "--replicas=0")
            until(lambda: not installation.controllers(), 60, 0.2, what="no controller that would let the actor go")
            assert installation.cluster.kubectl(*delete, check=False).returncode != 0, "the actor holds the CRD"
            assert len(actors.pods("one")) == 1, "and goes on working"
        finally:
            until(
                lambda: installation.api.find("namespaces", "", SYSTEM) is None, 60, 0.2, what="the controller is gone"
            )
            installation.apply()
        crd = ("customresourcedefinitions", "", "asyncactors.asya.sh")
        until(lambda: installation.api.find(*crd) is None, 90, 0.2, what="the actor has gone and the CRD after it")
        installation.apply()
        installation.ready(90)
        actors.create("two")
        actors.reaches("two", "Running", "WorkloadAvailable", 120)


def test_a_mistake_in_the_configuration_is_read_in_the_pods_termination_message(away: Installation) -> None:
    away.configure(endActors={"snik": "x-sink"})
    try:
        away.apply()

        def said() -> str:
            ends = [
                one.get(state, {}).get("terminated") or {}
                for pod in away.controllers()
                for one in pod["status"].get("containerStatuses", ())
                for state in ("state", "lastState")
            ]
            return next((end["message"] for end in ends if end.get("message")), "")

        text = until(said, 60, 0.2, what="the controller has ended")
        assert "configuration error: endActors.snik" in text
        assert "sink" in text
    finally:
        away.configure()
