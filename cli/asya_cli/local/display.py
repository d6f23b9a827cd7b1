"""What `asya up` shows while it runs: lines everywhere, and above them a live table on a terminal.

Called by `mesh.py` only. Three forms behind one protocol: `Lines` (text or JSON) here, `LiveTable` in live.py.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from asya_cli.local.tail import Line

# More lines than a person can read are counted, not shown; the log files have them all.
LINES_PER_SECOND = 200


@dataclass(frozen=True, slots=True)
class Row:
    """One actor in the table."""

    actor: str
    status: str
    ready: int
    desired: int
    queued: int | None
    processing: int | None
    per_second: float
    processed: int
    errors: int


def row_of(entry: dict[str, Any]) -> Row:
    """A row from an actor's entry in the published state."""
    status = entry["document"]["status"]
    return Row(
        actor=entry["label"],
        status=str(status.get("status", "Creating")),
        ready=int(status.get("readyReplicas") or 0),
        desired=int(status.get("desiredReplicas") or 0),
        queued=entry["queued"],
        processing=entry["processing"],
        per_second=entry["perSecond"],
        processed=entry["processed"],
        errors=entry["failed"],
    )


class Display(Protocol):
    """Where the mesh speaks."""

    def note(self, text: str) -> None:
        """Something about the mesh itself."""
        ...

    def line(self, line: Line) -> None:
        """Something a replica wrote."""
        ...

    def table(self, rows: list[Row]) -> None:
        """The present state of all actors."""
        ...

    def close(self) -> None:
        """The end."""
        ...


class Lines:
    """Plain lines on stdout, as text or JSON."""

    def __init__(self, as_json: bool) -> None:
        self._json = as_json
        self._open = True
        self._budget = Budget()

    def note(self, text: str) -> None:
        """One line per line of the text."""
        now = datetime.now(UTC)
        for part in text.splitlines():
            if self._json:
                members = {
                    "time": now.isoformat(timespec="milliseconds"),
                    "level": "INFO",
                    "msg": part,
                    "component": "up",
                }
                self._write(json.dumps(members, ensure_ascii=False))
            else:
                self._write(f"asya | {part}")
        self._flush()

    def line(self, line: Line) -> None:
        """A replica's line; in text form the members of a JSON line as words."""
        if not self._json and is_routine(line):
            return
        skipped = self._budget.spend(datetime.now(UTC).timestamp())
        if skipped is None:
            return
        if skipped:
            self.note(f"{skipped} lines not shown; they are in .asya/logs")
        for part in [as_json(line)] if self._json else as_text(line).splitlines() or [""]:
            self._write(part if self._json else f"{line.pod} | {part}")
        self._flush()

    def table(self, rows: list[Row]) -> None:
        """Nothing: a status that changes is a note."""

    def close(self) -> None:
        """Nothing more is written."""
        self._open = False

    def _write(self, text: str) -> None:
        if self._open:
            self._try(lambda: sys.stdout.write(text + "\n"))

    def _flush(self) -> None:
        if self._open:
            self._try(sys.stdout.flush)

    def _try(self, write: Callable[[], object]) -> None:
        """The mesh goes on whatever becomes of its words."""
        try:
            write()
        except (BrokenPipeError, ValueError):  # the reader has gone, nobody will come back
            self._open = False
        except OSError:  # a full disk behind a redirection: this line is lost, later ones may find room
            return


class Budget:
    """Counts lines per second; decides which are shown."""

    def __init__(self, per_second: int = LINES_PER_SECOND) -> None:
        self._per_second = per_second
        self._second = 0
        self._used = 0
        self._skipped = 0

    def spend(self, now_s: float) -> int | None:
        """None: do not show this line. A number: show it; so many before it were not shown."""
        if int(now_s) != self._second:
            self._second, self._used = int(now_s), 0
        self._used += 1
        if self._used > self._per_second:
            self._skipped += 1
            return None
        skipped, self._skipped = self._skipped, 0
        return skipped


def members_of(text: bytes) -> dict[str, Any] | None:
    """A structured log line, None for anything else a process may print."""
    if not text.startswith(b"{"):
        return None
    try:
        members = json.loads(text)
    except ValueError:
        return None
    return members if isinstance(members, dict) and "msg" in members else None


def as_json(line: Line) -> str:
    """One JSON object per line, whatever was printed."""
    members = members_of(line.text)
    if members is None:
        members = {"level": "INFO", "msg": line.text.decode(errors="replace"), "component": line.process}
    return json.dumps({**members, "pod": line.pod}, ensure_ascii=False)


def _delivery(members: dict[str, Any]) -> str:
    """One delivery in one line: `e-1 success 3.2 ms -> b`."""
    words = [str(members.get("envelope_id")), str(members["outcome"])]
    if members["outcome"] != "success" and members.get("reason"):
        words.append(f"({members['reason']})")
    if members.get("handler_ms") is not None:
        words.append(f"{members['handler_ms']:g} ms")
    if members.get("destinations"):
        words.append("-> " + ", ".join(members["destinations"]))
    if members.get("error_type"):
        words.append(f"{members['error_type']}: {members.get('error_message', '')}")
    level = str(members.get("level", "INFO"))
    return " ".join(words if level == "INFO" else [level, *words])


# Said again by the mesh itself, as a status, or by the sidecar's line about the same delivery.
_ROUTINE = frozenset({"starting", "not ready", "ready", "call done", "draining", "drained", "asked to stop"})


def is_routine(line: Line) -> bool:
    """Whether a person who watches has no use for this line."""
    members = members_of(line.text)
    return members is not None and members["msg"] in _ROUTINE and members.get("level") != "ERROR"


_LEADING = ("time", "level", "msg", "component", "actor", "namespace", "queue", "trace_id")


def as_text(line: Line) -> str:
    """The same for eyes: level (when it is not INFO), message, members; a traceback on lines of its own."""
    members = members_of(line.text)
    if members is None:
        return line.text.decode(errors="replace")
    if members["msg"] == "envelope done" and "outcome" in members:
        return _delivery(members)
    level = str(members.get("level", "INFO"))
    words = [] if level == "INFO" else [level]
    words.append(str(members["msg"]))
    traceback = str(members.get("traceback") or "")
    for name, value in members.items():
        if name not in _LEADING and name != "traceback" and value not in (None, "", []):
            words.append(f"{name}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}")
    text = " ".join(words)
    return f"{text}\n{traceback.rstrip()}" if traceback else text
