"""What a handler in payload mode returns, and what becomes of it (contract: runtime, rows 1-9, 14, 25-27, 48)."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from tests.support.runtime_process import Python, RuntimeProcess, current, pythons, running


@pytest.fixture(scope="module", params=pythons(), ids=str)
def runtime(request: pytest.FixtureRequest) -> Iterator[RuntimeProcess]:
    with running(request.param, "results.f") as process:
        yield process


def test_row_1_one_result_is_one_frame_with_the_route_advanced(runtime: RuntimeProcess) -> None:
    answer = runtime.call({"do": "one"})
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json == {"frames": [{"payload": {"y": 2}, "route": {"prev": ["a"], "curr": "b", "next": []}}]}


def test_row_3_the_old_shape_is_answered_in_the_old_shape(runtime: RuntimeProcess) -> None:
    answer = runtime.call({"do": "one"}, route={"actors": ["a", "b"], "current": 0})
    assert answer.frames == [{"payload": {"y": 2}, "route": {"actors": ["a", "b"], "current": 1}}]


def test_other_members_of_the_route_are_carried_along(runtime: RuntimeProcess) -> None:
    route = {"prev": [], "curr": "a", "next": ["b"], "metadata": {"k": [1]}}
    assert runtime.call({"do": "one"}, route=route).frames[0]["route"]["metadata"] == {"k": [1]}


def test_row_4_all_frames_have_the_input_headers_and_the_log_has_the_trace_id(runtime: RuntimeProcess) -> None:
    headers = {"trace_id": "t-42", "k": [1]}
    answer = runtime.call({"do": "list_in_list"}, headers=headers)
    assert [frame["headers"] for frame in answer.frames] == [headers]
    two = runtime.call({"do": "three_list"}, id="row-4", headers=headers)
    assert [frame["headers"] for frame in two.frames] == [headers] * 3
    assert runtime.log_of("row-4")["trace_id"] == "t-42"


@pytest.mark.parametrize(
    ("headers", "trace_id"),
    [
        (
            {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
            "4bf92f3577b34da6a3ce929d0e0e4736",
        ),
        ({"traceparent": "00-00000000000000000000000000000000-00f067aa0ba902b7-01"}, None),
        ({"trace_id": 5, "traceparent": [1]}, None),
        (None, None),
    ],
)
def test_the_trace_id_in_the_log_follows_the_rule_of_the_header(headers: Any, trace_id: str | None) -> None:
    with running(current(), "results.f") as runtime:
        runtime.call({"do": "one"}, id="e-9", headers=headers)
        assert runtime.log_of("e-9")["trace_id"] == (trace_id or "e-9")


@pytest.mark.parametrize("do", ["none", "empty_list", "empty_tuple", "nothing", "async_nothing"])
def test_row_5_nothing_is_answered_204(runtime: RuntimeProcess, do: str) -> None:
    answer = runtime.call({"do": do})
    assert (answer.status, answer.body) == (204, b"")
    assert "content-length" not in answer.headers


@pytest.mark.parametrize("do", ["three_list", "three_tuple"])
def test_row_6_a_list_is_one_frame_per_item_in_order(runtime: RuntimeProcess, do: str) -> None:
    answer = runtime.call({"do": do})
    assert answer.payloads == [{"n": 1}, {"n": 2}, {"n": 3}]
    assert {str(frame["route"]) for frame in answer.frames} == {str({"prev": ["a"], "curr": "b", "next": []})}


@pytest.mark.parametrize("do", ["list_in_list", "named_tuple"])
def test_row_7_a_list_in_a_list_and_a_named_tuple_are_one_payload(runtime: RuntimeProcess, do: str) -> None:
    assert runtime.call({"do": do}).payloads == [[1, 2]]


@pytest.mark.parametrize(
    ("do", "payload"), [("zero", 0), ("empty_text", ""), ("empty_object", {}), ("false", False), ("list_of_none", None)]
)
def test_row_8_a_falsy_result_is_a_frame(runtime: RuntimeProcess, do: str, payload: object) -> None:
    payloads = runtime.call({"do": do}).payloads
    assert payloads == [payload]
    assert type(payloads[0]) is type(payload)


@pytest.mark.parametrize(
    "handler",
    ["coroutine", "decorated_coroutine", "Plain.async_method", "Plain.static"],
)
@pytest.mark.parametrize("python", pythons(), ids=str)
def test_row_9_coroutines_and_methods_answer_like_functions(python: Python, handler: str) -> None:
    with running(python, f"results.{handler}") as runtime:
        assert runtime.call({"n": 1}).payloads == [{"got": {"n": 1}}]


def test_row_9_a_client_bound_to_the_loop_works_in_the_second_call(runtime: RuntimeProcess) -> None:
    for _ in range(2):
        assert runtime.call({"do": "loop_client"}).payloads == [{"said": "answer"}]


def test_row_9_the_result_of_a_coroutine_is_judged_like_any_other(runtime: RuntimeProcess) -> None:
    answer = runtime.call({"do": "returns_a_generator"})
    assert [event.name for event in answer.events] == ["frame", "done"]
    assert answer.payloads == [[1, 2]]


@pytest.mark.parametrize("python", pythons(), ids=str)
def test_row_14_a_class_is_made_once_and_keeps_its_state(python: Python) -> None:
    with running(python, "results.Counter.count") as runtime:
        assert [runtime.call(None).payloads[0]["count"] for _ in range(3)] == [11, 12, 13]


@pytest.mark.parametrize("python", pythons(), ids=str)
def test_row_14_a_class_without_a_constructor_is_loaded(python: Python) -> None:
    with running(python, "results.Plain.of_class") as runtime:
        assert runtime.call(5).payloads == [{"got": 5, "class": "Plain"}]


@pytest.mark.parametrize(
    ("do", "told"),
    [
        ("widget", "Widget"),
        ("nan", "JSON compliant"),
        ("nan_key", "JSON compliant"),
        ("tuple_key", "keys must be"),
        ("cycle", "contains itself"),
        ("deep_5000", "nested"),
        ("deep_200", "nested deeper than 199 levels"),
        ("lone_surrogate", "surrogate"),
        ("lone_surrogate_key", "surrogate"),
        ("long_integer", "digits"),
    ],
)
def test_row_25_what_is_no_json_fails_and_the_next_call_works(runtime: RuntimeProcess, do: str, told: str) -> None:
    answer = runtime.call({"do": do})
    assert answer.status == 500
    details = answer.details
    assert (answer.json["error"], details["type"]) == ("processing_error", "asya.ResultNotJSON")
    assert (details["mro"], details["traceback"]) == (["TypeError", "Exception"], "")
    assert details["message"].startswith("handler result is not JSON serialisable: ")
    assert told in details["message"]
    assert runtime.call({"do": "one"}).status == 200


def test_row_25_the_golden_body_of_an_opaque_result(runtime: RuntimeProcess) -> None:
    assert runtime.call({"do": "widget"}).json == {
        "error": "processing_error",
        "details": {
            "message": "handler result is not JSON serialisable: Widget",
            "type": "asya.ResultNotJSON",
            "mro": ["TypeError", "Exception"],
            "traceback": "",
        },
    }


@pytest.mark.parametrize(
    ("do", "payload"),
    [
        ("deep_199", None),
        ("longest_integer", 10**4299),
        ("text_like_surrogate", "\\ud800"),
        ("digits_text", "9" * 5000),
    ],
)
def test_what_only_looks_like_a_breach_of_the_limits_is_sent(runtime: RuntimeProcess, do: str, payload: Any) -> None:
    answer = runtime.call({"do": do})
    assert answer.status == 200
    assert payload is None or answer.payloads == [payload]


@pytest.mark.parametrize(
    ("do", "payload"),
    [
        ("dataclass", {"number": 5, "tags": [1, 2]}),
        ("datetime", "2026-01-02T03:04:05.000600+00:00"),
        ("date", "2026-01-02"),
        ("time", "03:04:05"),
        ("timedelta", 60.5),
        ("uuid", "a606e246-d58c-56b3-88d3-b2b7992f662a"),
        ("enum", "red"),
        ("decimal", "1.10"),
        ("bytes", "aGVsbG8="),
        ("bytearray", "aGVsbG8="),
        ("memoryview", "aGVsbG8="),
        ("set", [1, 2, 3]),
        ("frozenset", ["a", "b"]),
        ("keys", {"1": "int", "1.5": "float", "false": "bool", "null": "none", "t": "text"}),
        ("pydantic2", {"mode": "json", "when": "2026-01-02"}),
        ("pydantic1", {"n": 1}),
        (
            "nested",
            {"order": {"number": 1, "tags": []}, "ids": ["00000000-0000-0000-0000-000000000001"], "raw": "eA=="},
        ),
    ],
)
def test_row_26_usual_python_values_have_a_json_form(runtime: RuntimeProcess, do: str, payload: object) -> None:
    assert runtime.call({"do": do}).payloads == [payload]


def test_row_26_a_set_that_cannot_be_sorted_is_an_array(runtime: RuntimeProcess) -> None:
    (payload,) = runtime.call({"do": "set_mixed"}).payloads
    assert sorted(map(str, payload)) == ["1", "a"]


def test_row_26_a_real_pydantic_model_has_its_json_form() -> None:
    code = """
import datetime, pydantic
class Line(pydantic.BaseModel):
    at: datetime.date
class Order(pydantic.BaseModel):
    number: int
    lines: list[Line]
def f(payload):
    return Order.model_validate(payload)
"""
    order = {"number": 5, "lines": [{"at": "2026-01-02"}]}
    assert BaseModel.__module__.startswith("pydantic")
    with running(current(), "m.f", code=code) as runtime:
        assert runtime.call(order).payloads == [order]


def test_row_27_one_bad_item_of_a_list_sends_no_frame(runtime: RuntimeProcess) -> None:
    answer = runtime.call({"do": "third_bad"})
    assert answer.status == 500
    assert "frames" not in answer.json


@pytest.mark.parametrize(
    "value",
    [
        "äöü \u2028 \U0001f600 €",
        12345678901234567890,
        -(10**40),
        "\0",
        {"\0ü": [1.5, True, None]},
        1e308,
        "\\ud800 \\n",
    ],
    ids=repr,
)
def test_row_48_an_echo_equals_what_was_sent(runtime: RuntimeProcess, value: object) -> None:
    assert runtime.call({"do": "echo", "value": value}).payloads == [value]


def test_row_48_ten_megabytes_are_echoed(runtime: RuntimeProcess) -> None:
    value = ["x" * 1000] * 10_000
    assert runtime.call({"do": "echo", "value": value}).payloads == [value]
