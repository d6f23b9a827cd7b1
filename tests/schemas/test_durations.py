"""Durations and times as people write them (contract: sidecar, Variables; envelope, Status)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asya_schemas.durations import format_duration, format_time, parse_duration, parse_time


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("300s", 300),
        ("5m", 300),
        ("1m30s", 90),
        ("500ms", 0.5),
        ("1h", 3600),
        ("1.5s", 1.5),
        ("42", 42),
        ("0.25", 0.25),
        ("0s", 0),
    ],
)
def test_reads_a_duration(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "abc", "-1s", "1d", "1 s", "s", "1s ", "1e3", "inf", "nan", "٣s", "1" * 40, "1.s", "+5"]
)
def test_refuses_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(text)


@given(st.integers(0, 90_000_000))
def test_reads_back_what_it_wrote(milliseconds: int) -> None:
    assert round(parse_duration(format_duration(milliseconds / 1000)) * 1000) == milliseconds


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (0.5, "500ms"), (90, "1m30s"), (3600, "1h"), (61.25, "1m1s250ms"), (300, "5m")]
)
def test_writes_the_shortest_form(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, 0, UTC)),
        ("2026-01-02t03:04:05.1z", datetime(2026, 1, 2, 3, 4, 5, 100_000, UTC)),
        ("2026-01-02T03:04:05.123456789+02:00", datetime(2026, 1, 2, 1, 4, 5, 123_456, UTC)),
        ("2026-01-02T03:04:05-00:30", datetime(2026, 1, 2, 3, 34, 5, 0, UTC)),
        ("2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59, 0, UTC)),
    ],
)
def test_reads_a_time_of_any_offset(text: str, moment: datetime) -> None:
    assert parse_time(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "soon",
        "",
        "2026-01-02",
        "2026-01-02T03:04:05",
        "2026-01-02 03:04:05Z",
        "20260102T030405Z",
        "2026-13-02T03:04:05Z",
        "2026-01-02T24:00:00Z",
        "2026-01-02T03:04:05+24:00",
        "2026-01-02T03:04:05.Z",
        "٢026-01-02T03:04:05Z",
        "0000-01-02T03:04:05Z",
        "2026-01-02T03:04:05Z\n",
    ],
)
def test_anything_else_is_no_time(text: str) -> None:
    assert parse_time(text) is None


def test_writes_utc_with_milliseconds() -> None:
    moment = datetime(2026, 1, 2, 5, 4, 5, 6999, timezone(timedelta(hours=2)))
    assert format_time(moment) == "2026-01-02T03:04:05.006Z"


def test_an_early_year_keeps_its_four_digits() -> None:
    assert format_time(datetime(33, 4, 3, tzinfo=UTC)) == "0033-04-03T00:00:00.000Z"
