"""The status block after every event of the table (contract: envelope, Status)."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from asya_schemas.errors import ErrorInfo
from asya_schemas.refusal import Refused
from asya_schemas.status import Status, parse_status

CREATED = "2026-01-02T03:04:05.006Z"
NOW = datetime(2026, 1, 2, 3, 5, tzinfo=UTC)
ERROR = ErrorInfo("ValueError", "no", ("Exception",), "Traceback ...")
WRITTEN_ERROR = {"type": "ValueError", "message": "no", "mro": ["Exception"], "traceback": "Traceback ..."}
BLOCK = {
    "phase": "retrying",
    "reason": "old",
    "actor": "a",
    "attempt": 2,
    "max_attempts": 5,
    "created_at": CREATED,
    "updated_at": CREATED,
    "deadline_at": "2026-01-02T05:00:00+02:00",
    "error": {"type": "KeyError"},
    "mine": [1],
}
CARRIED = {
    "created_at": CREATED,
    "updated_at": "2026-01-02T03:05:00.000Z",
    "deadline_at": BLOCK["deadline_at"],
    "mine": [1],
}

# title, event, then phase, reason, actor, attempt, max_attempts as written, and whether the error is set
EVENTS: list[tuple[str, Callable[[Status], Status], tuple[str, str | None, str, int, int], bool]] = [
    ("handed over", lambda s: s.handed_over("a", NOW), ("processing", None, "a", 2, 5), False),
    ("handed over elsewhere", lambda s: s.handed_over("b", NOW), ("processing", None, "b", 1, 1), False),
    ("sent", lambda s: s.sent("b", NOW), ("pending", None, "b", 1, 1), False),
    ("succeeded", lambda s: s.succeeded("a", NOW), ("succeeded", "Completed", "a", 2, 5), False),
    ("aborted", lambda s: s.aborted("a", NOW), ("succeeded", "Aborted", "a", 2, 5), False),
    ("retrying", lambda s: s.retrying("a", 7, ERROR, NOW), ("retrying", None, "a", 3, 7), True),
    ("first retry", lambda s: s.retrying("b", 7, ERROR, NOW), ("retrying", None, "b", 2, 7), True),
    ("routed", lambda s: s.routed("a", ERROR, NOW), ("failed", "PolicyRouted", "a", 2, 5), True),
    ("canceled", lambda s: s.canceled("a", NOW), ("canceled", "Canceled", "a", 2, 5), False),
    ("failed", lambda s: s.failed("a", "Crashed", ERROR, NOW), ("failed", "Crashed", "a", 2, 5), True),
]


def written(status: Status) -> dict[str, Any]:
    body = status.encode()
    assert body is not None
    document: dict[str, Any] = json.loads(body)
    return document


@pytest.mark.parametrize(("event", "values", "fails"), [row[1:] for row in EVENTS], ids=[row[0] for row in EVENTS])
def test_event_writes_the_row_of_the_table(
    event: Callable[[Status], Status], values: tuple[str, str | None, str, int, int], fails: bool
) -> None:
    members = dict(zip(("phase", "reason", "actor", "attempt", "max_attempts"), values, strict=True))
    expected = {name: value for name, value in members.items() if value is not None}
    expected |= {"error": WRITTEN_ERROR} if fails else {}
    assert written(event(parse_status(json.dumps(BLOCK).encode()))) == CARRIED | expected


def test_a_passed_deadline_is_a_failure_with_an_error_of_its_own() -> None:
    block = written(parse_status(json.dumps(BLOCK).encode()).expired("a", NOW))
    assert (block["phase"], block["reason"], block["error"]["type"]) == ("failed", "Timeout", "DeadlineExceeded")


def test_a_block_is_made_where_there_was_none() -> None:
    moment = "2026-01-02T03:05:00.000Z"
    assert written(Status().sent("b", NOW)) == {
        "phase": "pending",
        "actor": "b",
        "attempt": 1,
        "max_attempts": 1,
        "created_at": moment,
        "updated_at": moment,
    }


@pytest.mark.parametrize(
    "member",
    [
        {"phase": "done"},
        {"phase": 1},
        {"actor": "A_b"},
        {"attempt": "two"},
        {"attempt": 0},
        {"attempt": 1.0},
        {"attempt": True},
        {"max_attempts": -3},
        {"max_attempts": 10**400},
        {"created_at": 5},
        {"deadline_at": 5},
        {"deadline_at": "2026-01-02T03:04:05." + "0" * 60 + "Z"},
        {"error": "boom"},
    ],
    ids=str,
)
def test_a_wrongly_typed_member_counts_as_absent_with_a_warning(member: dict[str, Any]) -> None:
    status = parse_status(json.dumps(member).encode())
    assert len(status.warnings) == 1
    assert written(status.sent("b", NOW)) == written(Status().sent("b", NOW))


@pytest.mark.parametrize("member", ["phase", "attempt", "deadline_at", "error"])
def test_null_is_absent_without_a_word(member: str) -> None:
    assert parse_status(json.dumps({member: None}).encode()).warnings == ()


def test_a_deadline_of_any_offset_is_a_moment() -> None:
    status = parse_status(b'{"deadline_at":"2026-01-02T05:00:00+02:00"}')
    assert status.deadline == datetime(2026, 1, 2, 3, tzinfo=UTC)


def test_a_deadline_that_is_no_time_is_carried_but_ends_nothing() -> None:
    status = parse_status(b'{"deadline_at":"soon"}')
    assert status.deadline is None
    assert written(status.sent("b", NOW))["deadline_at"] == "soon"


def test_attempt_counts_from_one_at_another_actor() -> None:
    status = parse_status(json.dumps(BLOCK).encode())
    assert (status.attempt_at("a"), status.attempt_at("b")) == (2, 1)


@pytest.mark.parametrize("raw", [b'"done"', b"[]", b"5"])
def test_only_an_object_is_a_block(raw: bytes) -> None:
    with pytest.raises(Refused):
        parse_status(raw)
