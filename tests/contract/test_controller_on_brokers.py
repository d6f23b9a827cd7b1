"""Brokers that are down, slow, wrong or full, and queues that are not as asked for (contract: controller, Situations).

Long because its situations share one started controller.
"""

import contextlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.controller_bed import Bed, bed, condition, message, states
from tests.support.controller_process import rabbitmq
from tests.support.guarded import free_port
from tests.support.kube.cluster import Cluster
from tests.support.rabbitmq import Broker, shared_node
from tests.support.servers import silent_server
from tests.support.tcp_proxy import TcpProxy
from tests.support.wait import until

JSON = dict[str, Any]
SHARED_NAME = "shared-{actor}"


@pytest.fixture(scope="module")
def slow_port() -> Iterator[int]:
    with silent_server() as port:
        yield port


@pytest.fixture(scope="module")
def away_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def home(cluster: Cluster, slow_port: int, away_port: int) -> Iterator[Bed]:
    """One controller with many transports for the tests of this module."""

    def transports(broker: Broker, vhost: str) -> JSON:
        return {
            "rabbit-eu": rabbitmq(broker, vhost),
            "off": rabbitmq(broker, vhost, enabled=False),
            "slow": rabbitmq(broker, vhost, port=slow_port, managementUrl=None),
            "away": rabbitmq(broker, vhost, port=away_port, managementUrl=None),
            "locked": rabbitmq(broker, vhost, username="nobody", managementUrl=None),
            "one-name": rabbitmq(broker, vhost, queueNameTemplate=SHARED_NAME),
            "verify": rabbitmq(broker, vhost, queueNameTemplate="v-{namespace}-{actor}", queues={"autoCreate": False}),
            "cloud": {"type": "sqs", "config": {"region": "eu-north-1"}},
            "renew": rabbitmq(broker, vhost, queueNameTemplate="n-{namespace}-{actor}", queues={"forceRecreate": True}),
        }

    with bed(cluster, shared_node(), transports, cleanupTimeout="15s") as found:
        yield found


def test_row_02_while_the_broker_is_slow_the_first_pass_is_under_way(home: Bed) -> None:
    home.create("slow", transport="slow")
    status = until(lambda: home.status("slow") if home.status("slow").get("status") else None, 20, 0.1)
    assert status is not None
    assert (status["status"], status["observedGeneration"]) == ("Creating", -1)
    assert states(status) == ("False", "True", "")
    assert condition(status, "Reconciling")[1] == "Creating"
    assert home.child("deployments", "slow") is None
    # A broker that hangs holds up nobody else.
    home.create("quick")
    home.reaches("quick", "ScalingUp", within_s=8)
    home.reaches("slow", "TransportError", "BrokerUnreachable", within_s=40)


def test_row_25_unknown_and_disabled_transports(home: Bed) -> None:
    home.create("lost", transport="nowhere")
    status = home.reaches("lost", "TransportError", "InvalidTransport")
    assert status["message"] == "transport 'nowhere' not found in operator configuration"
    assert states(status) == ("False", "", "True")
    home.create("off", transport="off")
    status = home.reaches("off", "TransportError", "InvalidTransport")
    assert status["message"] == "transport 'off' is disabled in operator configuration"
    assert (home.child("deployments", "lost"), home.child("deployments", "off")) == (None, None)
    home.create("abroad", transport="rabbit-eu")
    home.make_ready("abroad", 1)
    home.reaches("abroad", "Running", "QueueReady")
    home.change("lost", {"spec": {"transport": "rabbitmq"}})
    home.reaches("lost", "ScalingUp")


def test_row_26_a_broker_that_is_down_at_creation_heals_when_it_returns(home: Bed, away_port: int) -> None:
    home.create("early", transport="away")
    status = home.reaches("early", "TransportError", "BrokerUnreachable")
    assert condition(status, "WorkloadReady") == ("Unknown", "WaitingForTransport")
    assert states(status) == ("False", "True", "")
    assert home.child("deployments", "early") is None
    address = home.broker.address(home.vhost)
    proxy = TcpProxy(address.hosts[0], address.port, own_port=away_port)
    try:
        home.reaches("early", "ScalingUp", "QueueReady", within_s=60)
        home.told("early", "TransportError", "Recovered")
    finally:
        proxy.stop()


@pytest.mark.timeout(180)
def test_row_27_a_broker_that_goes_under_a_running_actor_gets_half_a_minute(cluster: Cluster) -> None:
    broker = shared_node()
    address = broker.address("any")
    proxy = TcpProxy(address.hosts[0], address.port)
    try:
        with bed(
            cluster, broker, lambda b, vhost: {"far": rabbitmq(b, vhost, port=proxy.port, managementUrl=None)}
        ) as home:
            home.create("working", transport="far")
            home.make_ready("working", 1)
            home.reaches("working", "Running", "QueueReady")
            pods = [pod["metadata"]["uid"] for pod in home.pods("working")]

            def up(value: int) -> None:
                metric = "asya_transport_up"
                until(
                    lambda: home.controller.metric(metric, transport="far") == value, 20, 0.2, what=f"{metric} {value}"
                )

            # First for less than half a minute.
            proxy.stop()
            home.sidecar_not_ready("working")
            up(0)
            status = home.reaches("working", "ScalingUp")
            assert condition(status, "TransportReady") == ("True", "QueueReady")
            assert states(status) == ("True", "", "")
            proxy.begin()
            home.make_ready("working")
            up(1)
            home.reaches("working", "Running", "QueueReady")
            assert "TransportError" not in home.events("working")
            # Then for longer.
            proxy.stop()
            home.sidecar_not_ready("working")
            up(0)
            assert condition(home.status("working"), "TransportReady") == ("True", "QueueReady")
            assert [pod["metadata"]["uid"] for pod in home.pods("working")] == pods
            home.image("working", "registry.example.com/hello:2")

            def rolled() -> bool:
                return str(home.deployment("working")["spec"]["template"]["spec"]["containers"][0]["image"]).endswith(
                    ":2"
                )

            until(rolled, 20, 0.1, what="the new image is applied while the broker is away")
            assert home.status("working")["status"] != "TransportError"
            home.reaches("working", "TransportError", "BrokerUnreachable", within_s=75)
            assert home.pods("working")
            proxy.begin()
            until(lambda: condition(home.status("working"), "TransportReady")[0] == "True", 60, 0.2, what="it is back")
            home.told("working", "Recovered")
    finally:
        proxy.stop()


def test_row_28_a_refused_password_is_said_and_not_shown(home: Bed) -> None:
    home.controller.password("locked", "wrong-hunter2")
    home.create("locked", transport="locked")
    status = home.reaches("locked", "TransportError", "AuthFailed")
    assert states(status) == ("False", "", "True")
    assert "hunter2" not in str(status)
    assert "hunter2" not in home.controller.log()
    home.broker.add_user("nobody", "wrong-hunter2")
    home.broker.permit(home.vhost, "nobody")
    try:
        home.reaches("locked", "ScalingUp", within_s=60)
    finally:
        home.broker.ask("DELETE", "users/nobody")


def test_row_29_a_queue_deleted_by_hand_comes_back(home: Bed) -> None:
    home.create("robbed")
    home.make_ready("robbed", 1)
    home.reaches("robbed", "Running")
    home.broker.ask("DELETE", f"queues/{home.vhost}/{home.queue('robbed')}")
    home.sidecar_not_ready("robbed")
    until(lambda: home.queue("robbed") in home.queues(), 30, 0.1, what="the queue is there again")
    home.reaches("robbed", "ScalingUp", "QueueReady")
    until(lambda: home.times_told("robbed", "QueueCreated") == 2, 30, 0.1, what="it is told")
    home.make_ready("robbed")
    home.reaches("robbed", "Running")


def declare(home: Bed, queue: str, arguments: JSON) -> None:
    home.broker.ask("PUT", f"queues/{home.vhost}/{queue}", {"durable": True, "arguments": arguments})


@pytest.mark.parametrize(("name", "transport", "prefix"), [("drifted", "rabbitmq", "asya"), ("renewed", "renew", "n")])
def test_row_30_a_queue_with_other_arguments_keeps_its_messages(
    home: Bed, name: str, transport: str, prefix: str
) -> None:
    queue = f"{prefix}-{home.namespace}-{name}"
    declare(home, queue, {"x-queue-type": "quorum", "x-delivery-limit": 3})
    home.fill(queue, 5)
    home.create(name, transport=transport)
    home.make_ready(name, 1)
    status = home.reaches(name, "Running", "QueueDrift")
    assert condition(status, "TransportReady") == ("True", "QueueDrift")
    assert "x-delivery-limit is 3, wanted 10" in message(status, "TransportReady")
    until(lambda: home.status(name).get("queuedMessages") == 5, 45, 0.2, what="the messages are counted")
    home.told(name, "QueueDrift")
    home.annotate(name, reconcile_at="1")
    until(lambda: home.status(name).get("lastHandledReconcileAt") == "1", 20, what="another pass")
    home.holds(queue, 5)


def test_an_empty_drifted_queue_is_replaced_where_the_operator_wants_it(home: Bed) -> None:
    queue = f"n-{home.namespace}-vacant"
    declare(home, queue, {"x-queue-type": "quorum", "x-delivery-limit": 3})
    until(lambda: home.broker.ask("GET", f"queues/{home.vhost}/{queue}").get("consumers") == 0, what="figures")
    home.create("vacant", transport="renew")
    home.reaches("vacant", "ScalingUp", "QueueReady")
    assert home.broker.ask("GET", f"queues/{home.vhost}/{queue}")["arguments"]["x-delivery-limit"] == 10


def test_a_missing_queue_that_we_may_not_make_is_an_error(home: Bed) -> None:
    home.create("absent", transport="verify")
    status = home.reaches("absent", "TransportError", "QueueMissing")
    queue = f"v-{home.namespace}-absent"
    assert status["message"] == f"queue '{queue}' does not exist and autoCreate is off"
    for name in (queue, f"{queue}-dlq"):
        declare(home, name, {"x-queue-type": "quorum"})
    home.reaches("absent", "ScalingUp", "QueueReady")


def test_row_31_two_actors_of_one_queue_name_the_older_keeps_it(cluster: Cluster) -> None:
    def transports(broker: Broker, vhost: str) -> JSON:
        return {"one-name": rabbitmq(broker, vhost, queueNameTemplate="{namespace}-{actor}")}

    with cluster.namespace() as first:
        second = f"{first}-b"
        cluster.api.create("namespaces", "", {"metadata": {"name": second}})
        try:
            environ = {"ASYA_WATCH_NAMESPACES": f"{first},{second}"}
            with bed(cluster, shared_node(), transports, environ) as home:
                home.namespace = first
                home.create("b-c", transport="one-name")
                home.reaches("b-c", "ScalingUp", "QueueReady")
                home.namespace = second
                created = home.api.get("asyncactors", first, "b-c")["metadata"]["creationTimestamp"]
                # The API server keeps whole seconds, and of two in one second the uid would decide.
                until(lambda: datetime.now(UTC) - datetime.fromisoformat(created) > timedelta(seconds=1))
                home.create("c", transport="one-name")
                status = home.reaches("c", "TransportError", "QueueConflict")
                assert f"default/{first}/b-c" in status["message"]
                assert states(status) == ("False", "", "True")
                assert home.child("deployments", "c") is None
                home.told("c", "QueueConflict")
                home.namespace = first
                home.reaches("b-c", "ScalingUp", "QueueReady")
                home.delete("b-c")
                home.gone("b-c")
                home.namespace = second
                home.reaches("c", "ScalingUp", "QueueReady")
        finally:
            cluster.remove_namespace(second)


def test_a_queue_marked_by_another_cluster_is_not_used(home: Bed) -> None:
    queue = home.queue("theirs")
    declare(home, queue, {"x-queue-type": "quorum", "x-asya-owner": "other/ns/theirs"})
    home.create("theirs")
    status = home.reaches("theirs", "TransportError", "QueueConflict")
    assert status["message"] == f"queue '{queue}' belongs to other/ns/theirs"
    home.delete("theirs")
    home.gone("theirs")
    assert queue in home.queues()


def test_row_48_deleted_while_the_broker_is_down_it_goes_within_the_bound(home: Bed) -> None:
    home.create("stranded", transport="slow")
    home.reaches("stranded", "TransportError", within_s=40)
    home.delete("stranded")
    home.gone("stranded", 90)
    home.told("stranded", "QueueLeaked")
    home.create("forced", transport="slow")
    home.reaches("forced", "TransportError", within_s=40)
    home.annotate("forced", force_delete="true")
    home.delete("forced")
    home.gone("forced", 10)
    home.told("forced", "ForceDeleted")


@pytest.mark.timeout(240)
def test_row_48_a_restart_does_not_renew_the_bound(cluster: Cluster, away_port: int) -> None:
    """Killed again and again in less than the bound, the controller gives up all the same."""
    with bed(
        cluster, shared_node(), lambda b, v: {"away": rabbitmq(b, v, port=away_port)}, cleanupTimeout="30s"
    ) as home:
        home.create("stranded", transport="away")
        home.reaches("stranded", "TransportError", within_s=40)
        home.delete("stranded")
        home.reaches("stranded", "Terminating")
        since = time.monotonic()
        while home.api.find("asyncactors", home.namespace, "stranded") is not None:
            assert time.monotonic() - since < 150, home.status("stranded")
            home.controller.kill()
            home.controller.start()
            with contextlib.suppress(AssertionError):
                home.gone("stranded", 22)
        home.told("stranded", "QueueLeaked")


def test_row_51_the_queue_that_is_left_behind_keeps_its_messages(home: Bed) -> None:
    home.create("changing")
    home.make_ready("changing", 1)
    home.reaches("changing", "Running")
    old = home.queue("changing")
    home.fill(old, 2)
    home.change("changing", {"spec": {"transport": "one-name"}})
    until(
        lambda: home.status("changing").get("previousQueues") == [{"transport": "rabbitmq", "queue": old}],
        20,
        0.1,
        what="named",
    )
    until(lambda: len(home.pods("changing")) == 2, 20, 0.1, what="the rollout has begun")
    home.make_ready("changing")
    until(lambda: len(home.pods("changing")) == 1, 20, 0.1, what="the old pod is gone")
    home.make_ready("changing")
    home.told("changing", "QueueRetained", within_s=40)
    until(lambda: "previousQueues" not in home.status("changing"), 20, 0.1, what="it is dealt with")
    home.holds(old, 2)
    assert home.status("changing")["queue"] == "shared-changing"


def test_row_32_what_sqs_does_not_allow_is_found_before_it_is_asked(home: Bed) -> None:
    name = "x" * 60
    home.create(name, transport="cloud")
    status = home.reaches(name, "TransportError", "QueueNameInvalid")
    queue = f"{home.queue(name)}-dlq"
    assert status["message"] == f"queue name '{queue}' has {len(queue)} characters, sqs allows 80"
    assert states(status) == ("False", "", "True")
    home.create("long", transport="cloud", timeout={"processing": 50000})
    status = home.reaches("long", "ConfigError", "TimeoutTooLong")
    assert status["message"] == "timeout.processing 50000s exceeds what transport cloud allows (39600s)"
    assert states(status) == ("False", "", "True")
