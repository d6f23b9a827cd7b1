"""How much is in hand (contract: sidecar, Situations 38, 39)."""

from collections import Counter

import pytest

from tests.support.sidecar_process import envelope, mesh
from tests.support.wait import until


@pytest.mark.alone
def test_row_38_a_fast_handler_gets_the_largest_window_and_nothing_is_lost() -> None:
    count = 5000
    with mesh() as own:
        own.send_all(envelope({"s": 0.001}, id=f"e-{number}") for number in range(count))
        sidecar, _ = own.pair("nap")
        until(lambda: sidecar.metric("prefetch") == 64, 30, 0.1, what="the window has grown")
        until(lambda: own.counts("b").queued == count, 60, 0.2, what="all are through")
        assert len({found["id"] for found in own.at("b", 2 * count)}) == count
        until(own.is_gone, what="the own queue is empty")


def test_row_38_a_slow_handler_keeps_one_in_hand() -> None:
    with mesh() as own:
        own.send_all(envelope({"do": "sleep", "s": 0.2}, id=f"e-{number}") for number in range(40))
        sidecar, _ = own.pair()
        until(lambda: own.counts("b").queued >= 22, 30, 0.1, what="twenty calls, so the window could have grown")
        assert sidecar.metric("prefetch") == 1
        assert sidecar.metric("active_messages") <= 1


@pytest.mark.alone
def test_row_39_what_waits_behind_a_slow_call_is_run_elsewhere() -> None:
    with mesh() as own:
        slow, _ = own.pair("nap")
        own.send_all(envelope({"n": number}, id=f"fast-{number}") for number in range(200))
        until(lambda: slow.metric("prefetch") == 64, what="the window has grown")
        until(lambda: own.counts("b").queued == 200, what="the fast ones are through")
        calls = [{"s": 10}, *({"n": number} for number in range(63))]
        own.send_all(envelope(payload, id=f"e-{index}") for index, payload in enumerate(calls))
        until(lambda: slow.metric("active_messages") == 1, what="those behind are returned")
        assert slow.metric("prefetch") == 1
        own.pair("nap", pod="other")
        until(lambda: own.counts("b").queued == 263, what="the others are through")
        assert slow.metric("active_messages") == 1, "while the slow call runs"
        own.arrived_one("b", "e-0")
        assert set(Counter(found["id"] for found in own.at("b")).values()) == {1}
