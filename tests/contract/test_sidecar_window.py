"""How much is in hand (contract: sidecar, Situations 38, 39)."""

import pytest

from tests.support.sidecar_process import envelope, mesh
from tests.support.wait import until


@pytest.mark.alone
def test_row_38_a_fast_handler_gets_the_largest_window() -> None:
    with mesh() as own:
        for number in range(1000):
            own.send(envelope({"do": "sleep", "s": 0.001}, id=f"e-{number}"))
        sidecar, _ = own.pair()
        until(lambda: sidecar.metric("prefetch") == 64, what="the window has grown")
        until(lambda: own.counts("b").queued == 1000, 30, what="all are through")
        assert len({found["id"] for found in own.at("b", 2000)}) == 1000


def test_row_38_a_slow_handler_keeps_one_in_hand() -> None:
    with mesh() as own:
        for number in range(40):
            own.send(envelope({"do": "sleep", "s": 0.2}, id=f"e-{number}"))
        sidecar, _ = own.pair()
        until(lambda: own.counts("b").queued >= 22, 30, what="twenty calls, so the window could have grown")
        assert sidecar.metric("prefetch") == 1
        assert own.counts("a").processing == 1


@pytest.mark.alone
def test_row_39_what_waits_behind_a_slow_call_is_run_elsewhere() -> None:
    with mesh() as own:
        slow, _ = own.pair()
        for number in range(200):
            own.send(envelope({"n": number}, id=f"fast-{number}"))
        until(lambda: slow.metric("prefetch") == 64, what="the window has grown")
        until(lambda: own.counts("b").queued == 200)
        own.send(envelope({"do": "sleep", "s": 8}, id="slow"))
        for number in range(63):
            own.send(envelope({"n": number}, id=f"behind-{number}"))
        until(lambda: slow.metric("active_messages") == 1, 5, what="those behind are returned")
        assert slow.metric("prefetch") == 1
        own.pair(pod="other")
        until(lambda: own.counts("b").queued == 263, 5, what="the others are through while the slow call runs")
        assert {"do": "sleep", "s": 8} in own.calls()
        own.arrived_one("b", "slow")
