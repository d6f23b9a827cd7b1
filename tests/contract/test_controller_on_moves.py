"""What goes and comes back: the script of a namespace, and queues that change with an actor's transport.

No queue is made that nobody would know of, and none goes that somebody needs (contract: controller 4 and 10). That such a change survives a
crash at every write is row 52.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.controller_bed import Bed, bed
from tests.support.controller_process import rabbitmq
from tests.support.kube import faults
from tests.support.kube.cluster import Cluster
from tests.support.kube.record import Request
from tests.support.rabbitmq import Broker, shared_node
from tests.support.wait import until

JSON = dict[str, Any]


@pytest.fixture(scope="module")
def home(cluster: Cluster) -> Iterator[Bed]:
    """One controller for the tests of this module."""

    def transports(broker: Broker, vhost: str) -> JSON:
        return {"other": rabbitmq(broker, vhost, queueNameTemplate="other-{namespace}-{actor}")}

    with bed(cluster, shared_node(), transports) as found:
        yield found


def test_a_script_that_is_lost_again_while_it_is_restored_comes_back(home: Bed) -> None:
    """Somebody takes our label from it before the controller has been told that it is there. The namespace has one actor: passes of others
    would find it.
    """
    home.create("scripted", workload={"replicas": 0})
    home.reaches("scripted", "Running", "QueueReady")
    every = {item["metadata"]["name"] for item in home.api.items("configmaps", home.namespace)}
    (script,) = every - {"kube-root-ca.crt"}
    label = "app.kubernetes.io/managed-by"
    home.proxy.inject(faults.answered_late(2.0), verb="patch", resource="configmaps")
    home.api.delete("configmaps", home.namespace, script)
    until(lambda: home.child("configmaps", script), what="it is restored")
    without = {"metadata": {"labels": {label: None}}}
    home.api.patch("configmaps", home.namespace, script, without)

    def labelled() -> bool:
        found = home.child("configmaps", script)
        return found is not None and label in found["metadata"]["labels"]

    until(labelled, what="it is ours again")
    home.delete("scripted")
    home.gone("scripted")


def test_no_queue_is_made_for_an_actor_that_does_not_have_the_finalizer(home: Bed) -> None:
    def is_it(request: Request) -> bool:
        return request.manager == "asya-finalizer" and request.name == "unheld"

    refused = home.proxy.inject(faults.answer(500), times=None, where=is_it)
    home.create("unheld")
    until(lambda: refused.met >= 2, what="the finalizer is tried again")
    assert home.queue("unheld") not in home.queues()
    home.delete("unheld")
    home.gone("unheld", 5)
    home.proxy.heal()
    home.create("next")
    home.reaches("next", "ScalingUp", "QueueReady")
    assert home.queue("unheld") not in home.queues()


@pytest.mark.parametrize("then", ["back", "gone"])
def test_a_queue_that_was_made_on_the_way_to_another_transport_does_not_stay(home: Bed, then: str) -> None:
    """The controller is killed when it has made the new queue; before it comes back the actor is what it was, or deleted."""
    name, new = f"wavering-{then}", f"other-{home.namespace}-wavering-{then}"
    home.create(name, workload={"replicas": 0})
    home.annotate(name, deletion_policy="Delete")
    home.reaches(name, "Running", "QueueReady")
    home.proxy.inject(
        faults.before(home.controller.kill_now),
        where=lambda request: request.writes and request.resource == "deployments" and request.name == name,
    )
    home.change(name, {"spec": {"transport": "other"}})
    until(lambda: home.controller.process is None or home.controller.process.poll() is not None, what="it is killed")
    assert new in home.queues()
    home.controller.kill()
    if then == "gone":
        home.delete(name)
    else:
        home.change(name, {"spec": {"transport": "rabbitmq"}})
    home.controller.start()
    if then == "gone":
        home.gone(name)
        assert home.queue(name) not in home.queues()
    else:
        home.reaches(name, "Running", "QueueReady")
        until(lambda: "previousQueues" not in home.status(name), what="it is dealt with")
        assert home.queue(name) in home.queues()
    assert not {new, f"{new}-dlq"} & home.queues()


def test_a_queue_is_not_left_behind_while_an_old_pod_still_works_on_it(home: Bed) -> None:
    name = "working"
    home.create(name)
    home.annotate(name, deletion_policy="Delete")
    home.make_ready(name, 1)
    home.reaches(name, "Running", "QueueReady")
    (old,) = home.pods(name)
    home.hold(old)
    home.change(name, {"spec": {"transport": "other"}})
    until(lambda: len(home.pods(name)) == 2, what="the rollout has begun")
    home.make_ready(name)
    until(lambda: any(pod["metadata"].get("deletionTimestamp") for pod in home.pods(name)), what="the old pod goes")
    home.reaches(name, "Running", "QueueReady")
    home.looked_at(name)
    assert home.status(name)["previousQueues"] == [{"transport": "rabbitmq", "queue": home.queue(name)}]
    assert home.queue(name) in home.queues()
    home.release(old)
    until(lambda: "previousQueues" not in home.status(name), what="it is dealt with")
    assert home.queue(name) not in home.queues()
    home.told(name, "QueueDeleted")


def test_a_queue_that_is_wanted_again_before_it_is_removed_stays(home: Bed) -> None:
    """Ten seconds lie between two looks at an empty queue: an actor that comes back in between needs it."""
    name = "returning"
    home.create(name, workload={"replicas": 0})
    home.reaches(name, "Running", "QueueReady")
    home.change(name, {"spec": {"transport": "other"}})
    left = [{"transport": "rabbitmq", "queue": home.queue(name)}]
    until(lambda: home.status(name).get("previousQueues") == left, every_s=0.05, what="the old queue is to go")
    home.change(name, {"spec": {"transport": "rabbitmq"}})
    home.reaches(name, "Running", "QueueReady")
    until(lambda: "previousQueues" not in home.status(name), what="the other queue is dealt with")
    # It was to go before the other one.
    assert f"other-{home.namespace}-{name}" not in home.queues()
    assert home.queue(name) in home.queues()
    notes = [item["note"] for item in home.api.items("events", home.namespace) if item["reason"] == "QueueDeleted"]
    assert not [note for note in notes if home.queue(name) in note]


def test_a_suspended_actor_is_judged_by_the_queue_that_its_pods_have(home: Bed) -> None:
    name, new = "parked", f"other-{home.namespace}-parked"
    home.create(name)
    home.make_ready(name, 1)
    home.reaches(name, "Running", "QueueReady")
    home.annotate(name, suspend="true")
    home.change(name, {"spec": {"transport": "other"}})
    status = home.reaches(name, "Running", "QueueReady")
    assert (status["suspended"], status["queue"]) == (True, home.queue(name))
    assert "previousQueues" not in status
    assert new not in home.queues()
    home.annotate(name, suspend=None)
    until(lambda: home.status(name)["queue"] == new, what="it has moved")
    assert home.status(name)["previousQueues"] == [{"transport": "rabbitmq", "queue": home.queue(name)}]
    assert {new, home.queue(name)} <= home.queues()
