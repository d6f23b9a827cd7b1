"""Headers with a meaning (contract: envelope, Headers with a meaning)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from asya_schemas import headers

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def quoted(text: str) -> bytes:
    return f'"{text}"'.encode()


@pytest.mark.parametrize("name", ["trace_id", "traceparent", "tracestate", "x-asya-children", "x-asya-anything"])
def test_the_mesh_keeps_its_names(name: str) -> None:
    assert headers.is_reserved(name)


@pytest.mark.parametrize("name", ["tenant", "X-Asya-Children", "trace-id", "x-asya", ""])
def test_all_others_are_the_user_s(name: str) -> None:
    assert not headers.is_reserved(name)


def test_trace_id_is_the_header_first() -> None:
    assert headers.trace_id({"trace_id": b'"t-42"', "traceparent": quoted(PARENT)}, "e-1") == "t-42"


@pytest.mark.parametrize("parent", [PARENT, f"01-{TRACE}-00f067aa0ba902b7-01-more", f"cc-{TRACE}-00f067aa0ba902b7-00"])
def test_trace_id_is_taken_from_a_valid_traceparent(parent: str) -> None:
    assert headers.trace_id({"traceparent": quoted(parent)}, "e-1") == TRACE


@pytest.mark.parametrize(
    "raw",
    [
        quoted(PARENT + "-more"),
        quoted(PARENT.replace("00-", "ff-", 1)),
        quoted(f"00-{'0' * 32}-00f067aa0ba902b7-01"),
        quoted(f"00-{TRACE}-{'0' * 16}-01"),
        quoted(PARENT.upper()),
        b"5",
        b"null",
    ],
)
def test_trace_id_is_the_envelope_s_id_otherwise(raw: bytes) -> None:
    assert headers.trace_id({"traceparent": raw, "trace_id": b"5"}, "e-1") == "e-1"


def test_counts_are_integers_from_zero() -> None:
    given = {"a": b"3", "b": b"-1", "c": b'"3"', "d": b"1.5"}
    assert [headers.count_of(given, name) for name in "abcde"] == [3, 0, 0, 0, 0]


def test_first_attempt_is_a_moment() -> None:
    given = {"x-asya-first-attempt": b'"2026-01-02T03:04:05.006Z"'}
    assert headers.first_attempt(given) == datetime(2026, 1, 2, 3, 4, 5, 6000, UTC)
    assert headers.first_attempt({"x-asya-first-attempt": b'"soon"'}) is None


@pytest.mark.parametrize(
    ("raw", "count"), [(b'{"count":2,"from":"x-sump"}', 2), (b"{}", 0), (b"7", 0), (b'{"count":"2"}', 0)]
)
def test_replay_count_names_the_run(raw: bytes, count: int) -> None:
    assert headers.replay_count({"x-asya-replay": raw}) == count
