"""How many deliveries may be in hand (contract: sidecar, How much is in hand)."""

import pytest

from asya_sidecar.decide.window import BODY_BUDGET_BYTES, CALLS_TO_GROW, Window


def after_calls(duration_s: float, calls: int = CALLS_TO_GROW, maximum: int = 64) -> Window:
    window = Window(None, maximum)
    for _ in range(calls):
        window.called(duration_s)
    return window


def test_the_window_begins_at_one() -> None:
    assert Window(None, 64).size == 1


@pytest.mark.parametrize(
    ("duration_s", "size"),
    [(0.2, 1), (0.1, 1), (0.05, 2), (0.03, 2), (0.025, 4), (0.01, 8), (0.005, 16), (0.001, 64), (0.00001, 64)],
)
def test_it_is_the_largest_power_of_two_that_holds_a_tenth_of_a_second(duration_s: float, size: int) -> None:
    assert after_calls(duration_s).size == size


def test_it_needs_twenty_calls_to_grow() -> None:
    window = after_calls(0.001, 19)
    assert window.size == 1
    window.called(0.001)
    assert window.size == 64


def test_it_follows_the_last_twenty_calls_only() -> None:
    window = after_calls(0.2, 100)
    for _ in range(20):
        window.called(0.01)
    assert window.size == 8


def test_a_call_of_more_than_a_second_sends_it_back_to_one_for_twenty_calls() -> None:
    window = after_calls(0.001)
    window.called(1.5)
    for _ in range(18):
        window.called(0.001)
    assert window.size == 1


def test_it_falls_to_one_when_the_runtime_is_lost() -> None:
    window = after_calls(0.001)
    window.fall()
    assert window.size == 1


def test_it_stays_within_the_configured_maximum() -> None:
    assert after_calls(0.001, maximum=16).size == 16


def test_a_number_fixes_it() -> None:
    window = Window(50, 64)
    assert window.size == 50
    window.called(10.0)
    assert window.size == 50


def test_large_bodies_shrink_it_whatever_was_configured() -> None:
    for window in (Window(50, 64), after_calls(0.001)):
        window.received(8 * 1024 * 1024)
        assert window.size == 4


def test_one_body_may_be_larger_than_the_budget() -> None:
    window = after_calls(0.001)
    window.received(BODY_BUDGET_BYTES * 2)
    assert window.size == 1


def test_there_is_no_mean_before_the_first_call() -> None:
    assert Window(None, 64).mean_s is None
    assert after_calls(0.5, 1).mean_s == 0.5
