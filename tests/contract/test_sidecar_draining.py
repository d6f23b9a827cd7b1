"""Being asked to stop (contract: sidecar, Situations 40, 41, 53)."""

import time
from collections import Counter

from tests.support.sidecar_process import Sidecar, envelope, mesh
from tests.support.wait import until


def seconds_to_exit(sidecar: Sidecar, code: int = 0) -> float:
    began = time.monotonic()
    assert sidecar.exit_code() == code
    return time.monotonic() - began


def test_row_40_the_running_call_is_finished_and_the_rest_goes_back() -> None:
    with mesh() as own:
        sidecar, _ = own.pair(ASYA_PREFETCH="4")
        own.send(envelope({"do": "sleep", "s": 2}, id="running"))
        for number in range(3):
            own.send(envelope({"n": number}, id=f"waiting-{number}"))
        until(lambda: sidecar.metric("active_messages") == 4)
        sidecar.terminate()
        until(lambda: sidecar.reasons == ["draining"], 1, what="not ready")
        until(lambda: own.counts("a").queued == 3, 1, what="what was not started is back")
        assert sidecar.exit_code() == 0
        assert own.arrived_one("b", "running")
        assert [(stored.message_id, stored.deliveries) for stored in own.stored("a")] == [
            ("waiting-0", 0),
            ("waiting-1", 0),
            ("waiting-2", 0),
        ]
        assert own.calls() == [{"do": "sleep", "s": 2}]


def test_row_41_a_call_longer_than_the_grace_period_is_left_to_the_broker() -> None:
    with mesh() as own:
        sidecar, _ = own.pair(ASYA_GRACEFUL_SHUTDOWN="4s")
        own.send(envelope({"do": "sleep", "s": 60}))
        until(own.calls, what="the handler was called")
        sidecar.terminate()
        assert 2.5 < seconds_to_exit(sidecar) < 4
        assert own.counts("a").queued == 1
        assert own.is_gone("x-sump")
        own.pair(pod="next", ASYA_GRACEFUL_SHUTDOWN="4s")
        until(lambda: len(own.calls()) == 2, what="redelivered")


def test_row_41_an_idle_sidecar_ends_within_two_seconds() -> None:
    with mesh() as own:
        sidecar, _ = own.pair()
        sidecar.terminate()
        assert seconds_to_exit(sidecar) < 2


def test_row_41_a_sidecar_that_is_connecting_ends_within_two_seconds() -> None:
    with mesh() as own:
        sidecar = own.sidecar(ASYA_SQLITE_PATH=str(own.folder / "missing" / "mesh.db"))
        until(lambda: "broker_unreachable" in sidecar.reasons, what="it cannot connect")
        sidecar.terminate()
        assert seconds_to_exit(sidecar) < 2


def test_row_41_a_second_signal_ends_it_at_once() -> None:
    with mesh() as own:
        sidecar, _ = own.pair()
        own.send(envelope({"do": "sleep", "s": 60}))
        until(own.calls, what="the handler was called")
        sidecar.terminate()
        until(lambda: "draining" in sidecar.log)
        assert sidecar.popen.poll() is None
        sidecar.terminate()
        assert seconds_to_exit(sidecar) < 1


def test_row_53_draining_again_and_again_brings_no_message_to_the_fence() -> None:
    with mesh() as own:
        runtime = own.runtime()
        for number in range(36):
            own.send(envelope({"do": "sleep", "s": 0.3, "n": number}, id=f"e-{number}"))

        def drained_with_eight_waiting() -> None:
            sidecar = own.sidecar(ASYA_PREFETCH="9")
            until(lambda: sidecar.metric("active_messages") == 9, what="one runs and eight wait")
            sidecar.terminate()
            assert sidecar.exit_code() == 0

        for _ in range(10):
            drained_with_eight_waiting()
        own.sidecar(ASYA_PREFETCH="9")
        until(lambda: own.counts("b").queued == 36, 30, what="all are through")
        assert own.is_gone("x-sump")
        assert set(Counter(call["n"] for call in own.calls()).values()) == {1}
        assert runtime.popen.poll() is None
