"""Which queue belongs to whom (contract: sidecar, Situations 48, 49)."""

import json

from tests.support.sidecar_process import envelope, mesh
from tests.support.wait import until


def test_row_48_two_namespaces_on_one_broker_do_not_meet() -> None:
    with mesh() as own:
        for actor in ("a", "b", "x-sink", "x-sump"):
            own.admin.declare(f"asya-other-{actor}")
        own.pair()
        own.pair(pod="other", ASYA_NAMESPACE="other")
        own.send(envelope(id="ours"))
        own.admin.publish("asya-other-a", json.dumps(envelope(id="theirs")).encode())
        assert [found["id"] for found in own.arrived("b", 1)] == ["ours"]
        until(lambda: own.admin.peek("asya-other-b"), what="the other namespace's message")
        assert [json.loads(found.body)["id"] for found in own.admin.peek("asya-other-b")] == ["theirs"]
        assert [found["id"] for found in own.at("b")] == ["ours"]


def test_row_49_an_outsider_may_publish_a_bare_body_to_a_bare_queue_name() -> None:
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
