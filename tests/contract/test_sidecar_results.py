"""What a handler's result becomes at the next queue (contract: sidecar, Situations 1 to 6)."""

from collections.abc import Iterator

import pytest

from tests.support.sidecar_process import Mesh, Sidecar, envelope, mesh, route
from tests.support.wait import until

CHILDREN = ("06e22545-f758-5d68-9622-9fa0debaabd9", "20921dab-8029-5a72-8e71-1a3997a8079f")


@pytest.fixture(scope="module")
def shared(broker: str) -> Iterator[tuple[Mesh, Sidecar]]:  # noqa: ARG001 - `mesh` opens it
    """One pair for all tests here that need nothing special; each uses its own ids."""
    with mesh("c") as opened:
        sidecar, _ = opened.pair()
        yield opened, sidecar


@pytest.fixture
def plain(shared: tuple[Mesh, Sidecar]) -> Mesh:
    return shared[0]


def test_row_1_a_result_goes_to_the_next_queue_with_its_route_advanced(plain: Mesh) -> None:
    plain.send(envelope(id="r1"))
    found = plain.arrived_one("b", "r1")
    assert found["route"] == route("a", "b", at=1)
    assert found["payload"] == {"x": 1}
    assert (found["status"]["phase"], found["status"]["actor"], found["status"]["attempt"]) == ("pending", "b", 1)
    until(lambda: plain.is_gone("a"), what="own queue empty")


def test_row_1_a_finished_route_goes_to_the_sink_as_succeeded(plain: Mesh) -> None:
    plain.send(envelope(id="r1-end", route=route("a")))
    found = plain.arrived_one("x-sink", "r1-end")
    assert found["route"] == {"prev": ["a"], "curr": "", "next": []}
    assert (found["status"]["phase"], found["status"]["reason"]) == ("succeeded", "Completed")
    assert found["status"]["actor"] == "a"


def test_row_1_the_sink_by_name_is_a_success_too(plain: Mesh) -> None:
    plain.send(envelope(id="r1-named", route=route("a", "x-sink")))
    found = plain.arrived_one("x-sink", "r1-named")
    assert found["route"] == {"prev": ["a"], "curr": "x-sink", "next": []}
    assert (found["status"]["phase"], found["status"]["reason"]) == ("succeeded", "Completed")


def test_row_2_the_old_shape_is_kept_on_the_way(plain: Mesh) -> None:
    plain.send(envelope(id="r2", route={"actors": ["a", "b"], "current": 0}))
    assert plain.arrived_one("b", "r2")["route"] == {"actors": ["a", "b"], "current": 1}


def test_row_2_the_old_shape_is_kept_at_the_end(plain: Mesh) -> None:
    plain.send(envelope(id="r2-end", route={"actors": ["c", "a"], "current": 1}))
    assert plain.arrived_one("x-sink", "r2-end")["route"] == {"actors": ["c", "a"], "current": 2}


@pytest.mark.parametrize(
    ("payload", "then", "at"),
    [({}, ["b"], "b"), ({}, [], "x-sink"), ({"do": "fail"}, ["b"], "x-sump"), ({"do": "nothing"}, ["b"], "x-sink")],
)
def test_row_3_headers_parent_and_unknown_members_survive(
    plain: Mesh, payload: dict[str, str], then: list[str], at: str
) -> None:
    name = f"r3-{at}-{payload.get('do')}"
    headers = {"tenant": "blue", "n": 12345678901234567890, "o": {"k": None}}
    plain.send(
        envelope(payload, id=name, parent_id="p-1", headers=headers, x=[1, {"y": 1.50}], route=route("a", *then))
    )
    found = plain.arrived_one(at, name)
    assert found["parent_id"] == "p-1"
    assert found["headers"] == headers | {"trace_id": name}
    assert found["x"] == [1, {"y": 1.50}]


def test_row_3_headers_and_unknown_members_survive_a_retry() -> None:
    policies = '{"default": {"initialDelay": "100ms", "jitter": false}}'
    with mesh() as own:
        own.pair(ASYA_RESILIENCY_POLICIES=policies)
        own.send(envelope({"do": "fail_at_first"}, parent_id="p-1", headers={"tenant": "blue"}, x=[1]))
        found = own.arrived_one("b", "e-1")
    assert (found["parent_id"], found["headers"], found["x"]) == ("p-1", {"tenant": "blue", "trace_id": "e-1"}, [1])


@pytest.mark.parametrize("do", ["nothing", "empty"])
def test_row_4_a_handler_that_returns_nothing_ends_the_route_at_the_sink(shared: tuple[Mesh, Sidecar], do: str) -> None:
    plain, sidecar = shared
    before = sidecar.metric("messages_processed_total", status="empty_response")
    plain.send(envelope({"do": do}, id=f"r4-{do}"))
    found = plain.arrived_one("x-sink", f"r4-{do}")
    assert found["payload"] == {"do": do}
    assert found["route"] == route("a", "b")
    assert (found["status"]["phase"], found["status"]["reason"]) == ("succeeded", "Aborted")
    until(lambda: sidecar.metric("messages_processed_total", status="empty_response") == before + 1)


def test_row_5_frames_of_a_fan_out_have_deterministic_ids(plain: Mesh) -> None:
    plain.send(envelope({"do": "many", "frames": 3}, route=route("a", "c")))
    found = plain.arrived("c", 3)
    assert [message["id"] for message in found] == ["e-1", *CHILDREN]
    assert [message.get("parent_id") for message in found] == [None, "e-1", "e-1"]
    assert [message["headers"].get("x-asya-children") for message in found] == [2, None, None]
    assert [message["headers"]["trace_id"] for message in found] == ["e-1"] * 3
    assert [message["payload"] for message in found] == [{"n": 0}, {"n": 1}, {"n": 2}]


def test_row_5_a_generator_makes_the_same_ids(plain: Mesh) -> None:
    plain.send(envelope({"do": "many", "frames": 3}, id="r5-list"))
    plain.send(envelope({"do": "stream", "frames": 3}, id="r5-stream"))
    for name in ("r5-list", "r5-stream"):
        plain.arrived_one("b", name)
    until(lambda: len([found for found in plain.at("b") if found.get("parent_id") == "r5-stream"]) == 2)


def test_row_6_a_kill_between_two_sends_repeats_all_with_the_same_ids() -> None:
    with mesh() as own:
        sidecar, _ = own.pair("spread", ASYA_HANDLER_MODE="envelope", ASYA_UNKNOWN_ACTOR_WAIT="5m")
        own.send(envelope({"to": ["b", "b", "late"]}))
        own.arrived("b", 2)  # the third waits for its queue, so the result is sent in part
        sidecar.kill()
        own.declare("late")
        own.admin.release_dead()
        own.sidecar()
        third = own.arrived("late", 1)
        sent = [message["id"] for message in own.arrived("b", 4)]
        until(lambda: own.is_gone("a"), what="own queue empty")
    assert sent == ["e-1", CHILDREN[0], "e-1", CHILDREN[0]]
    assert [message["id"] for message in third] == [CHILDREN[1]]


def test_reserved_headers_are_put_back_and_others_are_the_handlers() -> None:
    with mesh() as own:
        own.pair("envelope", ASYA_HANDLER_MODE="envelope")
        edits = {"set_headers": {"trace_id": "forged", "x-asya-children": 7, "tenant": "red", "new": 1}}
        own.send(
            envelope(
                edits | {"set_members": {"id": "forged", "status": {"phase": "failed"}}}, headers={"tenant": "blue"}
            )
        )
        found = own.arrived_one("b", "e-1")
    assert found["headers"] == {"trace_id": "e-1", "tenant": "red", "new": 1}
    assert found["status"]["phase"] == "pending"
