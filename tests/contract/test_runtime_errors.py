"""Bodies that are refused and handlers that raise (contract: runtime, Errors, rows 20-24)."""

from collections.abc import Iterator

import pytest

from tests.support.golden import Golden, cases
from tests.support.runtime_process import RuntimeProcess, pythons, running
from tests.support.wait import until

ENVELOPES = [case for case in cases("envelope") if case.row != "41"]  # a body over the limit is never read: row 39


@pytest.fixture(scope="module", params=pythons(), ids=str)
def runtime(request: pytest.FixtureRequest) -> Iterator[RuntimeProcess]:
    with running(request.param, "results.f") as process:
        yield process


@pytest.fixture(scope="module", params=pythons(), ids=str)
def receiver(request: pytest.FixtureRequest) -> Iterator[RuntimeProcess]:
    with running(request.param, "m.f", code="def f(payload):\n    return None\n") as process:
        yield process


@pytest.mark.parametrize("case", ENVELOPES, ids=lambda case: f"{case.row}-{case.title}")
def test_row_20_every_golden_case_has_its_verdict(receiver: RuntimeProcess, case: Golden) -> None:
    answer = receiver.post(case.body)
    if case.expected["verdict"] == "ok":
        assert answer.status == 204
        return
    assert (answer.status, answer.json["error"]) == (400, "msg_parsing_error")
    kind = {"parse_error": "ParseError", "validation_error": "ValidationError"}[case.expected["verdict"]]
    assert answer.details["type"] == kind
    assert answer.details["code"] in case.expected["codes"]
    assert (kind == "ParseError") == answer.details["message"].startswith("body is not valid JSON: ")


def test_row_20_the_golden_body_of_a_wrong_name(receiver: RuntimeProcess) -> None:
    answer = receiver.post(b'{"id":"e-1","route":{"prev":[],"curr":"a","next":["b",5]},"payload":1}')
    assert answer.json == {
        "error": "msg_parsing_error",
        "details": {
            "message": "route.next must be a list of actor names",
            "type": "ValidationError",
            "code": "route.next",
            "path": "route.next[1]",
        },
    }


def test_row_20_the_log_has_a_warning_with_the_code(receiver: RuntimeProcess) -> None:
    receiver.call(None, id="row-20")
    receiver.log_of("row-20")
    before = len(receiver.log())
    receiver.post(b"{")
    receiver.post(b"{}")
    until(lambda: len(receiver.log()) == before + 2, what="two lines")
    assert [(line["level"], line["outcome"], line["code"]) for line in receiver.log()[before:]] == [
        ("WARNING", "refused", "syntax"),
        ("WARNING", "refused", "id"),
    ]


def test_row_21_the_golden_body_of_a_value_error(runtime: RuntimeProcess) -> None:
    answer = runtime.call({"do": "value_error"})
    assert answer.status == 500
    details = answer.details
    assert answer.json["error"] == "processing_error"
    assert (details["message"], details["type"], details["mro"]) == ("Invalid input", "ValueError", ["Exception"])
    lines = details["traceback"].splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert "results.py" in lines[1]
    assert lines[-1] == "ValueError: Invalid input"
    assert "asya_runtime" not in details["traceback"]


def test_row_21_a_failure_is_one_error_line_in_place_of_the_info_line(runtime: RuntimeProcess) -> None:
    runtime.call({"do": "value_error"}, id="row-21")
    line = runtime.log_of("row-21")
    assert (line["level"], line["outcome"], line["frames"], line["actor"]) == ("ERROR", "error", 0, "a")
    assert (line["error_type"], line["error_message"]) == ("ValueError", "Invalid input")
    assert "results.py" in line["traceback"]


def test_row_21_the_traceback_of_a_coroutine_begins_in_the_handler(runtime: RuntimeProcess) -> None:
    lines = runtime.call({"do": "async_value_error"}).details["traceback"].splitlines()
    assert "results.py" in lines[1]
    assert "asya_runtime" not in "".join(lines)


def test_row_21_causes_are_part_of_the_traceback(runtime: RuntimeProcess) -> None:
    text = runtime.call({"do": "chained"}).details["traceback"]
    assert "KeyError: 'missing'" in text
    assert "The above exception was the direct cause" in text
    assert text.endswith("ValueError: outer\n")


def test_row_22_mro_lists_the_ancestors(runtime: RuntimeProcess) -> None:
    details = runtime.call({"do": "key_error"}).details
    assert (details["type"], details["mro"]) == ("KeyError", ["LookupError", "Exception"])


def test_row_22_types_outside_of_builtins_carry_their_module(runtime: RuntimeProcess) -> None:
    details = runtime.call({"do": "grandchild"}).details
    assert (details["type"], details["mro"]) == (
        "results.Grandchild",
        ["results.Parent", "RuntimeError", "Exception"],
    )


@pytest.mark.parametrize(
    ("do", "kind"),
    [
        ("system_exit", "SystemExit"),
        ("keyboard_interrupt", "KeyboardInterrupt"),
        ("generator_exit", "GeneratorExit"),
        ("memory_error", "MemoryError"),
        ("recursion", "RecursionError"),
        ("async_system_exit", "SystemExit"),
    ],
)
def test_row_23_no_exception_ends_the_process(runtime: RuntimeProcess, do: str, kind: str) -> None:
    answer = runtime.call({"do": do})
    assert (answer.status, answer.details["type"]) == (500, kind)
    assert runtime.call({"do": "one"}).status == 200
    assert runtime.call({"do": "loop_client"}).status == 200
    assert runtime.alive


def test_row_24_an_exception_that_cannot_be_printed(runtime: RuntimeProcess) -> None:
    details = runtime.call({"do": "unprintable"}).details
    assert details["message"] == "<unprintable>"
    assert "results.py" in details["traceback"]


def test_row_24_a_message_of_1_mb_is_cut_to_8_kib_and_the_traceback_to_16(runtime: RuntimeProcess) -> None:
    details = runtime.call({"do": "big_message"}).details
    assert 8000 < len(details["message"]) <= 8192
    assert 16000 < len(details["traceback"]) <= 16384
    assert details["traceback"].startswith("Traceback (most recent call last):")
