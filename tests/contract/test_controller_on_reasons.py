"""Reasons of conditions and Events that no situation of section 14 brings about (contract: crd, Conditions; controller 7, 9, 10, 11): each
on a real API server and a real broker, by a cause that a platform engineer meets.

`QueueDeletedRecently` is not here: only SQS can bring it about.
"""

import socket
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.console import ROOT
from tests.support.controller_bed import Bed, bed, condition, message, states
from tests.support.controller_process import rabbitmq
from tests.support.guarded import free_port
from tests.support.kube import faults
from tests.support.kube.cluster import Cluster
from tests.support.rabbitmq import PASSWORD, Broker, shared_node
from tests.support.tcp_proxy import TcpProxy
from tests.support.wait import until

JSON = dict[str, Any]
CURTAILED = "curtailed"
IMPATIENT = (sys.executable, "-m", "tests.support.impatient_controller")


class LateArrival(TcpProxy):
    """Puts a message into `queue` right before the broker hears that it is to be deleted, once."""

    def __init__(self, broker: Broker, vhost: str) -> None:
        self._broker, self._vhost, self.queue = broker, vhost, ""
        address = broker.address(vhost)
        super().__init__(address.hosts[0], address.port)

    def joined(self, client: socket.socket, server: socket.socket) -> None:
        def forward(data: bytes) -> None:
            name = self.queue.encode()
            if name and struct.pack(">HHHB", 50, 40, 0, len(name)) + name in data:  # queue.delete
                self.queue = ""
                publish(self._broker, self._vhost, name.decode())
            server.sendall(data)

        for source, sink, pass_on in ((client, server, forward), (server, client, client.sendall)):
            threading.Thread(target=self.pump, args=(source, sink, pass_on), daemon=True).start()


def publish(broker: Broker, vhost: str, queue: str) -> None:
    body = {"properties": {"delivery_mode": 2}, "routing_key": queue, "payload": "{}", "payload_encoding": "string"}
    assert broker.ask("POST", f"exchanges/{vhost}/amq.default/publish", body)["routed"]


class Place:
    """The bed, and what its transports lead to."""

    def __init__(self, home: Bed, full: str, arrival: LateArrival, figures: TcpProxy) -> None:
        self.home, self.full, self.arrival, self.figures = home, full, arrival, figures


@pytest.fixture(scope="module")
def place(cluster: Cluster) -> Iterator[Place]:
    """One controller for the tests of this module."""
    broker = shared_node()
    interface = urlsplit(broker.management_url)
    with ExitStack() as stack:
        full = stack.enter_context(broker.vhost())
        figures = TcpProxy(str(interface.hostname), int(interface.port or 80))
        stack.callback(figures.stop)
        late: list[LateArrival] = []

        def transports(broker: Broker, vhost: str) -> JSON:
            late.append(LateArrival(broker, vhost))
            stack.callback(late[0].stop)
            return {
                "curtailed": rabbitmq(broker, vhost, username=CURTAILED, managementUrl=None),
                "unmanaged": rabbitmq(broker, vhost, username=CURTAILED, queueNameTemplate="u-{namespace}-{actor}"),
                "full": rabbitmq(broker, full, delayTiers=["1s"]),
                "late": rabbitmq(broker, vhost, port=late[0].port, queueNameTemplate="l-{namespace}-{actor}"),
                "blind": rabbitmq(
                    broker, vhost, managementUrl=f"http://127.0.0.1:{figures.port}", queueNameTemplate="b-{actor}"
                ),
            }

        broker.ask("PUT", f"vhost-limits/{full}/max-queues", {"value": 5})
        broker.add_user(CURTAILED, PASSWORD)
        stack.callback(broker.ask, "DELETE", f"users/{CURTAILED}")
        environ = {"PYTHONPATH": str(ROOT)}
        with bed(cluster, broker, transports, environ, command=IMPATIENT, cleanupTimeout="15s") as home:
            yield Place(home, full, late[0], figures)


def failed(home: Bed, name: str, value: str, kind: str, reason: str, within_s: float = 25) -> str:
    """The words, once the status is as a fault has it that may pass: not stalled, told by an Event."""
    status = home.reaches(name, value, reason, within_s)
    assert condition(status, kind) == ("False", reason)
    assert states(status) == ("False", "True", "")
    assert status["message"] == message(status, kind)
    home.told(name, value)
    return str(status["message"])


def test_a_queue_that_the_broker_does_not_let_the_controller_make(place: Place) -> None:
    home = place.home
    others = f"asya[.]delay[.].*|asya-{home.namespace}-x-s.*"
    home.broker.permit(home.vhost, CURTAILED, configure=others)
    home.create("forbidden", transport="curtailed")
    words = failed(home, "forbidden", "TransportError", "TransportReady", "QueueCreateFailed")
    assert f"access to queue '{home.queue('forbidden')}-dlq'" in words
    assert f"refused for user '{CURTAILED}'; to permit it: rabbitmqctl set_permissions" in words
    assert home.child("deployments", "forbidden") is None
    home.broker.permit(home.vhost, CURTAILED)
    home.reaches("forbidden", "ScalingUp", "QueueReady")
    home.told("forbidden", "Recovered", "QueueCreated")


def test_a_user_whom_the_management_interface_does_not_serve_is_told_why(place: Place) -> None:
    home = place.home
    home.create("untagged", transport="unmanaged")
    status = home.reaches("untagged", "TransportError", "AuthFailed")
    assert "Not management user" in status["message"]
    assert CURTAILED in status["message"]
    home.broker.ask("PUT", f"users/{CURTAILED}", {"password": PASSWORD, "tags": "management"})
    home.reaches("untagged", "ScalingUp", "QueueReady")


def test_a_virtual_host_that_takes_no_more_queues(place: Place) -> None:
    """Its refusal has the code of a queue with other arguments, and must not pass for a queue that is there."""
    home = place.home
    home.create("surplus", transport="full")
    words = failed(home, "surplus", "TransportError", "TransportReady", "QueueCreateFailed")
    assert f"cannot declare queue '{home.queue('surplus')}-dlq': queue limit in vhost" in words
    assert "(5) is reached" in words
    assert home.child("deployments", "surplus") is None
    home.broker.ask("DELETE", f"vhost-limits/{place.full}/max-queues")
    home.reaches("surplus", "ScalingUp", "QueueReady")
    names = {item["name"] for item in home.broker.ask("GET", f"queues/{place.full}")}
    assert {home.queue("surplus"), f"{home.queue('surplus')}-dlq", "asya.delay.1s"} <= names


def test_pods_that_a_webhook_out_of_reach_keeps_from_being_created(place: Place) -> None:
    """A Deployment says so itself; of a StatefulSet there are Events alone, which are looked for after a while."""
    home, kinds = place.home, {"unborn": "Deployment", "unborn-set": "StatefulSet"}
    hook = {
        "name": "images.example.com",
        "clientConfig": {"url": f"https://127.0.0.1:{free_port()}/"},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        "objectSelector": {"matchExpressions": [{"key": "asya.sh/actor", "operator": "In", "values": [*kinds]}]},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": home.namespace}},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 1,
    }
    meta = {"name": f"images-{home.namespace}"}
    home.api.create("validatingwebhookconfigurations", "", {"metadata": meta, "webhooks": [hook]})
    try:
        for name, kind in kinds.items():
            home.create(name, workload={"kind": kind})
        for name in kinds:
            words = failed(home, name, "WorkloadError", "WorkloadReady", "PodCreationFailed", within_s=60)
            assert words.startswith("pods cannot be created: ")
            assert 'failed calling webhook "images.example.com"' in words
            assert home.pods(name) == []
    finally:
        home.api.delete("validatingwebhookconfigurations", "", meta["name"])
    for name in kinds:
        until(lambda name=name: home.pods(name), 60, 0.1, what=f"pods of {name}")
        home.make_ready(name, 1)
        home.reaches(name, "Running", "WorkloadAvailable")
        home.told(name, "Recovered")


def test_a_container_that_a_kubelet_cannot_configure(place: Place) -> None:
    home = place.home
    home.create("rooted")
    (pod,) = home.has_pods("rooted", 1)
    said = 'container has runAsNonRoot and image will run as root (pod: "rooted-x_ns(9c)", container: asya-runtime)'
    home.make_failing(pod, "asya-runtime", {"waiting": {"reason": "CreateContainerConfigError", "message": said}})
    words = failed(home, "rooted", "ConfigError", "WorkloadReady", "ContainerConfigInvalid")
    assert words.startswith(f"container asya-runtime: CreateContainerConfigError in pod {pod['metadata']['name']}: ")
    assert "container has runAsNonRoot and image will run as root" in words
    home.make_ready("rooted")
    home.reaches("rooted", "Running", "WorkloadAvailable")
    home.told("rooted", "Recovered")


def test_what_cannot_be_known_when_a_queue_is_deleted_is_told(place: Place) -> None:
    """One was empty twice and gets a message right before it goes. The other is empty, unread and somebody else's, which the management
    interface alone knows, and that is away.
    """
    home = place.home
    queue = f"l-{home.namespace}-late"
    home.create("late", transport="late", workload={"replicas": 0})
    home.reaches("late", "Running", "QueueReady")
    arguments = {"x-queue-type": "quorum", "x-asya-owner": "other/shop/hidden"}
    home.broker.ask("PUT", f"queues/{home.vhost}/b-hidden", {"durable": True, "arguments": arguments})
    home.create("hidden", transport="blind")
    home.reaches("hidden", "TransportError", "QueueConflict")
    place.arrival.queue = queue
    place.figures.stop()
    try:
        for name in ("late", "hidden"):
            home.delete(name)
        for name in ("late", "hidden"):
            home.gone(name)
        home.told("late", "MessagesLost")
        home.told("hidden", "QueueLeaked")
        assert "b-hidden" in home.queues()
    finally:
        place.figures.begin()
    notes = [item["note"] for item in home.api.items("events", home.namespace) if item["reason"] == "MessagesLost"]
    assert notes == [f"queue '{queue}' got 1 messages while it was deleted; they are lost"]
    assert queue not in home.queues()


def test_an_api_server_that_fails_for_long_is_told_and_tried_again(place: Place) -> None:
    home = place.home
    home.create("updated")
    home.make_ready("updated", 1)
    before = home.reaches("updated", "Running")
    said = "etcdserver: request timed out"
    home.proxy.inject(faults.answer(500, said), times=None, verb="patch", resource="deployments")
    home.image("updated", "registry.example.com/hello:2")
    words = failed(home, "updated", "WorkloadError", "WorkloadReady", "ApiError")
    assert said in words
    assert home.status("updated")["readyReplicas"] == before["readyReplicas"], "the running version keeps running"
    home.proxy.heal()
    home.has_pods("updated", 2)
    home.make_ready("updated")
    until(lambda: len(home.pods("updated")) == 1, what="the old pod has gone")
    home.make_ready("updated")
    home.reaches("updated", "Running", "WorkloadAvailable")
    home.told("updated", "Recovered")


def test_healthz_names_a_watch_and_a_pass_that_hang(place: Place) -> None:
    """Both wait for an answer that comes a byte at a time, so that no timeout ends it; the kubelet has to."""
    home = place.home
    assert home.controller.probe("/healthz") == (200, "ok")
    began = home.controller.metric("asya_watch_restarts_total", kind="statefulsets")
    home.proxy.inject(faults.trickles, verb="watch", resource="pods")
    home.proxy.inject(faults.trickles, verb="patch", resource="deployments")
    home.create("stuck")
    both = (503, "the watch of pods has neither moved nor tried\na pass does not end")
    until(lambda: home.controller.probe("/healthz") == both, 60, 0.2, what="both are named")
    assert home.controller.metric("asya_watch_restarts_total", kind="statefulsets") > began, "others begin anew"
    assert home.controller.probe("/readyz") == (200, "ok")
    home.create("other")
    home.reaches("other", "ScalingUp", "QueueReady")
    home.controller.kill()
    home.controller.start()
    assert home.controller.probe("/healthz") == (200, "ok")
    home.reaches("stuck", "ScalingUp", "QueueReady")
