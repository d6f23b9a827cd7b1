"""A thousand actors with nothing to do (contract: controller, Situations 54)."""

import time

import pytest

from tests.support.actors import actor
from tests.support.controller_process import running
from tests.support.kube.cluster import Cluster
from tests.support.wait import until

ACTORS = 1000
IDLE_S = 60.0
UNMANAGED = {"ASYA_DISABLE_QUEUE_MANAGEMENT": "true"}
NOWHERE = {
    "type": "rabbitmq",
    "config": {"host": "nowhere", "username": "u", "passwordSecretRef": {"name": "p", "key": "p"}},
}


@pytest.mark.timeout(900)
def test_row_54_a_thousand_idle_actors_cause_no_write(cluster: Cluster, namespace: str) -> None:
    """The row says ten minutes, in which every actor is looked at once more: here a successor looks at each of them, after a minute in
    which nothing at all happens. Their queues are nobody's affair, because two thousand of them are another test.
    """
    config = {"transports": {"rabbitmq": NOWHERE}, "sidecar": {"image": "asya-sidecar:test"}}
    for number in range(ACTORS):
        name = (("metadata", "name"), f"idle-{number}")
        nothing = (("spec", "workload", "replicas"), 0)
        cluster.api.create("asyncactors", namespace, actor(name, (("metadata", "namespace"), namespace), nothing))
    with running(cluster, (namespace,), config, UNMANAGED) as controller:
        until(lambda: controller.metric("asya_asyncactor_ready") == ACTORS, 600, 1, what="all are done with")
        until(lambda: not controller.metric("workqueue_depth"), 60, 0.2, what="nothing waits to be looked at")
        until(lambda: nothing_written_for(controller.writes, 5.0), 60, 0.2, what="the last Events are out")
        before, ends = controller.writes(), time.monotonic() + IDLE_S
        until(lambda: time.monotonic() > ends, IDLE_S + 10, 1, what="time passes")
        assert controller.writes() == before
        controller.stop()
        controller.start()
        until(lambda: controller.metric("asya_asyncactor_ready") == ACTORS, 300, 1, what="the successor has seen all")
        assert controller.writes() == 0


def nothing_written_for(writes: object, seconds: float) -> bool:
    """Silence has no event: this waits for time to pass."""
    assert callable(writes)
    before = writes()
    time.sleep(seconds)
    return bool(before == writes())
