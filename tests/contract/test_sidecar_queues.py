"""Which queue belongs to whom (contract: sidecar, Situations 48, 49)."""

import json

from tests.support.sidecar_process import envelope, mesh
from tests.support.wait import until


def test_row_48_actors_of_one_name_in_two_namespaces_get_their_own_messages_only() -> None:
    with mesh() as own:
        for actor in ("a", "b", "x-sink", "x-sump"):
            own.admin.declare(f"asya-other-{actor}")
        here, _ = own.pair()
        there, _ = own.pair(pod="other", ASYA_NAMESPACE="other")
        own.send(envelope(id="here"))
        own.admin.publish("asya-other-a", json.dumps(envelope(id="there")).encode())
        assert own.arrived_one("b", "here")
        found = until(lambda: own.admin.peek("asya-other-b"), what="the other namespace's message")
        assert [json.loads(stored.body)["id"] for stored in found] == ["there"]
        assert [found["id"] for found in own.at("b")] == ["here"]
        assert [sidecar.metric("messages_received_total") for sidecar in (here, there)] == [1, 1]


def test_row_49_an_outsider_may_publish_a_bare_body_to_a_bare_queue_name() -> None:
    """On RabbitMQ with plain pika, as outsiders do: test_sidecar_rabbitmq.py."""
    with mesh() as own:
        for queue in ("a", "b", "x-sink", "x-sump"):
            own.admin.declare(queue)
        own.pair(ASYA_QUEUE_NAME_TEMPLATE="{actor}")
        own.admin.publish("a", json.dumps(envelope()).encode())
        found = until(lambda: own.admin.peek("b"), what="the message at b")
        assert json.loads(found[0].body)["route"]["prev"] == ["a"]


def test_without_a_controller_the_sidecar_can_declare_its_queues() -> None:
    with mesh() as own:
        own.runtime(pod="new")
        own.sidecar("new", ASYA_NAMESPACE="fresh", ASYA_QUEUE_AUTO_CREATE="true").ready()
        expected = {f"asya-fresh-{name}" for name in ("new", "new-dlq", "x-sink", "x-sump")}
        until(lambda: expected <= set(own.admin.queues()), what="the queues are there")
