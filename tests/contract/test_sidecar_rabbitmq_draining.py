"""How much a sidecar on RabbitMQ has in hand, and how it lets go of it when it is asked to stop.

Contract: sidecar, Situations 38, 39, 40, 41, 53.
"""

import time
from collections import Counter

import pytest

from tests.support.rabbitmq_mesh import rabbitmq_mesh, tcp_proxy
from tests.support.sidecar_process import Sidecar, envelope
from tests.support.wait import until


def seconds_to_exit(sidecar: Sidecar, within_s: float = 15.0) -> float:
    began = time.monotonic()
    assert sidecar.exit_code(within_s) == 0
    return time.monotonic() - began


@pytest.mark.alone
def test_row_38_a_fast_handler_gets_the_largest_window_and_nothing_is_lost() -> None:
    count = 5000
    with rabbitmq_mesh() as own:
        own.send_all(envelope({"s": 0.001}, id=f"e-{number}") for number in range(count))
        sidecar, _ = own.pair("nap")
        until(lambda: sidecar.metric("prefetch") == 64, 30, 0.1, what="the window has grown")
        until(lambda: own.counts("b").queued == count, 60, 0.2, what="all are through")
        assert len({found["id"] for found in own.at("b", 2 * count)}) == count
        until(own.is_gone, what="the own queue is empty")


def test_row_38_a_slow_handler_keeps_one_in_hand() -> None:
    with rabbitmq_mesh() as own:
        own.send_all(envelope({"do": "sleep", "s": 0.2}, id=f"e-{number}") for number in range(40))
        sidecar, _ = own.pair()
        until(lambda: own.counts("b").queued >= 22, 30, 0.1, what="twenty calls, so the window could have grown")
        assert sidecar.metric("prefetch") == 1
        assert sidecar.metric("active_messages") <= 1


@pytest.mark.alone
def test_row_39_what_waits_behind_a_slow_call_is_run_elsewhere() -> None:
    with rabbitmq_mesh() as own:
        slow, _ = own.pair("nap")
        own.send_all(envelope({"n": number}, id=f"fast-{number}") for number in range(200))
        until(lambda: slow.metric("prefetch") == 64, 20, 0.1, what="the window has grown")
        until(lambda: own.counts("b").queued == 200, 20, 0.1, what="the fast ones are through")
        calls = [{"s": 10}, *({"n": number} for number in range(63))]
        own.send_all(envelope(payload, id=f"e-{index}") for index, payload in enumerate(calls))
        until(lambda: slow.metric("active_messages") == 1, 5, what="those behind are returned")
        assert slow.metric("prefetch") == 1
        own.pair("nap", pod="other")
        until(lambda: own.counts("b").queued == 263, 8, 0.1, what="the others are through while the slow call runs")
        own.arrived_one("b", "e-0")
        assert set(Counter(found["id"] for found in own.at("b")).values()) == {1}


def test_row_40_the_running_call_is_finished_and_the_rest_goes_back() -> None:
    with rabbitmq_mesh() as own:
        sidecar, _ = own.pair(ASYA_PREFETCH="4")
        own.send(envelope({"do": "sleep", "s": 2}, id="running"))
        for number in range(3):
            own.send(envelope({"n": number}, id=f"waiting-{number}"))
        until(lambda: sidecar.metric("active_messages") == 4)
        sidecar.terminate()
        until(lambda: own.counts("a").queued == 3, what="what was not started is back")
        assert sidecar.reasons == ["draining"]
        assert sidecar.exit_code() == 0
        assert own.arrived_one("b", "running")
        assert own.counts("a").queued == 3
        assert own.calls() == [{"do": "sleep", "s": 2}]


def test_row_41_a_call_longer_than_the_grace_period_is_left_to_the_broker() -> None:
    grace = {"ASYA_GRACEFUL_SHUTDOWN": "20s"}
    with rabbitmq_mesh() as own:
        sidecar, runtime = own.pair(**grace)
        own.send(envelope({"do": "sleep", "s": 60}))
        until(own.calls, what="the handler was called")
        sidecar.terminate()
        assert 14 < seconds_to_exit(sidecar, 25) < 17
        until(lambda: own.counts("a").queued == 1, what="the message is back")
        assert own.stored("x-sump") == []
        runtime.kill()
        own.pair(**grace)
        until(lambda: len(own.calls()) == 2, what="redelivered")


def test_row_41_an_idle_sidecar_ends_within_two_seconds() -> None:
    with rabbitmq_mesh() as own:
        sidecar, _ = own.pair()
        sidecar.terminate()
        assert seconds_to_exit(sidecar) < 2


def test_row_41_a_sidecar_that_is_connecting_again_ends_within_two_seconds() -> None:
    with rabbitmq_mesh() as own, tcp_proxy(own) as proxy:
        sidecar, _ = own.pair(ASYA_RABBITMQ_PORT=str(proxy.port))
        proxy.stop()
        until(lambda: sidecar.reasons == ["broker_unreachable"], what="it has noticed")
        sidecar.terminate()
        assert seconds_to_exit(sidecar) < 2


def test_row_41_a_sidecar_whose_broker_does_not_answer_ends_within_two_seconds() -> None:
    with rabbitmq_mesh() as own, tcp_proxy(own) as proxy:
        sidecar, _ = own.pair(ASYA_RABBITMQ_PORT=str(proxy.port))
        proxy.hold()
        sidecar.terminate()
        assert seconds_to_exit(sidecar) < 2


def test_row_41_a_second_signal_ends_it_at_once() -> None:
    with rabbitmq_mesh() as own:
        sidecar, _ = own.pair()
        own.send(envelope({"do": "sleep", "s": 60}))
        until(own.calls, what="the handler was called")
        sidecar.terminate()
        until(lambda: sidecar.reasons == ["draining"], what="it has begun to drain")
        sidecar.terminate()
        assert seconds_to_exit(sidecar) < 1


def test_row_53_draining_again_and_again_brings_no_message_to_the_fence() -> None:
    count = 36
    with rabbitmq_mesh() as own:
        own.runtime()
        own.send_all(envelope({"do": "sleep", "s": 0.2, "n": number}, id=f"e-{number}") for number in range(count))
        for _ in range(10):
            sidecar = own.sidecar(ASYA_PREFETCH="9")
            until(lambda found=sidecar: found.metric("active_messages") == 9, 20, what="one runs and eight wait")
            sidecar.terminate()
            assert sidecar.exit_code() == 0
        own.sidecar(ASYA_PREFETCH="9")
        until(lambda: own.counts("b").queued == count, 30, 0.1, what="all are through")
        assert own.stored("x-sump") == []
        assert set(Counter(call["n"] for call in own.calls()).values()) == {1}
