"""A thousand actors with nothing to do (contract: controller, Situations 54)."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.actors import actor
from tests.support.console import ROOT
from tests.support.controller_process import ControllerProcess
from tests.support.hurried_controller import TIMES
from tests.support.kube.cluster import Cluster
from tests.support.wait import until

ENDS = ("x-sink", "x-sump")  # among them, as in every namespace at work: else each actor tells that they are missing
NAMES = (*ENDS, *(f"idle-{number}" for number in range(998)))
HALF = 500
IDLE_S = 600.0
ENVIRON = {"ASYA_DISABLE_QUEUE_MANAGEMENT": "true", "PYTHONPATH": str(ROOT)}
NOWHERE = {
    "type": "rabbitmq",
    "config": {"host": "nowhere", "username": "u", "passwordSecretRef": {"name": "p", "key": "p"}},
}
CONFIG = {"transports": {"rabbitmq": NOWHERE}, "sidecar": {"image": "asya-sidecar:test"}}


@pytest.mark.timeout(900)
def test_row_54_a_thousand_idle_actors_cause_no_write_in_ten_minutes(cluster: Cluster, namespace: str) -> None:
    """Ten minutes of the controller's own clocks: each actor is looked at again, each watch ends and begins anew, old scripts and KEDA are
    looked for. Queues are nobody's affair here, because two thousand of them are another test.
    """
    command = (sys.executable, "-m", "tests.support.hurried_controller")
    controller = ControllerProcess(cluster, (namespace,), CONFIG, ENVIRON, command)
    try:
        with ThreadPoolExecutor(4) as hands:
            list(hands.map(lambda name: create(cluster, namespace, name), NAMES[:HALF]))
            controller.start()  # which lists several pages
            list(hands.map(lambda name: create(cluster, namespace, name), NAMES[HALF:]))
        until(lambda: controller.metric("asya_asyncactor_ready") == len(NAMES), 600, 1, what="all are done with")
        until(lambda: not controller.metric("workqueue_depth"), 60, 0.2, what="nothing waits to be looked at")
        until(lambda: nothing_written_for(controller, 3.0), 120, 0.2, what="the last status and the last Event are out")
        before, passes, watches = controller.writes(), looks(controller), watches_ended(controller)
        ends = time.monotonic() + IDLE_S / TIMES
        until(lambda: time.monotonic() > ends, IDLE_S / TIMES + 10, 1, what="time passes")
        until(lambda: looks(controller) - passes >= len(NAMES), 120, 1, what="each was looked at again")
        until(lambda: watches_ended(controller) > watches, 30, 1, what="a watch has ended")
        assert controller.writes() == before
    finally:
        controller.close()


def create(cluster: Cluster, namespace: str, name: str) -> None:
    """An actor that wants no pods."""
    nothing = (("spec", "workload", "replicas"), 0)
    document = actor((("metadata", "name"), name), (("metadata", "namespace"), namespace), nothing)
    cluster.api.create("asyncactors", namespace, document)


def looks(controller: ControllerProcess) -> float:
    """Passes so far."""
    return controller.metric("controller_runtime_reconcile_total")


def watches_ended(controller: ControllerProcess) -> float:
    """Watches that the server has ended in good order, as it does every five minutes."""
    return controller.metric("asya_watch_restarts_total", reason="ended")


def nothing_written_for(controller: ControllerProcess, seconds: float) -> bool:
    """Silence has no event: this waits for time to pass."""
    before = controller.writes()
    time.sleep(seconds)
    return before == controller.writes()
