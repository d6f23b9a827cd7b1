"""After a storm: what the pods, the store and the broker show is written into the ledger, line by line.

Called by storm.py when every process has ended, so that logs are whole but for what a SIGKILL cut off. Judges nothing.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.faults.ledger import Ledger, Line, read
from tests.faults.storm_mesh import ENDS, Pod, StormMesh, queue_of
from tests.faults.storm_plan import ACTORS

TICK_S = 0.001
"""Log lines have milliseconds, cut off."""
LOST = frozenset({"broker_unreachable", "consumer_cancelled", "access_refused"})
KNOWN_FOR_S = 5.0
"""A lost connection so shortly after a fault of the broker is the same interruption."""


def harvest(mesh: StormMesh, ledger: Ledger) -> None:
    """Everything that is not in the ledger yet."""
    _ends(mesh.store, ledger)
    for actor in (*ACTORS, *ENDS):
        for dead in mesh.admin.peek(f"{queue_of(actor)}-dlq", 100):
            ledger.write(
                "ended", id=dead.message_id, parent=None, reason="dead letter", result=None, place=f"{actor}-dlq"
            )
    broker_faults = [line for line in read(ledger.path) if line["what"] == "fault" and line["pod"] in (None, "")]
    runs: list[Line] = []
    for pod in mesh.pods:
        lines = list(_log_lines(pod.logs("sidecar")))
        runs += _runs(pod, lines)
        for at in _lost_connections(lines):
            if not any(fault["begin"] - 1 <= at <= fault["until"] + KNOWN_FOR_S for fault in broker_faults):
                ledger.write("fault", kind="connection", pod=pod.name, begin=at, until=at)
    _prolong_retried(runs)
    for run in runs:
        ledger.write("run", **run)
    for queue, count in mesh.left().items():
        ledger.write("left", queue=queue, count=count)
    ledger.sync()


def _ends(store: Path, ledger: Ledger) -> None:
    for kind in ("results", "errors"):
        for file in sorted((store / kind).glob("*.json")):
            envelope = json.loads(file.read_bytes())
            payload = envelope["payload"]
            if "error" in payload and "details" in payload:
                payload = payload.get("original_payload")
            result = payload and {member: payload[member] for member in ("number", "frame", "hops")}
            reason = envelope["status"]["reason"]
            ledger.write(
                "ended",
                id=envelope["id"],
                parent=envelope.get("parent_id"),
                reason=reason,
                result=result,
                place="x-sink" if kind == "results" else "x-sump",
            )


def _runs(pod: Pod, sidecar_lines: list[Line]) -> list[Line]:
    """Every call of the pod's handler, with the moment its delivery was settled."""
    runs = list(_crew_runs(pod)) if pod.actor in ENDS else [json.loads(line) for line in _whole_lines(pod.runs)]
    by_id: dict[str, list[Line]] = defaultdict(list)
    for run in runs:
        by_id[run["id"]].append(run | {"pod": pod.name, "done": None})
    for line in sidecar_lines:
        if line["msg"] == "envelope done":
            at = _seconds(line) + TICK_S
            before = [run for run in by_id.get(line["envelope_id"], ()) if run["begin"] <= at]
            if before and before[-1]["done"] is None:
                before[-1] |= {"done": at, "retried": line["outcome"] == "retried"}
    return [run for own in by_id.values() for run in own]


def _prolong_retried(runs: list[Line]) -> None:
    """A retry is in progress until its next attempt begins: the broker passes it on from a delay tier, at least once."""
    begins: dict[tuple[str, str], float] = {}
    for run in sorted(runs, key=lambda run: float(run["begin"])):
        begins.setdefault((run["id"], run["place"]), run["begin"])
    for run in runs:
        if run.pop("retried", False):
            actor, attempt = run["place"].split()
            run["done"] = max(run["done"], begins.get((run["id"], f"{actor} {int(attempt) + 1}"), 0.0))


def _crew_runs(pod: Pod) -> Iterator[Line]:
    for line in _log_lines(pod.logs("runtime")):
        if line["msg"] in ("final payload", "final error"):
            yield {"begin": _seconds(line), "id": line["envelope_id"], "place": pod.actor}


def _lost_connections(lines: list[Line]) -> Iterator[float]:
    """Each time consuming broke off, by the sidecar's own words."""
    before: frozenset[str] = frozenset()
    for line in lines:
        if line["msg"] in ("not ready", "ready"):
            now = LOST.intersection(line.get("reasons", ()))
            if now - before and "starting" not in line["reasons"]:
                yield _seconds(line)
            before = now


def _log_lines(paths: list[Path]) -> Iterator[dict[str, Any]]:
    """JSON lines of one role of a pod, in order; a last one that a SIGKILL cut is nobody's."""
    for path in paths:
        for text in _whole_lines(path):
            if text.startswith('{"time"'):
                yield json.loads(text)


def _whole_lines(path: Path) -> list[str]:
    return path.read_text(errors="replace").rpartition("\n")[0].splitlines()


def _seconds(line: dict[str, Any]) -> float:
    return datetime.fromisoformat(line["time"]).timestamp()
