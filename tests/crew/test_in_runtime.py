"""x-sink and x-sump where they live: inside a real runtime, in envelope mode without validation."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.runtime_process import RuntimeProcess, current, refused_to_start, running
from tests.support.wait import until

END_ACTOR = {"ASYA_HANDLER_MODE": "envelope", "ASYA_ENABLE_VALIDATION": "false"}


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[RuntimeProcess]:
    with running(current(), "asya_crew.sink.handle", ASYA_PERSISTENCE_MOUNT=str(tmp_path), **END_ACTOR) as runtime:
        yield runtime


@pytest.fixture
def sump(tmp_path: Path) -> Iterator[RuntimeProcess]:
    with running(current(), "asya_crew.sump.handle", ASYA_PERSISTENCE_MOUNT=str(tmp_path), **END_ACTOR) as runtime:
        yield runtime


def stored(folder: Path) -> dict[str, Any]:
    """The only object there is."""
    (path,) = [path for path in folder.rglob("*") if path.is_file()]
    body: dict[str, Any] = json.loads(path.read_bytes())
    return body


def test_the_answer_is_the_payload_of_one_frame(sink: RuntimeProcess, tmp_path: Path) -> None:
    answer = sink.call({"x": 1}, status={"phase": "succeeded"})
    assert answer.status == 200
    (payload,) = answer.payloads
    assert payload["asya_report"]["location"]["uri"] == (tmp_path / "results" / "e-1.json").as_uri()


def test_the_object_is_the_envelope_with_both_views_of_its_route(sink: RuntimeProcess, tmp_path: Path) -> None:
    sink.call({"x": 1}, route={"prev": ["a"], "curr": "", "next": []})
    envelope = stored(tmp_path)
    assert envelope["payload"] == {"x": 1}
    route = {"prev": ["a"], "curr": "", "next": [], "actors": ["a"], "current": 1}
    assert {name: envelope["route"][name] for name in route} == route


@pytest.mark.parametrize("shape", [{"actors": ["a"], "current": 1}, {"prev": [], "curr": "z", "next": ["y"]}])
def test_any_route_is_taken(sink: RuntimeProcess, shape: dict[str, Any]) -> None:
    assert sink.call(1, route=shape).status == 200


def test_a_failure_is_stored_among_the_errors_and_logged_beside_the_runtimes_own_line(
    sump: RuntimeProcess, tmp_path: Path
) -> None:
    error = {"type": "ValueError", "message": "bad", "traceback": "T"}
    sump.call({"error": "processing_error", "details": error, "original_payload": 5}, status={"phase": "failed"})
    assert (tmp_path / "errors" / "e-1.json").is_file()
    expected = [("ERROR", "final error"), ("INFO", "call done")]
    until(
        lambda: [(line["level"], line["msg"]) for line in sump.log()][-2:] == expected, what=f"the log ends {expected}"
    )


def test_a_folder_that_cannot_be_written_is_an_error_and_heals(sink: RuntimeProcess, tmp_path: Path) -> None:
    (tmp_path / "results").write_text("in the way")
    answer = sink.call(1)
    assert answer.status == 500
    assert "cannot store" in answer.details["message"]
    (tmp_path / "results").unlink()
    assert sink.call(1).status == 200


def test_a_wrong_setting_is_the_reason_why_the_handler_cannot_be_loaded() -> None:
    code, said = refused_to_start(current(), "asya_crew.sink.handle", ASYA_S3_BUCKET="results", **END_ACTOR)
    assert code == 3
    assert "ASYA_S3_BUCKET is set, but this build stores in a folder only" in said.splitlines()[-1]


def test_an_end_actor_stays_small(sink: RuntimeProcess) -> None:
    sink.call(1)
    pages = int(Path(f"/proc/{sink.pid}/statm").read_text().split()[1])
    assert pages * os.sysconf("SC_PAGE_SIZE") < 24e6
