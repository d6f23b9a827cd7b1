"""The controller without its API server, without KEDA, without its brokers, without its lease (contract: controller, Process and
Situations).
"""

import time
from collections.abc import Iterator

import pytest

from tests.support.controller_bed import Bed, bed, condition, leading, stamp, states
from tests.support.controller_process import ControllerProcess, rabbitmq
from tests.support.kube import faults
from tests.support.kube.api import MERGE, Refused, path_of
from tests.support.kube.binaries import binaries
from tests.support.kube.cluster import Cluster, own_cluster
from tests.support.rabbitmq import shared_node
from tests.support.servers import counting_server
from tests.support.wait import until

AWAY_S = 60.0
INTERVAL_S = 5.0
"""Between two looks at the queues, in tests."""
WATCHED_S = 15.0


@pytest.fixture(scope="module")
def bare() -> Iterator[Cluster]:
    """A cluster of our own, without KEDA."""
    found = own_cluster(keda=False)
    try:
        yield found
    finally:
        found.close()


def served(cluster: Cluster) -> bool:
    """A new kind is answered with 429 until its storage is there."""
    try:
        return cluster.api.find("scaledobjects", "default") is not None
    except Refused:
        return False


@pytest.mark.timeout(180)
def test_row_35_without_keda_one_replica_works_and_keda_is_found_when_it_comes(bare: Cluster) -> None:
    with bed(bare, shared_node()) as home:
        home.create("scaled", scaling={"enabled": True})
        status = home.reaches("scaled", "ScalingError", "KEDANotInstalled")
        assert states(status) == ("False", "True", "")
        assert home.deployment("scaled")["spec"]["replicas"] == 1
        bare.kubectl("apply", "--server-side", f"--filename={binaries()['keda-crds']}")
        until(lambda: served(bare), 30, 0.2, what="KEDA's kinds are served")
        home.keda_says("scaled", within_s=75)
        home.reaches("scaled", "ScalingUp", "ScaledObjectReady")
        home.told("scaled", "Recovered")


@pytest.mark.timeout(240)
def test_row_53_an_api_server_that_is_away_is_waited_for_with_few_requests(cluster: Cluster) -> None:
    with bed(cluster, shared_node()) as home:
        for number in range(5):
            home.create(f"patient-{number}")
            home.make_ready(f"patient-{number}", 1)
        for number in range(5):
            home.reaches(f"patient-{number}", "Running")
        uids = [home.deployment(f"patient-{number}")["metadata"]["uid"] for number in range(5)]
        before = home.controller.metric("rest_client_requests_total")
        home.proxy.stop()
        back_at = time.monotonic() + AWAY_S
        until(lambda: time.monotonic() >= back_at, AWAY_S + 5, 0.5, what="the outage is over")
        requests = home.controller.metric("rest_client_requests_total") - before
        assert requests <= 30, f"{requests} requests in {AWAY_S:g} s"
        home.create("afterwards")
        home.proxy.begin()
        home.reaches("afterwards", "ScalingUp", within_s=30)
        assert [home.deployment(f"patient-{number}")["metadata"]["uid"] for number in range(5)] == uids
        assert not [request for request in home.proxy.record.requests if request.effect == "delete"]


def test_row_53_a_watch_that_is_told_410_lists_again(cluster: Cluster) -> None:
    with bed(cluster, shared_node()) as home:
        home.create("listed")
        home.make_ready("listed", 1)
        home.reaches("listed", "Running")
        rule = home.proxy.inject(faults.gone(), times=None, verb="watch")
        home.proxy.cut()
        until(lambda: rule.met >= 8, 30, 0.1, what="every watch is told 410")
        home.proxy.heal()
        home.make_failing(home.pods("listed")[0], "asya-runtime", {"waiting": {"reason": "CrashLoopBackOff"}}, 5)
        home.reaches("listed", "RuntimeError", within_s=30)
        assert not [request for request in home.proxy.record.requests if request.effect == "delete"]


@pytest.mark.timeout(180)
def test_row_36_a_keda_that_does_not_answer_is_an_error_after_a_minute(cluster: Cluster) -> None:
    """And so is one that says for a minute that it cannot scale."""
    with bed(cluster, shared_node()) as home:
        for name in ("blamed", "blind", "paused"):
            home.create(name, scaling={"enabled": True})
        home.keda_says("blamed", "False", "Triggers defined in ScaledObject are not working correctly")
        home.keda_says("blind")
        home.keda_says("paused", paused=True)
        status = home.reaches("paused", "Napping", "Paused")
        assert condition(status, "ScalingReady") == ("True", "Paused")
        home.autoscaler("blind")
        metric = {
            "type": "ScalingActive",
            "status": "False",
            "reason": "FailedGetExternalMetric",
            "message": "no metrics",
        }
        home.autoscaler_says("blind", conditions=[metric | {"lastTransitionTime": stamp(60)}])
        status = home.reaches("blind", "ScalingError", "HPAError")
        assert "no metrics" in status["message"]
        home.create("ignored", scaling={"enabled": True})
        status = home.reaches("ignored", "Napping", "WaitingForKEDA")
        assert states(status) == ("False", "True", "")
        status = home.reaches("ignored", "ScalingError", "KEDANotResponding", within_s=80)
        assert "its operator is not running" in status["message"]
        home.told("ignored", "ScalingError")
        status = home.reaches("blamed", "ScalingError", "ScaledObjectNotReady")
        assert status["message"].startswith("Triggers defined in ScaledObject are not working correctly")
        assert states(status) == ("False", "True", "")


@pytest.mark.timeout(180)
def test_row_39_a_keda_that_does_not_let_go_is_not_waited_for_longer_than_a_minute(cluster: Cluster) -> None:
    with bed(cluster, shared_node()) as home:
        home.create("held", scaling={"enabled": True, "minReplicas": 3})
        home.keda_says("held")
        home.make_ready("held", 3)
        home.reaches("held", "Running", "ScaledObjectReady")
        held = {"metadata": {"finalizers": ["finalizer.keda.sh"]}}
        home.api.patch("scaledobjects", home.namespace, "held", held)
        home.change("held", {"spec": {"scaling": {"enabled": False}, "workload": {"replicas": 2}}})
        until(
            lambda: (home.child("scaledobjects", "held") or {})["metadata"].get("deletionTimestamp"), what="asked to go"
        )
        asked_at = time.monotonic()
        until(lambda: home.deployment("held")["spec"]["replicas"] == 2, 90, 0.2, what="the author's count")
        assert time.monotonic() - asked_at > 50
        home.told("held", "KEDANotResponding")
        home.api.patch("scaledobjects", home.namespace, "held", {"metadata": {"finalizers": None}})


@pytest.mark.timeout(180)
def test_a_broker_in_trouble_is_asked_once_in_an_interval_however_many_actors_wait_for_it(cluster: Cluster) -> None:
    """Down, slow, or refusing: a condition that says so, and no storm of retries, neither on the broker nor on the API server."""
    with (
        counting_server(silent=False) as (down, downs),
        counting_server(silent=True) as (slow, slows),
        bed(
            cluster,
            shared_node(),
            lambda broker, vhost: {
                "down": rabbitmq(broker, vhost, port=down, managementUrl=None),
                "slow": rabbitmq(broker, vhost, port=slow, managementUrl=None),
                "locked": rabbitmq(broker, vhost, username="nobody", managementUrl=None),
            },
        ) as home,
    ):
        reasons = {"down": "BrokerUnreachable", "slow": "BrokerUnreachable", "locked": "AuthFailed"}
        names = [f"on-{transport}-{number}" for transport in reasons for number in range(6)]
        for name in names:
            home.create(name, transport=name.split("-")[1])
        for name in names:
            home.reaches(name, "TransportError", reasons[name.split("-")[1]], within_s=60)
            home.told(name, "TransportError")

        home.rests()

        def refused() -> float:
            return home.controller.metric("asya_transport_errors_total", transport="locked")

        mark, before = len(home.proxy.record.requests), (len(downs), len(slows), refused())
        began = time.monotonic()
        ends = began + WATCHED_S
        until(lambda: time.monotonic() > ends, WATCHED_S + 5, 0.5, what="time passes")
        asked = [now - then for now, then in zip((len(downs), len(slows), refused()), before, strict=True)]
        most = (time.monotonic() - began) / INTERVAL_S + 1
        assert all(1 <= times <= most for times in asked), asked
        assert [str(request) for request in home.proxy.record.writes(mark)] == []


def leads(controller: ControllerProcess) -> bool:
    return controller.metric("leader_election_master_status") == 1


@pytest.fixture
def pair(cluster: Cluster, namespace: str) -> Iterator[tuple[ControllerProcess, ControllerProcess]]:
    """Two replicas that want to lead."""
    broker = shared_node()
    with broker.vhost() as vhost:
        config = {"transports": {"rabbitmq": rabbitmq(broker, vhost)}}
        environ = leading(cluster, namespace)
        both = [ControllerProcess(cluster, (namespace,), config, environ) for _ in range(2)]
        try:
            both[0].start()
            until(lambda: leads(both[0]), 30, what="the first one leads")
            both[1].start()
            yield both[0], both[1]
        finally:
            for controller in both:
                controller.close()


def test_one_replica_works_and_the_other_takes_over_when_it_ends(
    cluster: Cluster, namespace: str, pair: tuple[ControllerProcess, ControllerProcess]
) -> None:
    first, second = pair
    home = Bed(cluster, namespace, shared_node(), "", first)
    home.create("led")
    home.reaches("led", "ScalingUp")
    assert not leads(second)
    assert second.writes() == 0
    assert first.stop() == 0
    until(lambda: leads(second), 10, what="the lease was given back, so the other one leads at once")
    home.controller = second
    home.create("led-too")
    home.reaches("led-too", "ScalingUp")


def test_who_loses_the_lease_ends_at_once(
    cluster: Cluster, namespace: str, pair: tuple[ControllerProcess, ControllerProcess]
) -> None:
    first, _ = pair
    path = path_of("leases", namespace, "asya-controller")
    cluster.api.ask("PATCH", path, {"spec": {"holderIdentity": "somebody-else"}}, MERGE)
    assert first.process is not None
    assert first.process.wait(30) == 1
    assert "the lease was lost" in first.log()


def test_conditions_after_a_restart_keep_their_times(cluster: Cluster) -> None:
    with bed(cluster, shared_node()) as home:
        home.create("timed")
        home.make_ready("timed", 1)
        before = home.reaches("timed", "Running")
        home.controller.kill()
        home.controller.start()
        until(lambda: home.controller.metric("asya_asyncactor_ready") == 1, 20)
        assert home.status("timed")["conditions"] == before["conditions"]
        assert condition(before, "Ready") == ("True", "Running")
