"""Durations count as whole nanoseconds."""

import pytest

from asya_schemas.actor.timespan import nanoseconds, whole_seconds


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("90s", 90 * 10**9),
        ("1m30s", 90 * 10**9),
        ("500ms", 5 * 10**8),
        ("0.1s", 10**8),
        ("1h1m1.001s", 3661 * 10**9 + 10**6),
        ("0s", 0),
        ("0.0000000001s", 0),
    ],
)
def test_a_duration_has_an_exact_length(text: str, ns: int) -> None:
    assert nanoseconds(text) == ns


@pytest.mark.parametrize("text", ["", "5", "s", "-1s", "1.5.5s", "1d", "1 s", "1s\n", ".5s"])
def test_other_text_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        nanoseconds(text)


@pytest.mark.parametrize(("ns", "seconds"), [(0, 0), (1, 1), (10**9, 1), (10**9 + 1, 2)])
def test_part_seconds_are_rounded_up(ns: int, seconds: int) -> None:
    assert whole_seconds(ns) == seconds
