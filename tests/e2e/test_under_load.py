"""While messages flow: handlers are updated, pods deleted, controller and broker restarted. Nothing that was accepted is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.actors import RUNTIME
from tests.support.controller_bed import condition
from tests.support.kube.api import JSON_PATCH
from tests.support.kube.cluster import SYSTEM
from tests.support.kube.images import HANDLERS
from tests.support.kube.installation import Actors, Installation
from tests.support.kube.traffic import Traffic
from tests.support.rabbitmq import Node
from tests.support.wait import until

pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]

MakeTraffic = Callable[[Actors], Traffic]
PAYLOAD = {"seconds": 0.2}
EVERY_S = 0.1


def running(actors: Actors, traffic: MakeTraffic) -> Traffic:
    """An actor with two pods at work, and a way to send."""
    actors.create("doze", handler="work.doze", workload={"replicas": 2}, timeout={"processing": 30})
    actors.reaches("doze", "Running", "WorkloadAvailable", 90)
    return traffic(actors)


def some_more(mail: Traffic, count: int = 10) -> None:
    """Wait until so many more have ended."""
    before = len(mail.ended)
    until(lambda: len(mail.ended) >= before + count, 60, 0.05, what=f"{count} more messages have ended")


def names(actors: Actors, name: str = "doze") -> set[str]:
    return {pod["metadata"]["name"] for pod in actors.pods(name)}


def test_a_new_image_of_the_handler_rolls_out_under_load(actors: Actors, traffic: MakeTraffic) -> None:
    mail = running(actors, traffic)
    old = names(actors)
    with mail.flow("doze", PAYLOAD, EVERY_S):
        some_more(mail)
        path = "/" + "/".join(map(str, (*RUNTIME, "image")))
        patch = [{"op": "replace", "path": path, "value": HANDLERS[1]}]
        actors.api.patch("asyncactors", actors.namespace, "doze", patch, JSON_PATCH)
        until(lambda: len(names(actors)) == 2 and not names(actors) & old, 120, 0.2, what="both pods are new")
        until(lambda: condition(actors.status("doze"), "Ready")[0] == "True", 90, 0.2, what="the rollout is over")
        some_more(mail)
    mail.settle()
    versions = [found["payload"]["version"] for found in mail.ended.values()]
    assert set(versions) == {"1", "2"}
    last = mail.send("doze", PAYLOAD)
    assert mail.result(last)["payload"]["version"] == "2"


def test_a_call_that_kills_its_runtime_each_time_is_a_runtime_error_and_ends_at_x_sump(
    actors: Actors, traffic: MakeTraffic
) -> None:
    twice = {"env": [{"name": "ASYA_MAX_DELIVERIES", "value": "2"}]}  # each more costs a longer wait of the kubelet
    actors.create("leave", handler="work.leave", sidecar=twice)
    actors.reaches("leave", "Running", "WorkloadAvailable", 90)
    old = names(actors, "leave")
    mail = traffic(actors)
    name = mail.send("leave", {"code": 7})
    status = actors.reaches("leave", "RuntimeError", "RuntimeCrashLoop", 60)
    assert "exit code 7" in status["message"]
    ended = mail.result(name, 90)
    assert (ended["status"]["reason"], ended["status"]["phase"]) == ("Crashed", "failed")
    assert names(actors, "leave") == old, "its container was started again, not its pod"


def test_pods_that_are_deleted_under_load_lose_nothing(actors: Actors, traffic: MakeTraffic) -> None:
    mail = running(actors, traffic)
    with mail.flow("doze", PAYLOAD, EVERY_S):
        for how in (("--grace-period=30",), ("--grace-period=0", "--force"), ()):
            some_more(mail)
            old = names(actors)
            actors.cluster.kubectl(
                "delete", "pod", "-n", actors.namespace, "-l", "asya.sh/actor=doze", "--wait=false", *how
            )
            until(
                lambda old=old: len(names(actors)) == 2 and not names(actors) & old, 60, 0.2, what="both pods are new"
            )
            actors.reaches("doze", "Running", "WorkloadAvailable", 90)
        some_more(mail)
    mail.settle()


def test_a_controller_that_is_restarted_under_load_disturbs_nobody(
    installation: Installation, actors: Actors, traffic: MakeTraffic
) -> None:
    mail = running(actors, traffic)
    old = names(actors)
    with mail.flow("doze", PAYLOAD, EVERY_S):
        some_more(mail)
        for how in (("--grace-period=0", "--force"), ()):
            gone = {pod["metadata"]["name"] for pod in installation.controllers()}
            actors.cluster.kubectl("delete", "pod", "-n", SYSTEM, *gone, *how, "--wait=false")
            until(
                lambda gone=gone: not {pod["metadata"]["name"] for pod in installation.controllers()} & gone,
                90,
                0.2,
                what="another controller",
            )
            installation.ready(90)
            some_more(mail)
        actors.create("late")
        actors.reaches("late", "Running", "WorkloadAvailable", 90)
    assert names(actors) == old, "its pods were left alone"
    mail.settle()


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_broker_that_is_restarted_under_load_loses_nothing_it_accepted(
    how: str, broker: Node, actors: Actors, traffic: MakeTraffic
) -> None:
    mail = running(actors, traffic)
    old = names(actors)
    with mail.flow("doze", PAYLOAD, EVERY_S):
        some_more(mail)
        getattr(broker, how)()
        broker.mend()  # starts it again
        some_more(mail)
        actors.reaches("doze", "Running", "WorkloadAvailable", 120)
    mail.settle()
    assert names(actors) == old, "pods wait for their broker"
