"""Envelope mode and relaxed validation (contract: runtime, rows 28-31; envelope, the edit table)."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.golden import Golden, cases
from tests.support.runtime_process import Python, RuntimeProcess, pythons, running

EDITS = cases("edits")


@pytest.fixture(scope="module", params=pythons(), ids=str)
def runtime(request: pytest.FixtureRequest) -> Iterator[RuntimeProcess]:
    with running(request.param, "envelopes.f", ASYA_HANDLER_MODE="envelope") as process:
        yield process


def new_shape(route: dict[str, Any]) -> dict[str, Any]:
    actors, at = route["actors"], route["current"]
    return {"prev": actors[:at], "curr": actors[at] if at < len(actors) else "", "next": actors[at + 1 :]}


@pytest.mark.parametrize("shape", ["old", "new"])
@pytest.mark.parametrize("case", EDITS, ids=lambda case: f"{case.row}-{case.title}")
def test_row_28_the_edit_table_holds(runtime: RuntimeProcess, case: Golden, shape: str) -> None:
    given, expected = case.expected["input"], case.expected["next_hop"]
    if shape == "new":
        given, expected = new_shape(given), expected and new_shape(expected)
    run = f"e['route'].update({case.expected['edited']!r})"
    answer = runtime.call({"run": run}, route=given)
    if expected is None:
        assert answer.status == 500
        assert answer.details["type"] == "asya.InvalidOutput"
        assert answer.details["message"].startswith("Invalid output envelope[0/1]: ")
        assert case.expected["invalid"] in answer.details["message"]
    else:
        assert [frame["route"] for frame in answer.frames] == [expected]


def test_row_28_the_handler_sees_both_views_and_all_members(runtime: RuntimeProcess) -> None:
    run = "out['payload'] = {'keys': sorted(e), 'route': dict(e['route']), 'headers': e['headers'], 'x': e['x']}"
    answer = runtime.call({"run": run}, x=[1], status={"phase": "processing"})
    assert answer.payloads == [
        {
            "keys": ["headers", "id", "payload", "route", "status", "x"],
            "route": {"prev": [], "curr": "a", "next": ["b"], "actors": ["a", "b"], "current": 0},
            "headers": {},
            "x": [1],
        }
    ]
    assert set(answer.frames[0]) == {"payload", "route"}


def test_row_28_a_finished_route_is_neither_advanced_nor_required_to_be(runtime: RuntimeProcess) -> None:
    route = {"prev": ["a", "b"], "curr": "", "next": []}
    assert runtime.call({"run": ""}, route=route).frames[0]["route"] == route


@pytest.mark.parametrize(
    ("run", "told"),
    [
        ("out = 5", "an int"),
        ("out = {'payload': 1}", "route is missing"),
        ("out = {'route': e['route']}", "payload is missing"),
        ("e['route'] = 5", "route must be an object"),
        ("e['route']['next'] = 'b'", "route.next"),
        ("e['route']['next'] = ['A_b']", "route.next"),
        ("e['route']['next'] = ['c'] * 257", "route.next"),
        ("e['route']['current'] = True", "route.current"),
        ("e['headers'] = 5", "headers"),
    ],
)
def test_row_28_an_output_that_is_no_envelope_is_a_processing_error(
    runtime: RuntimeProcess, run: str, told: str
) -> None:
    answer = runtime.call({"run": run})
    assert (answer.status, answer.json["error"]) == (500, "processing_error")
    assert answer.details["message"].startswith("Invalid output envelope[0/1]: ")
    assert told in answer.details["message"]


def test_row_29_one_invalid_envelope_of_a_list_sends_no_frame(runtime: RuntimeProcess) -> None:
    run = "out = [dict(e), {'payload': 1}, dict(e)]"
    answer = runtime.call({"run": run})
    assert answer.json == {
        "error": "processing_error",
        "details": {
            "message": "Invalid output envelope[1/3]: route is missing",
            "type": "asya.InvalidOutput",
            "mro": ["ValueError", "Exception"],
            "traceback": "",
        },
    }


@pytest.mark.parametrize("python", pythons(), ids=str)
def test_row_29_a_generator_counts_its_frames(python: Python) -> None:
    with running(python, "envelopes.generator", ASYA_HANDLER_MODE="envelope") as runtime:
        answer = runtime.call({"run": "out = [('FLY', 1), dict(e, payload=1), None, {'payload': 2}]"})
    assert [event.name for event in answer.events] == ["partial", "frame", "error", "done"]
    assert answer.events[2].data["details"]["message"] == "Invalid output envelope[1]: route is missing"


def test_row_30_headers_come_from_the_output_or_else_from_the_input(runtime: RuntimeProcess) -> None:
    headers = {"keep": 1, "drop": {"k": [1]}}
    without = runtime.call({"run": "del e['headers']"}, headers=headers)
    assert without.frames[0]["headers"] == headers
    removed = runtime.call({"run": "del e['headers']['drop']"}, headers=headers)
    assert removed.frames[0]["headers"] == {"keep": 1}
    all_removed = runtime.call({"run": "e['headers'].clear()"}, headers=headers)
    assert all_removed.frames[0].get("headers", {}) == {}


def test_row_30_another_id_has_no_effect(runtime: RuntimeProcess) -> None:
    answer = runtime.call({"run": "e.update(id='other', parent_id='p', status={}, x=1)"})
    assert set(answer.frames[0]) == {"payload", "route"}


def test_what_the_handler_does_later_does_not_change_what_it_sent(runtime: RuntimeProcess) -> None:
    run = "a = dict(e, payload=1); e['route']['next'] = ['c']; e['route'] = {'prev': []}; out = [a, dict(e, payload=2)]"
    answer = runtime.call({"run": run})
    assert [frame["route"]["curr"] for frame in answer.frames] == ["c", "b"]


@pytest.mark.parametrize(("handler", "payload"), [("returns_object", {}), ("returns_k", {"k": 1})])
@pytest.mark.parametrize("python", pythons(), ids=str)
def test_row_31_without_validation_any_output_is_a_payload(python: Python, handler: str, payload: Any) -> None:
    options = {"ASYA_HANDLER_MODE": "envelope", "ASYA_ENABLE_VALIDATION": "false"}
    with running(python, f"envelopes.{handler}", **options) as runtime:
        answer = runtime.post(b'{"payload":1,"route":5}')
    assert (answer.status, answer.frames) == (200, [{"payload": payload, "route": 5}])


@pytest.fixture(scope="module")
def relaxed() -> Iterator[RuntimeProcess]:
    options = {"ASYA_HANDLER_MODE": "envelope", "ASYA_ENABLE_VALIDATION": "off"}
    with running(pythons()[0], "envelopes.f", **options) as process:
        yield process


@pytest.mark.parametrize(
    ("body", "code"), [(b"{", "syntax"), (b"[1]", "object"), (b'{"id":"e"}', "payload"), (b'{"payload":NaN}', "syntax")]
)
def test_row_31_without_validation_the_body_is_still_strict_json_with_a_payload(
    relaxed: RuntimeProcess, body: bytes, code: str
) -> None:
    answer = relaxed.post(body)
    assert (answer.status, answer.details["code"]) == (400, code)


@pytest.mark.parametrize(
    ("route", "run", "expected"),
    [
        ({"prev": [], "curr": "a", "next": ["b"]}, "", {"prev": ["a"], "curr": "b", "next": []}),
        ({"prev": [], "curr": "a", "next": ["b"]}, "e['route'] = 7", {"prev": [], "curr": "a", "next": ["b"]}),
        ({"prev": ["a"], "curr": "", "next": []}, "", {"prev": ["a"], "curr": "", "next": []}),
        ("odd", "e['route'] = {'prev': []}", "odd"),
    ],
)
def test_row_31_without_validation_the_route_advances_only_if_both_are_valid(
    relaxed: RuntimeProcess, route: Any, run: str, expected: Any
) -> None:
    answer = relaxed.post(json.dumps({"payload": {"run": run}, "route": route}).encode())
    assert answer.frames[0]["route"] == expected
