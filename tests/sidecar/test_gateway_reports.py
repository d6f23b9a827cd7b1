"""The words of a report."""

import json

import pytest

from asya_schemas.envelope import Envelope
from asya_schemas.route import Route
from asya_sidecar.act.gateway import reports
from asya_sidecar.act.gateway.reports import Report

NEW = Route(prev=("a",), curr="b", next=("c",))
AT = "2026-01-02T03:04:05.006Z"


def envelope(route: Route = NEW, envelope_id: str = "e-1", **headers: bytes) -> Envelope:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Envelope(id=envelope_id, route=route, payload=b'{"secret":1}', parent_id="e-0", headers=named)


def test_all_reports_name_envelope_attempt_run_children_and_position() -> None:
    told = reports.members(envelope(x_asya_replay=b'{"count":2}', x_asya_children=b"3"), "b", 4, AT)
    assert told == {
        "id": "e-1",
        "parent_id": "e-0",
        "actor": "b",
        "attempt": 4,
        "at": AT,
        "run": 2,
        "children_count": 3,
        "prev": ("a",),
        "curr": "b",
        "next": ("c",),
    }


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        (Route(("a",), "b", ("c",), old_shape=True), {"actors": ("a", "b", "c"), "current_actor_idx": 1}),
        (Route(("a",), "", (), old_shape=True), {"actors": ("a",), "current_actor_idx": 1}),
        (Route((), "a", ()), {"prev": (), "curr": "a", "next": ()}),
    ],
)
def test_the_position_has_the_envelopes_shape(route: Route, expected: dict[str, object]) -> None:
    assert reports.position(route) == expected


def test_members_that_are_not_known_are_left_out() -> None:
    common = reports.members(envelope(), "b", 1, AT)
    body = json.loads(reports.report("progress", common, {"status": "received", "message": None}).body)
    assert body["kind"] == "progress"
    assert body["status"] == "received"
    assert "message" not in body


def test_a_report_never_holds_the_payload() -> None:
    common = reports.members(envelope(), "b", 1, AT)
    assert b"secret" not in reports.report("progress", common, {"status": "completed"}).body


def test_children_are_frames_1_and_up_with_index_and_route() -> None:
    frames = [envelope(envelope_id=f"f-{n}") for n in range(3)]
    (report,) = reports.children(reports.members(envelope(), "b", 1, AT), frames)
    place = {"prev": ["a"], "curr": "b", "next": ["c"]}
    assert json.loads(report.body)["children"] == [
        {"id": "f-1", "index": 1, **place},
        {"id": "f-2", "index": 2, **place},
    ]


def test_thousands_of_children_are_told_in_parts() -> None:
    frames = [envelope(envelope_id=f"{n:0200}") for n in range(10_000)]
    parts = list(reports.children(reports.members(envelope(), "b", 1, AT), frames))
    assert len(parts) > 1
    assert max(len(part.body) for part in parts) < 1.1 * reports.CHILDREN_BYTES
    told = [child["index"] for part in parts for child in json.loads(part.body)["children"]]
    assert told == list(range(1, 10_000))


@pytest.mark.parametrize(
    ("envelope_id", "path"),
    [("e-1", "/tasks/e-1/final"), ("../x?a b", "/tasks/..%2Fx%3Fa%20b/final"), ("..", "/tasks/%2E%2E/final")],
)
def test_no_id_can_name_another_path(envelope_id: str, path: str) -> None:
    assert reports.task_path(envelope_id, "final") == path


def test_a_final_without_bulk_keeps_all_but_result_and_the_records_envelope() -> None:
    final = {"status": "failed", "result": 1, "record": {"kind": "sump", "envelope": {}, "queue": "q"}}
    assert reports.without_bulk(final) == {"status": "failed", "record": {"kind": "sump", "queue": "q"}}


def test_inactive_means_stopped_unless_the_gateway_does_not_know_the_id() -> None:
    sent = [Report("progress", str(n), n, b"") for n in range(4)]
    results = [
        {"active": True, "outcome": "applied"},
        {"active": False, "outcome": "late"},
        {"active": False, "outcome": "unknown"},
        {"active": False, "outcome": "stale"},
    ]
    assert [(one.id, one.run) for one in reports.stopped(results, sent)] == [("1", 1), ("3", 3)]


@pytest.mark.parametrize("results", [None, {}, [], [{}], [1, 2], "x"])
def test_results_that_cannot_be_read_stop_nothing(results: object) -> None:
    sent = [Report("progress", "1", 0, b""), Report("progress", "2", 0, b"")]
    assert list(reports.stopped(results, sent)) == []
