"""Generators become server-sent events (contract: runtime, Streaming, rows 10-13)."""

import json
from collections.abc import Iterator

import pytest

from tests.support.runtime_process import RuntimeProcess, envelope, pythons, request_bytes, running
from tests.support.wait import until


@pytest.fixture(scope="module", params=pythons(), ids=str)
def runtime(request: pytest.FixtureRequest) -> Iterator[RuntimeProcess]:
    with running(request.param, "results.f") as process:
        yield process


def begin(do: str) -> bytes:
    return request_bytes("POST", "/invoke", json.dumps(envelope({"do": do})).encode())


def test_row_10_each_value_is_sent_when_it_is_yielded(runtime: RuntimeProcess) -> None:
    answer = runtime.call({"do": "two_a_second_apart"})
    assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream")
    first, second, done = answer.events
    assert (first.name, second.name, done.name, done.data) == ("frame", "frame", "done", {})
    assert first.data == {"payload": {"n": 1}, "route": {"prev": ["a"], "curr": "b", "next": []}}
    assert second.at - first.at > 0.8


def test_a_yielded_list_is_one_payload_and_none_is_skipped(runtime: RuntimeProcess) -> None:
    answer = runtime.call({"do": "yields_a_list"})
    assert [(event.name, event.data.get("payload")) for event in answer.events] == [("frame", [1, 2]), ("done", None)]


@pytest.mark.parametrize("do", ["partial_and_frame", "async_partial_and_frame"])
def test_row_11_a_fly_value_is_a_partial_and_no_frame(runtime: RuntimeProcess, do: str) -> None:
    answer = runtime.call({"do": do})
    assert [event.name for event in answer.events] == ["partial", "frame", "done"]
    assert answer.events[0].data == "tok"
    assert answer.payloads == [{"n": 1}]


@pytest.mark.parametrize("do", ["fails_after_one", "async_fails_after_one"])
def test_row_12_a_generator_that_fails_later_ends_with_an_error_event(runtime: RuntimeProcess, do: str) -> None:
    answer = runtime.call({"do": do})
    assert [event.name for event in answer.events] == ["frame", "error", "done"]
    error = answer.events[1].data
    assert (error["error"], error["details"]["type"], error["details"]["message"]) == (
        "processing_error",
        "ValueError",
        "second",
    )
    assert "asya_runtime" not in error["details"]["traceback"]


def test_row_12_a_generator_that_fails_first_is_a_plain_500(runtime: RuntimeProcess) -> None:
    answer = runtime.call({"do": "fails_at_once"})
    assert (answer.status, answer.headers["content-type"]) == (500, "application/json")
    assert answer.details["message"] == "first"


def test_row_12_a_value_that_is_no_json_ends_the_stream_with_an_error(runtime: RuntimeProcess) -> None:
    answer = runtime.call({"do": "bad_second"})
    assert [event.name for event in answer.events] == ["frame", "error", "done"]
    assert answer.events[1].data["details"]["type"] == "asya.ResultNotJSON"


@pytest.mark.parametrize("do", ["endless", "silent_and_endless", "async_endless"])
def test_row_13_a_client_that_goes_away_closes_the_generator(runtime: RuntimeProcess, do: str) -> None:
    with runtime.connect() as client:
        client.send(begin(do))
        assert client.head().status == 200
    assert runtime.call({"do": "closed"}).payloads == [{"closed": ["closed"]}]


def test_row_13_the_log_says_that_the_client_has_gone(runtime: RuntimeProcess) -> None:
    with runtime.connect() as client:
        client.send(begin("endless").replace(b"e-1", b"e-g"))
        client.head()
    line = runtime.log_of("e-g")
    assert (line["level"], line["outcome"], line["error_type"]) == ("ERROR", "error", "asya.ClientGone")


def test_a_slow_reader_makes_the_generator_wait_and_gets_everything(runtime: RuntimeProcess) -> None:
    with runtime.connect() as client:
        client.send(begin("big_stream"))
        client.head()
        until(lambda: runtime.request("GET", "/healthz").json["busy"], what="generator waiting")
        names = [event.name for event in client.events()]
    assert names == ["frame"] * 200 + ["done"]


def test_the_connection_is_kept_after_a_stream(runtime: RuntimeProcess) -> None:
    with runtime.connect() as client:
        for do in ("partial_and_frame", "fails_after_one", "one"):
            client.send(begin(do))
            assert client.answer().status == 200


def test_http_1_0_gets_a_stream_without_chunks_that_ends_with_the_connection(runtime: RuntimeProcess) -> None:
    with runtime.connect() as client:
        client.send(begin("yields_a_list").replace(b"HTTP/1.1", b"HTTP/1.0", 1))
        head = client.head()
        assert "transfer-encoding" not in head.headers
        text = client.rest
        while piece := client.sock.recv(65536):
            text += piece
    assert text.endswith(b"event: done\ndata: {}\n\n")
    assert text.startswith(b"event: frame\ndata: ")
