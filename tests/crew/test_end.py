"""x-sink and x-sump on one envelope: what is stored, answered and logged."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

from asya_crew.end import EndActor
from asya_crew.log import Log
from asya_crew.settings import from_environ
from asya_crew.store import NotStoredError, open_store

ERROR = {"type": "ValueError", "mro": ["Exception"], "message": "bad\ninput", "traceback": "Traceback ..."}


class Desk:
    """An end actor with its folder and its log."""

    def __init__(self, mount: Path | None, *, is_sump: bool = False, **environ: str) -> None:
        settings = from_environ(
            {"ASYA_ACTOR_NAME": "x-sump" if is_sump else "x-sink", "ASYA_PERSISTENCE_MOUNT": str(mount or "")} | environ
        )
        self._log = io.StringIO()
        self.actor = EndActor(settings, open_store(settings), Log(settings, self._log), is_sump=is_sump)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.getvalue().splitlines()]


def envelope(payload: Any = None, envelope_id: str = "e-1", headers: Any = None, **status: Any) -> dict[str, Any]:
    return {
        "id": envelope_id,
        "parent_id": None,
        "route": {"prev": ["a"], "curr": "", "next": [], "actors": ["a"], "current": 1},
        "headers": headers or {"trace_id": "t-42"},
        "payload": payload,
        "status": {"phase": "succeeded", "reason": "Completed", "actor": "a", **status},
    }


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_sink_stores_the_envelope_as_it_sees_it(tmp_path: Path) -> None:
    sent = envelope({"text": "grüße"})
    Desk(tmp_path).actor.handle(sent)
    body = (tmp_path / "results" / "e-1.json").read_text(encoding="utf-8")
    assert json.loads(body) == sent
    assert '\n  "payload": {\n    "text": "grüße"\n  }' in body


def test_sink_answers_where_it_is_stored(tmp_path: Path) -> None:
    answer = Desk(tmp_path).actor.handle(envelope(1))
    path = tmp_path / "results" / "e-1.json"
    body = path.read_bytes()
    location = {"uri": path.as_uri(), "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    assert answer == {"payload": {"asya_report": {"location": location}}}


def test_sink_stores_an_aborted_one_as_a_result(tmp_path: Path) -> None:
    Desk(tmp_path).actor.handle(envelope(1, reason="Aborted"))
    assert files(tmp_path) == ["results/e-1.json"]


def test_sink_stores_an_expired_one_as_an_error(tmp_path: Path) -> None:
    Desk(tmp_path).actor.handle(envelope(1, phase="failed", reason="Timeout"))
    assert files(tmp_path) == ["errors/e-1.json"]


@pytest.mark.parametrize("phase", ["canceled", "paused"])
def test_sink_only_reports_what_has_no_outcome(tmp_path: Path, phase: str) -> None:
    assert Desk(tmp_path).actor.handle(envelope(1, phase=phase)) == {"payload": {}}
    assert files(tmp_path) == []


@pytest.mark.parametrize("status", [None, "done", {}, {"phase": "processing"}, {"phase": 5}])
def test_without_a_final_phase_sink_means_succeeded_and_sump_failed(tmp_path: Path, status: Any) -> None:
    sent = envelope(1) | {"status": status}
    Desk(tmp_path).actor.handle(sent)
    sump = Desk(tmp_path, is_sump=True)
    sump.actor.handle(sent)
    assert files(tmp_path) == ["errors/e-1.json", "results/e-1.json"]
    assert sump.lines[0]["status"] == "failed"


def test_sump_stores_under_errors_and_names_a_replay(tmp_path: Path) -> None:
    sump = Desk(tmp_path, is_sump=True)
    sump.actor.handle(envelope(1, phase="failed"))
    sump.actor.handle(envelope(1, phase="failed", headers={"x-asya-replay": {"count": 2}}))
    assert files(tmp_path) == ["errors/e-1.json", "errors/e-1.r2.json"]


def test_a_replayed_result_keeps_the_plain_name(tmp_path: Path) -> None:
    Desk(tmp_path).actor.handle(envelope(1, headers={"x-asya-replay": {"count": 2}}))
    assert files(tmp_path) == ["results/e-1.json"]


def test_the_stored_result_is_what_a_duplicate_reports(tmp_path: Path) -> None:
    sink = Desk(tmp_path)
    first = sink.actor.handle(envelope("first"))["payload"]["asya_report"]
    second = sink.actor.handle(envelope("second"))["payload"]["asya_report"]
    assert second == {"location": first["location"], "status": "succeeded", "reason": "Completed", "result": "first"}


def test_the_stored_error_is_what_a_duplicate_reports(tmp_path: Path) -> None:
    sump = Desk(tmp_path, is_sump=True)
    sump.actor.handle(envelope(1, phase="failed", reason="RuntimeError", error=ERROR))
    report = sump.actor.handle(envelope(1, phase="failed", reason="Timeout"))["payload"]["asya_report"]
    assert (report["status"], report["reason"], report["error"]) == ("failed", "RuntimeError", ERROR)


def test_a_redelivery_of_the_same_envelope_reports_as_the_first_time(tmp_path: Path) -> None:
    sink = Desk(tmp_path)
    assert sink.actor.handle(envelope(1)) == sink.actor.handle(envelope(1))


def test_an_object_damaged_by_hand_stays_and_the_envelope_is_reported(tmp_path: Path) -> None:
    sink = Desk(tmp_path)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "e-1.json").write_text("not json")
    report = sink.actor.handle(envelope(1))["payload"]["asya_report"]
    assert list(report) == ["location"]
    assert sink.lines[-1]["level"] == "WARNING"


def test_what_cannot_be_stored_is_an_exception(tmp_path: Path) -> None:
    sink = Desk(tmp_path)
    (tmp_path / "results").write_text("in the way")
    with pytest.raises(NotStoredError):
        sink.actor.handle(envelope(1))


def test_an_envelope_without_an_id_is_an_exception(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no usable 'id'"):
        Desk(tmp_path).actor.handle({"payload": 1})


def test_sink_logs_the_final_payload(tmp_path: Path) -> None:
    sink = Desk(tmp_path)
    sink.actor.handle(envelope({"text": "a\u2028b"}))
    (line,) = sink.lines
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "INFO",
        "msg": "final payload",
        "component": "crew",
        "actor": "x-sink",
        "envelope_id": "e-1",
        "trace_id": "t-42",
        "status": "succeeded",
        "reason": "Completed",
        "route": {"prev": ["a"], "curr": "", "next": []},
        "payload": {"text": "a\u2028b"},
    }


def test_sump_logs_the_error_and_the_payload_that_failed(tmp_path: Path) -> None:
    sump = Desk(tmp_path, is_sump=True)
    payload = {"error": "processing_error", "details": ERROR, "original_payload": {"x": 1}}
    sump.actor.handle(envelope(payload, phase="failed", reason="RuntimeError", error=ERROR))
    (line,) = sump.lines
    expected = {
        "level": "ERROR",
        "msg": "final error",
        "error_type": "ValueError",
        "error_message": "bad\ninput",
        "traceback": "Traceback ...",
        "payload": {"x": 1},
    }
    assert {name: line[name] for name in expected} == expected


def test_without_a_status_the_error_is_read_from_the_details(tmp_path: Path) -> None:
    sump = Desk(tmp_path, is_sump=True)
    sump.actor.handle(
        envelope({"error": "route_error", "details": {"type": "HopLimit", "message": "m"}}) | {"status": None}
    )
    assert (sump.lines[0]["error_type"], sump.lines[0]["error_message"]) == ("HopLimit", "m")


def test_a_long_payload_is_cut_in_the_log_only(tmp_path: Path) -> None:
    sink = Desk(tmp_path, ASYA_LOG_PAYLOAD_MAX_BYTES="10")
    sink.actor.handle(envelope("é" * 20))
    assert sink.lines[0]["payload"] == '"éééé'
    assert sink.lines[0]["payload_truncated"] is True
    assert json.loads((tmp_path / "results" / "e-1.json").read_bytes())["payload"] == "é" * 20


def test_payloads_can_be_left_out_of_the_log(tmp_path: Path) -> None:
    sink = Desk(tmp_path, ASYA_LOG_PAYLOADS="false")
    sink.actor.handle(envelope("secret"))
    assert "payload" not in sink.lines[0]


def test_without_a_store_it_is_only_logged_which_a_warning_says() -> None:
    sink = Desk(None)
    assert sink.actor.handle(envelope(1)) == {"payload": {}}
    assert [line["level"] for line in sink.lines] == ["WARNING", "INFO"]
    assert "only logged" in sink.lines[0]["msg"]


def test_the_log_level_is_obeyed(tmp_path: Path) -> None:
    sink = Desk(tmp_path, ASYA_LOG_LEVEL="ERROR")
    sink.actor.handle(envelope(1))
    assert sink.lines == []
