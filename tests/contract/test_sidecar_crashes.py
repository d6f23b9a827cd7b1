"""Runtimes and pods that die (contract: sidecar, Situations 24 to 26, 29)."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.scripted_runtime import ScriptedRuntime
from tests.support.sidecar_process import Mesh, Sidecar, envelope, mesh
from tests.support.wait import until


@contextmanager
def kept_running(own: Mesh, pod_too: bool = False) -> Iterator[list[Sidecar]]:
    """What a kubelet does: a runtime (and a sidecar) that ended is started again, as long as the block lasts."""
    runtime = own.runtime()
    sidecars = [own.sidecar().ready()]
    over = threading.Event()

    def watch() -> None:
        nonlocal runtime
        while not over.wait(0.02):
            if pod_too and sidecars[-1].popen.poll() is not None:
                sidecars.append(own.sidecar())
            if runtime.popen.poll() is not None:
                runtime = own.runtime()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield sidecars
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize(
    "payload",
    [{"do": "die_at_first"}, {"do": "stream", "frames": 2, "then": "die_at_first"}],
    ids=["function", "generator"],
)
def test_row_24_a_runtime_killed_in_a_call_costs_a_counted_return_and_another_call(payload: dict[str, object]) -> None:
    with mesh() as own, kept_running(own) as sidecars:
        own.send(envelope(payload))
        own.arrived_one("b", "e-1")
        assert sidecars[0].metric("messages_processed_total", status="returned") == 1
        assert sidecars[0].metric("runtime_errors_total", error_type="crash") == 1
        assert own.calls() == [payload, payload]
        assert own.is_gone("x-sink")
        assert own.is_gone("x-sump")


def test_row_25_a_message_that_kills_the_runtime_meets_the_fence_and_its_neighbours_do_not() -> None:
    with mesh() as own, kept_running(own) as sidecars:
        own.send(envelope({"do": "die"}, id="killer"))
        for number in range(100):
            own.send(envelope({"n": number}, id=f"healthy-{number}"))
        found = own.arrived_one("x-sump", "killer", 60)
        assert found["status"]["reason"] == "Crashed"
        assert found["payload"]["error"] == "crash_error"
        assert found["payload"]["details"]["message"] == "runtime died while handling this envelope, 6 deliveries"
        own.arrived("b", 100, 60)
        assert own.calls().count({"do": "die"}) == 5
        assert len(own.at("x-sump")) == 1
        until(lambda: sidecars[0].metric("messages_failed_total", reason="runtime_crashed") == 1)


def test_row_25_a_message_that_kills_the_whole_pod_meets_the_fence_too() -> None:
    with mesh() as own, kept_running(own, pod_too=True):
        own.send(envelope({"do": "kill_pod"}, id="killer"))
        for number in range(100):
            own.send(envelope({"n": number}, id=f"healthy-{number}"))

        def crashed() -> bool:
            own.admin.release_dead()  # what the end of a lease would do some seconds later
            return not own.is_gone("x-sump")

        until(crashed, 90, every_s=0.2, what="the killer is at x-sump")
        assert own.at("x-sump")[0]["status"]["reason"] == "Crashed"
        own.arrived("b", 100, 60)
        assert own.calls().count({"do": "kill_pod"}) == 5


def test_row_26_while_the_runtime_is_away_nothing_is_taken_or_counted() -> None:
    with mesh() as own:
        socket_path = own.folder / "a" / "asya-runtime.sock"
        socket_path.parent.mkdir()
        left_behind = socket.socket(socket.AF_UNIX)
        left_behind.bind(str(socket_path))
        left_behind.close()  # the file stays, and nobody listens
        (socket_path.parent / "runtime-ready").write_text("ready")
        for number in range(5):
            own.send(envelope(id=f"e-{number}"))
        sidecar = own.sidecar()
        until(lambda: sidecar.reasons == ["runtime_not_ready"] or "runtime_not_ready" in sidecar.reasons)
        with pytest.raises(AssertionError):
            until(lambda: own.counts("a").queued != 5, 3, what="a message was taken")
        assert "runtime_not_ready" in sidecar.reasons
        assert sidecar.metric("messages_received_total") == 0
        own.runtime()
        assert {found["id"] for found in own.arrived("b", 5)} == {f"e-{number}" for number in range(5)}


def test_row_26_a_runtime_that_goes_away_stops_the_fetching() -> None:
    with mesh() as own:
        sidecar, runtime = own.pair()
        runtime.kill()
        until(lambda: sidecar.reasons == ["runtime_not_ready"], what="not ready")
        own.send(envelope())
        with pytest.raises(AssertionError):
            until(lambda: own.counts("a").queued != 1, 2, what="the message was taken")
        own.runtime()
        own.arrived_one("b", "e-1")
        assert sidecar.metric("redeliveries_total") == 0


def test_row_29_a_stream_that_fails_sends_no_frame() -> None:
    with mesh() as own:
        own.pair()
        own.send(envelope({"do": "stream", "frames": 2, "then": "raise"}))
        found = own.arrived_one("x-sump", "e-1")
        assert found["status"]["reason"] == "RuntimeError"
        assert own.is_gone("b")


def test_row_29_a_stream_that_fails_is_retried_as_a_whole() -> None:
    policies = json.dumps({"default": {"maxAttempts": 2, "initialDelay": "0s"}})
    with mesh() as own:
        own.pair(ASYA_RESILIENCY_POLICIES=policies)
        own.send(envelope({"do": "stream", "frames": 2, "then": "raise"}))
        assert own.arrived_one("x-sump", "e-1")["status"]["reason"] == "PolicyExhausted"
        assert len(own.calls()) == 2
        assert own.is_gone("b")


def test_row_29_a_stream_whose_connection_ends_sends_no_frame_and_is_called_again() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    event = b'event: frame\ndata: {"payload":1,"route":{"prev":["a"],"curr":"b","next":[]}}\n\n'
    chunk = b"%x\r\n%s\r\n" % (len(event), event)
    done = b"event: done\ndata: {}\n\n"
    end = b"%x\r\n%s\r\n0\r\n\r\n" % (len(done), done)
    with mesh() as own:
        script = ScriptedRuntime(own.folder / "a" / "asya-runtime.sock", lambda _body, _peer: None)

        def answer(_body: bytes, peer: socket.socket) -> None:
            peer.sendall(head + chunk + chunk)
            if len(script.requests) == 1:
                peer.shutdown(socket.SHUT_RDWR)
            else:
                peer.sendall(end)

        script.script = answer
        sidecar = own.sidecar().ready()
        own.send(envelope())
        assert len(own.arrived("b", 2)) == 2
        assert len(script.requests) == 2
        assert sidecar.metric("messages_processed_total", status="returned") == 1
        script.close()
