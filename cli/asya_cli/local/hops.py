"""The hops of envelopes, read from the sidecars' log files. Called by `trace` and by `send --follow`.

One line `envelope done` is one delivery (contract: sidecar, Logs). Reads files, changes nothing.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from asya_cli.local.meters import delivery


@dataclass(frozen=True, slots=True)
class Hop:
    """One delivery of one envelope at one actor. Times in ms; `ended_at` is when it was settled."""

    envelope_id: str
    trace_id: str
    actor: str
    pod: str
    ended_at: datetime
    outcome: str
    reason: str | None
    attempt: int
    destinations: tuple[str, ...]
    queue_wait_ms: float | None
    handler_ms: float | None
    total_ms: float
    error: str | None

    @property
    def arrived_at(self) -> datetime:
        """When the sidecar had it in hand."""
        return self.ended_at - timedelta(milliseconds=self.total_ms)

    @property
    def sent_at(self) -> datetime:
        """When it was put into the queue, as far as known."""
        return self.arrived_at - timedelta(milliseconds=self.queue_wait_ms or 0.0)


def hop_of(members: dict[str, Any], pod: str) -> Hop | None:
    """The hop a log line speaks of; None when it lacks what a hop has."""
    error_type = members.get("error_type")
    try:
        return Hop(
            envelope_id=str(members["envelope_id"]),
            trace_id=str(members.get("trace_id", "")),
            actor=str(members.get("actor", "")),
            pod=pod,
            ended_at=datetime.fromisoformat(str(members["time"])),
            outcome=str(members["outcome"]),
            reason=members.get("reason"),
            attempt=int(members.get("attempt", 1)),
            destinations=tuple(str(name) for name in members.get("destinations") or ()),
            queue_wait_ms=members.get("queue_wait_ms"),
            handler_ms=members.get("handler_ms"),
            total_ms=float(members.get("total_ms", 0.0)),
            error=f"{error_type}: {members.get('error_message', '')}" if error_type else None,
        )
    except (KeyError, ValueError):
        return None


def log_files(logs: Path, process: str = "sidecar") -> list[Path]:
    """The log files of one kind of process, older parts first."""
    return [*sorted(logs.glob(f"*/{process}.log.1")), *sorted(logs.glob(f"*/{process}.log"))]


def lines_about(logs: Path, wanted: str, process: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Structured lines whose envelope id or trace id is `wanted`, with the pod they are from."""
    needle = json.dumps(wanted, ensure_ascii=False)[1:-1].encode()
    escaped = json.dumps(wanted)[1:-1].encode()
    for file in log_files(logs, process):
        with file.open("rb") as lines:
            for line in lines:
                if needle not in line and escaped not in line:  # cheaper than reading each as JSON
                    continue
                try:
                    members = json.loads(line)
                except ValueError:
                    continue
                if isinstance(members, dict) and wanted in (members.get("envelope_id"), members.get("trace_id")):
                    yield file.parent.name, members


def hops(logs: Path, wanted: str) -> list[Hop]:
    """All hops of an envelope or trace id, in the order in which they were sent."""
    found = []
    for pod, members in lines_about(logs, wanted, "sidecar"):
        if delivery(json.dumps(members).encode()) is not None and (hop := hop_of(members, pod)) is not None:
            found.append(hop)
    return sorted(found, key=lambda hop: (hop.arrived_at, hop.ended_at))
