"""Which runs are remembered as stopped, and when the gateway is asked."""

import pytest

from asya_sidecar.act.gateway.cancellation import StoppedRuns, is_asked


def test_a_run_reported_stopped_is_stopped() -> None:
    runs = StoppedRuns()
    runs.add("e-1", 0)
    assert runs.holds("e-1", 0)
    assert not runs.holds("e-2", 0)


def test_a_replay_of_a_stopped_run_is_not_stopped() -> None:
    runs = StoppedRuns()
    runs.add("e-1", 1)
    assert [runs.holds("e-1", run) for run in (0, 1, 2)] == [True, True, False]


def test_late_news_of_an_earlier_run_does_not_revive_a_later_one() -> None:
    runs = StoppedRuns()
    runs.add("e-1", 2)
    runs.add("e-1", 0)
    assert runs.holds("e-1", 2)


def test_the_oldest_is_forgotten_first() -> None:
    runs = StoppedRuns(limit=2)
    for envelope_id in ("a", "b", "a", "c"):
        runs.add(envelope_id, 0)
    assert [runs.holds(envelope_id, 0) for envelope_id in ("a", "b", "c")] == [True, False, True]


@pytest.mark.parametrize(
    ("check", "window", "mean_call_s", "asked"),
    [
        ("auto", 1, None, True),
        ("auto", 1, 1.0, True),
        ("auto", 1, 0.99, False),
        ("auto", 2, None, False),
        ("auto", 2, 5.0, False),
        ("always", 64, 0.001, True),
        ("off", 1, None, False),
    ],
)
def test_the_gateway_is_asked_where_calls_are_long(
    check: str, window: int, mean_call_s: float | None, asked: bool
) -> None:
    assert is_asked(check, window, mean_call_s) is asked
