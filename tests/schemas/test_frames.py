"""A runtime's frames become envelopes, or the answer breaks the protocol (contract: envelope, Advance and fan-out)."""

from __future__ import annotations

import json

import pytest

from asya_schemas.envelope import Envelope
from asya_schemas.frames import Frame, ProtocolError, made_of, payloads_of, read_answer, read_frame
from asya_schemas.names import child_id
from asya_schemas.route import Route
from tests.support.golden import cases

INPUT = Envelope("e-1", Route((), "a", ("b",)), b"1", headers={"trace_id": b'"t"', "k": b"1"}, extra={"x": b"1.0"})
ROUTE = '{"prev":["a"],"curr":"b","next":[]}'
FRAME = Frame(b"2", Route(("a",), "b", ()))


def frame(route: str = ROUTE, rest: str = ',"payload":2.50') -> bytes:
    return f'{{"route":{route}{rest}}}'.encode()


def test_a_frame_keeps_its_payload_as_text() -> None:
    assert read_frame(frame(), INPUT) == Frame(b"2.50", Route(("a",), "b", ()))


def test_an_answer_holds_frames_in_order() -> None:
    body = b'{"frames": [%b, %b]}' % (frame(rest=',"payload":1'), frame(rest=',"payload":2,"headers":{"h":[1]}'))
    first, second = read_answer(body, INPUT)
    assert (first.payload, first.headers, second.payload, second.headers) == (b"1", {}, b"2", {"h": b"[1]"})


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{",
        frame(rest=""),
        frame(rest=',"payload":1e999'),
        frame(rest=',"payload":1,"headers":[]'),
        b'{"payload":1}',
        frame('{"prev":[],"curr":"a","next":["b"]}'),
        frame('{"prev":["z"],"curr":"b","next":[]}'),
        frame('{"prev":["a","b"],"curr":"","next":[]}'),
        frame('{"prev":["a"],"curr":"b","next":["B"]}'),
        frame('{"prev":["a"],"curr":"b","next":[],"next":[]}'),
    ],
)
def test_a_frame_that_breaks_the_rules_is_a_protocol_error(raw: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_frame(raw, INPUT)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"frames":[]}', b'{"frames":{}}', b'{"frames":[1]}', b'{"frames":null}']
)
def test_an_answer_without_frames_is_a_protocol_error(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_answer(body, INPUT)


def test_an_end_actor_s_answer_is_read_whatever_its_route() -> None:
    assert payloads_of(b'{"frames":[{"payload":{},"route":5}]}') == [b"{}"]


def test_the_first_frame_keeps_the_id_and_the_others_are_children() -> None:
    made = made_of(INPUT, [FRAME, FRAME, FRAME])
    assert [(one.id, one.parent_id) for one in made] == [
        ("e-1", None),
        ("06e22545-f758-5d68-9622-9fa0debaabd9", "e-1"),
        ("20921dab-8029-5a72-8e71-1a3997a8079f", "e-1"),
    ]


def test_children_are_counted_on_the_first_frame_only() -> None:
    counted = Envelope("e-1", Route((), "a", ("b",)), b"1", headers={"x-asya-children": b"3"})
    assert [one.headers.get("x-asya-children") for one in made_of(counted, [FRAME] * 3)] == [b"5", None, None]
    assert [one.headers.get("x-asya-children") for one in made_of(counted, [FRAME])] == [b"3"]
    assert [one.headers.get("x-asya-children") for one in made_of(INPUT, [FRAME])] == [None]


def test_reserved_headers_are_the_input_s_and_the_others_the_handler_s() -> None:
    tampered = Frame(b"2", FRAME.route, {"trace_id": b'"mine"', "x-asya-parked": b"9", "new": b"1"})
    assert made_of(INPUT, [tampered])[0].headers == {"trace_id": b'"t"', "new": b"1"}


def test_the_first_attempt_is_forgotten_behind_the_actor() -> None:
    retried = Envelope("e-1", Route((), "a", ("b",)), b"1", headers={"x-asya-first-attempt": b'"2026-01-01T00:00:00Z"'})
    assert made_of(retried, [FRAME])[0].headers == {}


def test_shape_and_unknown_members_are_the_input_s() -> None:
    old = Envelope("e-1", Route((), "a", ("b",), True, {"metadata": b"1.0"}), b"1", extra={"x": b"1"})
    [made] = made_of(old, [FRAME])
    assert made.route == Route(("a",), "b", (), True, {"metadata": b"1.0"})
    assert made.extra == {"x": b"1"}


@pytest.mark.parametrize("case", cases("children"), ids=lambda case: case.title)
def test_child_ids_are_the_golden_ones(case: object) -> None:
    expected = case.expected  # type: ignore[attr-defined]
    assert child_id(expected["id"], expected["hops"], expected["index"]) == expected["child"]


@pytest.mark.parametrize(
    "case", [case for case in cases("edits") if case.expected["next_hop"]], ids=lambda case: case.title
)
def test_every_allowed_edit_of_the_table_passes_the_check(case: object) -> None:
    expected = case.expected  # type: ignore[attr-defined]
    actors, current = expected["input"]["actors"], expected["input"]["current"]
    before = Route(tuple(actors[:current]), actors[current], tuple(actors[current + 1 :]), old_shape=True)
    raw = json.dumps({"route": expected["next_hop"], "payload": 1}).encode()
    assert read_frame(raw, Envelope("e-1", before, b"1")).route.hops == current + 1
