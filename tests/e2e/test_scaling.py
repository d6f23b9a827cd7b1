"""Real KEDA scales real pods by the length of a real queue: from nothing, up, back to nothing, and never away from under a message."""

import time
from collections.abc import Callable

import pytest

from bench.report import at_most
from tests.support.kube.figures import keep
from tests.support.kube.installation import Actors
from tests.support.kube.traffic import Traffic
from tests.support.wait import until

pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]

MakeTraffic = Callable[[Actors], Traffic]
ROUNDS = 3
QUICK = {
    "enabled": True,
    "minReplicas": 0,
    "maxReplicas": 4,
    "pollingInterval": 1,
    "cooldownPeriod": 5,
    "queueLength": 2,
}


def test_an_actor_goes_from_nothing_to_many_pods_and_back_by_the_length_of_its_queue(
    actors: Actors, traffic: MakeTraffic
) -> None:
    actors.create("doze", handler="work.doze", scaling=QUICK, timeout={"processing": 60})
    actors.reaches("doze", "Napping", "ScaledObjectReady")
    assert actors.pods("doze") == []
    mail = traffic(actors)
    names = [mail.send("doze", {"seconds": 3}) for _ in range(10)]
    until(
        lambda: len(actors.pods("doze")) == 4, 60, 0.1, what="as many pods as the queue needs, and no more than allowed"
    )
    pods = {mail.result(name)["payload"]["pod"] for name in names}
    assert len(pods) > 1, "several pods share the work"
    actors.reaches("doze", "Napping", "ScaledObjectReady", 90)
    until(lambda: not actors.pods("doze"), 30, 0.1, what="no pod")
    assert mail.settle().ok == len(names)


def test_a_message_for_an_actor_at_zero_is_answered_soon(actors: Actors, traffic: MakeTraffic) -> None:
    actors.create("greet", scaling=QUICK)
    actors.reaches("greet", "Napping", "ScaledObjectReady")
    mail = traffic(actors)
    samples = []
    for _ in range(ROUNDS):
        started = time.monotonic()
        name = mail.send("greet", {"name": "Ada"})
        assert mail.result(name)["payload"]["greeting"] == "Hello, Ada!"
        samples.append(mail.at[name] - started)
        until(lambda: not actors.api.items("pods", actors.namespace), 90, 0.1, what="no pod, nor one that still ends")
        actors.reaches("greet", "Napping", "ScaledObjectReady", 90)
    keep(at_most("message_to_first_pod_s", "s", 6, samples))
    mail.settle()


def test_a_pod_that_works_for_longer_than_the_cooldown_is_not_scaled_away_from_under_its_last_message(
    actors: Actors, traffic: MakeTraffic
) -> None:
    actors.create("doze", handler="work.doze", scaling=QUICK, timeout={"processing": 60})
    actors.reaches("doze", "Napping", "ScaledObjectReady")
    mail = traffic(actors)
    name = mail.send("doze", {"seconds": 30})
    (pod,) = until(lambda: actors.pods("doze"), 30, 0.1)
    ended = mail.result(name, 90)
    assert ended["payload"]["pod"] == pod["metadata"]["name"], "the pod that began it"
    lines = actors.cluster.kubectl("logs", "-n", actors.namespace, pod["metadata"]["name"], "-c", "asya-sidecar").stdout
    assert '"interrupted"' not in lines
    actors.reaches("doze", "Napping", "ScaledObjectReady", 60)
    mail.settle()
