"""Being asked to stop (contract: sidecar, Situations 40, 41, 53). Row 41 says how long it may take, so nothing runs beside it."""

import time
from collections import Counter

import pytest

from tests.support.guarded import free_port
from tests.support.sidecar_process import Sidecar, envelope, mesh
from tests.support.wait import until


def seconds_to_exit(sidecar: Sidecar) -> float:
    began = time.monotonic()
    assert sidecar.exit_code(30) == 0
    return time.monotonic() - began


def test_row_40_the_running_call_is_finished_and_the_rest_goes_back() -> None:
    with mesh() as own:
        sidecar, _ = own.pair(ASYA_PREFETCH="4")
        go = own.folder / "go"
        running = {"do": "wait_for", "file": str(go)}
        own.send(envelope(running, id="running"))
        for number in range(3):
            own.send(envelope({"n": number}, id=f"waiting-{number}"))
        until(lambda: sidecar.metric("active_messages") == 4)
        sidecar.terminate()
        until(lambda: own.counts("a").queued == 3, what="what was not started is back")
        assert sidecar.reasons == ["draining"]
        go.touch()
        assert sidecar.exit_code() == 0
        assert own.arrived_one("b", "running")
        assert {stored.message_id for stored in own.stored("a")} == {"waiting-0", "waiting-1", "waiting-2"}
        assert own.calls() == [running]


def test_row_41_a_call_longer_than_the_grace_period_is_left_to_the_broker() -> None:
    grace = {"ASYA_GRACEFUL_SHUTDOWN": "20s"}
    with mesh() as own:
        sidecar, runtime = own.pair(**grace)
        own.send(envelope({"do": "sleep", "s": 60}))
        until(own.calls, what="the handler was called")
        sidecar.terminate()
        assert 14 < seconds_to_exit(sidecar) < 20, "15 s, and in any case before the kill"
        until(lambda: own.counts("a").queued == 1, what="the message is back")
        assert own.is_gone("x-sump")
        runtime.kill()
        own.pair(**grace)
        until(lambda: len(own.calls()) == 2, what="redelivered")


@pytest.mark.alone
def test_row_41_an_idle_sidecar_ends_within_two_seconds() -> None:
    with mesh() as own:
        sidecar, _ = own.pair()
        sidecar.terminate()
        assert seconds_to_exit(sidecar) < 2


@pytest.mark.alone
def test_row_41_a_sidecar_that_is_connecting_ends_within_two_seconds(broker: str) -> None:
    with mesh() as own:
        nowhere = {
            "sqlite": {"ASYA_SQLITE_PATH": str(own.folder / "missing" / "mesh.db")},
            "rabbitmq": {"ASYA_RABBITMQ_PORT": str(free_port())},
        }
        sidecar = own.sidecar(**nowhere[broker])
        until(lambda: "broker_unreachable" in sidecar.reasons, what="it cannot connect")
        sidecar.terminate()
        assert seconds_to_exit(sidecar) < 2


@pytest.mark.alone
def test_row_41_a_second_signal_ends_it_at_once() -> None:
    with mesh() as own:
        sidecar, _ = own.pair()
        own.send(envelope({"do": "sleep", "s": 60}))
        until(own.calls, what="the handler was called")
        sidecar.terminate()
        until(lambda: sidecar.reasons == ["draining"], what="it has begun to drain")
        sidecar.terminate()
        assert seconds_to_exit(sidecar) < 1


def test_row_53_draining_again_and_again_brings_no_message_to_the_fence() -> None:
    count = 36
    with mesh() as own:
        runtime = own.runtime()
        own.send_all(envelope({"do": "sleep", "s": 0.2, "n": number}, id=f"e-{number}") for number in range(count))
        for _ in range(10):
            sidecar = own.sidecar(ASYA_PREFETCH="9")
            until(lambda found=sidecar: found.metric("active_messages") == 9, what="one runs and eight wait")
            sidecar.terminate()
            assert sidecar.exit_code(30) == 0
        own.sidecar(ASYA_PREFETCH="9")
        until(lambda: own.counts("b").queued == count, what="all are through")
        assert own.is_gone("x-sump")
        assert set(Counter(call["n"] for call in own.calls()).values()) == {1}
        assert runtime.popen.poll() is None
