"""Calls that take too long (contract: sidecar, Situations 19, 21, 23, 28; 20: test_sidecar_sqlite.py, test_sidecar_rabbitmq.py)."""

import socket
import time
from datetime import UTC, datetime, timedelta

import psutil

from tests.support.scripted_runtime import ScriptedRuntime
from tests.support.sidecar_process import Mesh, envelope, mesh
from tests.support.wait import until

CRASH_LINE = "(context.DeadlineExceeded: deadline exceeded) - crashing pod to recover"


def assert_timed_out_once(own: Mesh) -> None:
    found = own.arrived_one("x-sump", "e-1")
    assert (found["status"]["phase"], found["status"]["reason"]) == ("failed", "Timeout")
    assert found["payload"]["error"] == "timeout_error"
    assert found["payload"]["details"]["type"] == "DeadlineExceeded"
    until(lambda: own.is_gone("a"), what="own queue empty")


def test_row_19_a_call_past_its_limit_is_reported_once_and_the_process_ends() -> None:
    with mesh() as own:
        sidecar, runtime = own.pair(ASYA_RESILIENCY_ACTOR_TIMEOUT="2s")
        own.send(envelope({"do": "sleep", "s": 60}))
        assert sidecar.exit_code() == 1
        assert_timed_out_once(own)
        assert own.at("x-sump")[0]["payload"]["details"]["message"] == "Runtime timeout exceeded after 2s"
        assert f"Runtime timeout exceeded after 2s {CRASH_LINE}" in sidecar.log
        assert sidecar.log.splitlines()[-1].endswith(CRASH_LINE)
        assert runtime.exit_code() != 0
        own.pair(ASYA_RESILIENCY_ACTOR_TIMEOUT="2s")
        own.send(envelope(id="next"))
        own.arrived_one("b", "next")
        assert len(own.at("x-sump")) == 1
        assert len(own.calls()) == 2


def test_row_21_a_call_within_its_limit_succeeds() -> None:
    with mesh() as own:
        sidecar, _ = own.pair(ASYA_RESILIENCY_ACTOR_TIMEOUT="5s")
        own.send(envelope({"do": "sleep", "s": 1.5}))
        own.arrived_one("b", "e-1")
        assert sidecar.popen.poll() is None


def test_row_23_the_deadline_of_the_task_shortens_the_limit() -> None:
    with mesh() as own:
        sidecar, _ = own.pair(ASYA_RESILIENCY_ACTOR_TIMEOUT="30s")
        began = time.monotonic()
        deadline = (datetime.now(UTC) + timedelta(seconds=5)).isoformat()
        own.send(envelope({"do": "sleep", "s": 60}, status={"deadline_at": deadline}))
        assert sidecar.exit_code(25) == 1
        assert time.monotonic() - began > 4.5
        assert_timed_out_once(own)


def test_row_28_an_answer_that_trickles_is_a_timeout_and_costs_no_memory() -> None:
    def trickle(_body: bytes, peer: socket.socket) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 60000000\r\n\r\n"
        peer.sendall(head)
        while True:
            peer.sendall(b"x")
            time.sleep(0.1)

    with mesh() as own:
        script = ScriptedRuntime(own.folder / "a" / "asya-runtime.sock", trickle)
        sidecar = own.sidecar(ASYA_RESILIENCY_ACTOR_TIMEOUT="2s").ready()
        before = psutil.Process(sidecar.pid).memory_info().rss
        own.send(envelope())
        until(lambda: script.requests, what="the call has begun")
        until(lambda: sidecar.metric("active_messages") == 1)
        after = psutil.Process(sidecar.pid).memory_info().rss
        assert sidecar.exit_code() == 1
        assert_timed_out_once(own)
        script.close()
    assert after - before < 8 * 2**20
