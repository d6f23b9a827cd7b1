"""HTTP on the socket (contract: runtime, rows 2, 32, 33, 36-39)."""

import json
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.runtime_process import RuntimeProcess, envelope, on_all, pythons, request_bytes, running
from tests.support.wait import until


@pytest.fixture(scope="module", params=pythons(), ids=str)
def runtime(request: pytest.FixtureRequest) -> Iterator[RuntimeProcess]:
    with running(request.param, "results.f") as process:
        yield process


ONE = json.dumps(envelope({"do": "one"})).encode()
HEAD = b"POST /invoke HTTP/1.1\r\nHost: x\r\n"


def curl(runtime: RuntimeProcess, *arguments: str) -> str:
    command = ["curl", "-sS", "--max-time", "30", "--unix-socket", str(runtime.socket), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def test_row_2_curl_gets_the_finished_route(runtime: RuntimeProcess) -> None:
    body = envelope({"do": "one"}, route={"prev": [], "curr": "inference", "next": []})
    answer = json.loads(curl(runtime, "http://localhost/invoke", "-d", json.dumps(body)))
    assert answer["frames"][0]["route"] == {"prev": ["inference"], "curr": "", "next": []}


def test_row_32_healthz_answers_while_a_handler_runs() -> None:
    def check(python: object) -> None:
        with running(python, "results.f") as runtime, ThreadPoolExecutor(1) as pool:  # type: ignore[arg-type]
            idle = runtime.request("GET", "/healthz").json
            call = pool.submit(runtime.call, {"do": "sleep", "for_s": 5})
            until(lambda: runtime.request("GET", "/healthz").json["busy"], what="busy")
            took = []
            for _ in range(20):
                before = time.monotonic()
                answer = runtime.request("GET", "/healthz")
                took.append(time.monotonic() - before)
                assert (answer.status, answer.json["status"], answer.json["busy"]) == (200, "ready", True)
            assert sorted(took)[10] < 0.1
            assert call.result().status == 200
            assert idle == {
                "status": "ready",
                "busy": False,
                "handler": "results.f",
                "mode": "payload",
                "python": idle["python"],
            }
            assert idle["python"].startswith(f"{python}.")
            until(lambda: not runtime.request("GET", "/healthz").json["busy"], what="idle again")

    on_all(check)


def test_row_32_healthz_answers_while_a_handler_computes(runtime: RuntimeProcess) -> None:
    code = "import time\ndef f(payload):\n    end = time.time() + 2\n    while time.time() < end:\n        pass\n"
    with running(pythons()[0], "m.f", code=code) as busy, ThreadPoolExecutor(1) as pool:
        call = pool.submit(busy.call, 1)
        until(lambda: busy.request("GET", "/healthz").json["busy"], what="busy")
        assert call.result().status == 204
    assert runtime.alive


def test_row_33_two_calls_at_once_run_one_after_the_other(runtime: RuntimeProcess) -> None:
    with ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(runtime.call, {"do": "sleep", "for_s": 0.2}) for _ in range(3)]
        spans = sorted((span["began"], span["ended"]) for call in calls for span in call.result().payloads)
    assert len(spans) == 3
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_calls_wait_in_order_of_arrival(runtime: RuntimeProcess) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(runtime.connect()) for _ in range(5)]
        for index, client in enumerate(clients):
            body = json.dumps(envelope({"do": "sleep", "for_s": 0.1}, id=f"order-{index}")).encode()
            client.send(request_bytes("POST", "/invoke", body))
            until(lambda: runtime.request("GET", "/healthz").json["busy"], what="busy")
        began = [client.answer().payloads[0]["began"] for client in clients]
    assert began == sorted(began)


def test_a_call_that_waited_until_its_time_is_nearly_over_is_not_made(runtime: RuntimeProcess) -> None:
    with ThreadPoolExecutor(1) as pool:
        until(lambda: not runtime.request("GET", "/healthz").json["busy"], what="idle")
        first = pool.submit(runtime.call, {"do": "sleep", "for_s": 3.0})
        until(lambda: runtime.request("GET", "/healthz").json["busy"], what="busy")
        second = runtime.call({"do": "one"}, deadline_ms=2000)
        assert (second.status, second.json["error"]) == (503, "http_error")
        assert first.result().status == 200
    until(lambda: not runtime.request("GET", "/healthz").json["busy"], what="idle")
    assert runtime.call({"do": "one"}, deadline_ms=900).status == 200  # short, but it did not wait


@pytest.mark.parametrize("value", ["soon", "0", "-5", "1.5", "", "00", "+5", "5, 5"])
def test_row_36_a_deadline_that_is_no_positive_integer_is_400(runtime: RuntimeProcess, value: str) -> None:
    answer = runtime.call({"do": "one"}, deadline_ms=value)
    assert (answer.status, answer.json["error"]) == (400, "http_error")


def test_row_36_an_endless_deadline_is_none(runtime: RuntimeProcess) -> None:
    assert runtime.call({"do": "one"}, deadline_ms="9" * 40).status == 200


def test_row_37_a_hundred_calls_on_one_connection(runtime: RuntimeProcess) -> None:
    with runtime.connect() as client:
        for index in range(100):
            body = json.dumps(envelope({"do": "echo", "value": index})).encode()
            assert client.request("POST", "/invoke", body).payloads == [index]
            if index % 10 == 0:
                assert client.request("GET", "/healthz").status == 200


def test_row_37_requests_that_are_sent_ahead_are_answered_in_order(runtime: RuntimeProcess) -> None:
    with runtime.connect() as client:
        bodies = [json.dumps(envelope({"do": "echo", "value": index})).encode() for index in range(20)]
        client.send(b"".join(request_bytes("POST", "/invoke", body) for body in bodies))
        assert [client.answer().payloads for _ in bodies] == [[index] for index in range(20)]


def test_row_37_curl_sends_two_megabytes_after_a_100_continue(runtime: RuntimeProcess, tmp_path: Path) -> None:
    body = tmp_path / "body.json"
    body.write_text(json.dumps(envelope({"do": "one", "fill": "x" * 2_000_000})))
    text = curl(runtime, "-v", "--stderr", "-", "-H", "Expect: 100-continue", "http://a/invoke", "-d", f"@{body}")
    assert "HTTP/1.1 100 Continue" in text
    assert '{"frames":[{"payload":{"y":2}' in text


@pytest.mark.parametrize(
    "request_", [HEAD + b"Connection: close\r\n", b"POST /invoke HTTP/1.0\r\n"], ids=["close", "HTTP/1.0"]
)
def test_row_37_a_client_that_wants_it_gets_its_connection_closed(runtime: RuntimeProcess, request_: bytes) -> None:
    with runtime.connect() as client:
        client.send(request_ + b"Content-Length: %d\r\n\r\n" % len(ONE) + ONE)
        answer = client.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert client.at_end()


def test_row_38_a_request_in_pieces_of_one_byte_is_answered(runtime: RuntimeProcess) -> None:
    with runtime.connect() as client:
        for byte in HEAD + b"Content-Length: %d\r\n\r\n" % len(ONE) + ONE:
            client.send(bytes([byte]))
        assert client.answer().status == 200
    assert runtime.call({"do": "one"}).status == 200


def test_row_38_half_a_body_and_a_closed_connection_harm_nobody(runtime: RuntimeProcess) -> None:
    with runtime.connect() as client:
        client.send(HEAD + b"Content-Length: 500\r\n\r\n" + ONE[:20])
    assert runtime.call({"do": "one"}).status == 200


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01",
        b"garbage\r\n\r\n",
        b"hello\n",
        b"GET /healthz\r\n\r\n",
        b"GET /healthz HTTP/2.0\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nbad name: 1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n folded: 1\r\n\r\n",
        HEAD + b"Content-Length: five\r\n\r\n",
        HEAD + b"Content-Length: -5\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_row_38_garbage_is_400_and_closed(runtime: RuntimeProcess, garbage: bytes) -> None:
    with runtime.connect() as client:
        client.send(garbage)
        answer = client.answer()
        assert (answer.status, answer.json["error"], answer.headers["connection"]) == (400, "http_error", "close")
        assert client.at_end()
    assert runtime.call({"do": "one"}).status == 200


def test_row_38_garbage_on_the_connection_of_the_last_call_is_400_too(runtime: RuntimeProcess) -> None:
    with runtime.connect() as client:
        assert client.request("POST", "/invoke", ONE).status == 200
        client.send(b"garbage\r\n\r\n")
        assert client.answer().status == 400
        assert client.at_end()


@pytest.mark.parametrize("head", [HEAD, HEAD + b"Transfer-Encoding: chunked\r\n"])
def test_row_39_a_body_without_length_is_411(runtime: RuntimeProcess, head: bytes) -> None:
    with runtime.connect() as client:
        client.send(head + b"\r\n")
        answer = client.answer()
        assert (answer.status, answer.details["type"]) == (411, "LengthRequired")


@pytest.mark.parametrize("length", [b"10551297", b"9" * 30])
def test_row_39_a_body_over_the_limit_is_413_and_not_read(runtime: RuntimeProcess, length: bytes) -> None:
    with runtime.connect() as client:
        client.send(HEAD + b"Expect: 100-continue\r\nContent-Length: " + length + b"\r\n\r\n")
        assert client.answer().status == 413
        assert client.at_end()


def test_row_39_a_client_that_sends_its_large_body_at_once_reads_the_413(runtime: RuntimeProcess) -> None:
    with runtime.connect() as client:
        client.send(HEAD + b"Content-Length: 11000000\r\n\r\n" + b" " * 1_000_000)
        assert client.answer().status == 413


def test_row_39_headers_of_20_kib_are_431(runtime: RuntimeProcess) -> None:
    with runtime.connect() as client:
        client.send(HEAD + b"X: " + b"x" * 20480)
        assert client.answer().status == 431
        assert client.at_end()


@pytest.mark.parametrize(
    ("method", "path", "allow"), [("PUT", "/invoke", "POST"), ("GET", "/invoke", "POST"), ("POST", "/healthz", "GET")]
)
def test_row_39_another_method_is_405_with_allow(runtime: RuntimeProcess, method: str, path: str, allow: str) -> None:
    with runtime.connect() as client:
        answer = client.request(method, path, b"{}")
        assert (answer.status, answer.headers["allow"]) == (405, allow)
        assert client.request("GET", "/healthz").status == 200


def test_row_39_another_path_is_404(runtime: RuntimeProcess) -> None:
    answer = runtime.request("GET", "/nope")
    assert (answer.status, answer.json) == (
        404,
        {"error": "http_error", "details": {"message": "no such path", "type": "NotFound"}},
    )


def test_header_names_are_read_in_any_case(runtime: RuntimeProcess) -> None:
    with runtime.connect() as client:
        client.send(b"POST /invoke HTTP/1.1\r\ncONTENT-lENGTH:%d\r\n\r\n" % len(ONE) + ONE)
        assert client.answer().status == 200


def test_sixty_four_connections_are_served_at_once(runtime: RuntimeProcess) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(runtime.connect()) for _ in range(64)]
        for client in clients:
            client.send(HEAD + b"Content-Length: %d\r\n\r\n" % len(ONE) + ONE[:-1])
        for client in clients:
            client.send(ONE[-1:])
        assert {client.answer().status for client in clients} == {200}


def test_half_a_request_and_30_s_of_silence_is_408() -> None:
    def check(python: object) -> None:
        with (
            running(python, "results.f") as runtime,  # type: ignore[arg-type]
            runtime.connect(60) as fresh,
            runtime.connect(60) as kept,
        ):
            assert kept.request("POST", "/invoke", ONE).status == 200
            before = time.monotonic()
            for client in (fresh, kept):
                client.send(HEAD)
            for client in (fresh, kept):
                assert client.answer().status == 408
                assert client.at_end()
            assert 29 < time.monotonic() - before < 40

    on_all(check, [pythons()[0], pythons()[-1]])
