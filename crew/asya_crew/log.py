"""Lines on standard error, in the form of the runtime's own (contract: gateway, Crew, Log lines).

Called by end.py. The crew runs inside the runtime's process, whose log this is; one event is one line, control
characters are escaped.
"""

import json
import sys
import time
from typing import Any, TextIO

from asya_crew.settings import LOG_LEVELS, Settings

LINE_BREAKERS = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), 0x2028, 0x2029)}
"""Not escaped by JSON, but a terminal or a line reader may act on them."""


class Log:
    """Writes an event when its level is wanted."""

    def __init__(self, settings: Settings, stream: TextIO | None = None) -> None:
        """`stream`: standard error of the moment when None."""
        self._actor = settings.actor
        self._least = LOG_LEVELS.index(settings.log_level)
        self._as_text = settings.log_format == "text"
        self._stream = stream

    def write(self, level: str, msg: str, **members: Any) -> None:
        """One line; `level` is one of LOG_LEVELS."""
        if LOG_LEVELS.index(level) < self._least:
            return
        event = {"time": _now(), "level": level, "msg": msg, "component": "crew", "actor": self._actor, **members}
        line = _text(event) if self._as_text else _json(event)
        print(line.translate(LINE_BREAKERS), file=self._stream or sys.stderr, flush=True)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _text(event: dict[str, Any]) -> str:
    head = f"{event.pop('time')} {event.pop('level')} {event.pop('msg')}"
    return " ".join((head, *(f"{name}={_json(value)}" for name, value in event.items())))


def _now() -> str:
    seconds = time.time()
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{int(seconds * 1000) % 1000:03d}Z"
