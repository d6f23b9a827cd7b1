"""How an envelope ended, as the end actors stored it: `.asya/results/<id>.json` or `.asya/errors/<id>.json`.

Called by `send --follow` and `trace`. The name of the file is the crew's own rule (contract: gateway, Key).
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asya_cli.local.folder import Folder
from asya_crew.store import key_name

SINK, SUMP = "x-sink", "x-sump"
"""The end actors of a local mesh."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A stored end. `envelope` is the envelope as the end actor saw it."""

    file: Path
    failed: bool
    envelope: dict[str, Any]


def outcome_of(folder: Folder, envelope_id: str) -> Outcome | None:
    """The stored end of this id, None while there is none."""
    name = key_name(envelope_id)
    for base, failed in ((folder.results, False), (folder.errors, True)):
        try:
            envelope = json.loads((base / name).read_bytes())
        except FileNotFoundError:
            continue
        return Outcome(base / name, failed, envelope if isinstance(envelope, dict) else {"payload": envelope})
    return None


def failure_text(outcome: Outcome) -> str:
    """What went wrong, for a person: type, message, the user's last line of the traceback, and the file."""
    status = outcome.envelope.get("status")
    error = (status.get("error") if isinstance(status, dict) else None) or {}
    payload = outcome.envelope.get("payload")
    if not error and isinstance(payload, dict) and isinstance(payload.get("details"), dict):
        error = payload["details"]
    reason = status.get("reason") if isinstance(status, dict) else None
    lines = [
        f"failed{f' ({reason})' if reason else ''}: {error.get('type', 'error')}: {error.get('message', '')}".rstrip(
            ": "
        )
    ]
    places = [
        line.strip() for line in str(error.get("traceback") or "").splitlines() if line.strip().startswith("File ")
    ]
    if places:
        lines.append(f"at {places[-1]}")
    return "\n".join([*lines, f"the whole envelope: {outcome.file}"])
