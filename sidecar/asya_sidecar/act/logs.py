"""One line per event on standard output, without ever waiting for who reads it (contract: sidecar, Logs and traces).

`__main__` calls `configure` once; everybody else gets a logger with `logger()`. Renders; log_writer.py writes. What
the standard library's logging says (asyncio, OpenTelemetry) takes the same way. Payloads and headers are nobody's to
log.
"""

import json
import logging
import re
import sys
import time
import traceback
from collections.abc import Callable, MutableMapping
from functools import lru_cache
from typing import Any

from asya_sidecar.act.log_writer import Writer
from asya_sidecar.lean import msgspec, structlog

Event = MutableMapping[str, Any]

TRACEBACK_HEAD_CHARACTERS, TRACEBACK_TAIL_CHARACTERS = 4_096, 12_288
# What JSON leaves as it is, although a terminal acts on it or a line reader breaks at it: C1, line ends, text
# direction.
ACTING = re.compile("[\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
PLAIN_WORD = re.compile(r"[\w.:/@+,%-]+", re.ASCII)
_encode = msgspec.json.Encoder(enc_hook=str).encode


def configure(
    *,
    level: str,
    form: str,
    actor: str,
    namespace: str,
    queue: str,
    descriptor: int = 1,
    component: str = "sidecar",
) -> Writer:
    """Set up structlog and the standard library's logging for this process; `form` is `json` or `text`."""
    writer = Writer(descriptor)
    bound = {"component": component, "actor": actor, "namespace": namespace, "queue": queue}
    least = logging.getLevelNamesMapping()[level]
    structlog.configure(
        processors=[_head(bound), _json if form == "json" else _text],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=lambda *_: _LineLogger(writer),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_StandardHandler()], level=max(least, logging.INFO), force=True)
    logging.captureWarnings(True)
    return writer


def logger(**bound: Any) -> Any:
    """A structlog bound logger (debug, info, warning, error, exception; keyword members). Get it once, keep it."""
    return structlog.get_logger().bind(**bound)


class _LineLogger:
    """Where structlog's rendered lines go, whatever their level."""

    def __init__(self, writer: Writer) -> None:
        self.debug = self.info = self.warning = self.error = self.critical = writer.write


class _StandardHandler(logging.Handler):
    """Hands records of the standard library's logging to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        level = min(record.levelno // 10 * 10, logging.ERROR)
        structlog.get_logger().log(level, record.getMessage(), logger=record.name, exc_info=record.exc_info or None)


def _head(bound: dict[str, str]) -> Callable[[Any, str, Event], Event]:
    """The processor that puts what every line has at its head."""

    def head(_: Any, method: str, event: Event) -> Event:
        exc_info = event.pop("exc_info", None)
        line: Event = {"time": _now(), "level": method.upper(), "msg": event.pop("event"), **bound, **event}
        if exc_info:
            line["traceback"] = _traceback(exc_info)
        return line

    return head


def _now() -> str:
    milliseconds = int(time.time() * 1000)
    return f"{_second(milliseconds // 1000)}.{milliseconds % 1000:03d}Z"


@lru_cache(maxsize=1)  # a busy sidecar writes thousands of lines in the same second
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _traceback(exc_info: Any) -> str:
    if isinstance(exc_info, BaseException):
        exc_info = (type(exc_info), exc_info, exc_info.__traceback__)
    text = "".join(traceback.format_exception(*(exc_info if isinstance(exc_info, tuple) else sys.exc_info())))
    if len(text) <= TRACEBACK_HEAD_CHARACTERS + TRACEBACK_TAIL_CHARACTERS:
        return text
    return f"{text[:TRACEBACK_HEAD_CHARACTERS]}\n...\n{text[-TRACEBACK_TAIL_CHARACTERS:]}"


def _json(_: Any, __: str, line: Event) -> bytes:
    return _safe(_compact(line)) + b"\n"


def _text(_: Any, __: str, line: Event) -> bytes:
    words = [f"{line.pop('time')} {line.pop('level'):7} {_word(line.pop('msg'), plain=str.isprintable)}"]
    words += [f"{name}={_word(value)}" for name, value in line.items()]
    return _safe(" ".join(words).encode(errors="backslashreplace")) + b"\n"


def _word(value: Any, plain: Callable[[str], Any] = PLAIN_WORD.fullmatch) -> str:
    """A value in a line of text: as it is when nobody can misread it, else as JSON."""
    return value if isinstance(value, str) and plain(value) else _compact(value).decode()


def _compact(value: Any) -> bytes:
    try:
        return _encode(value)
    except (UnicodeEncodeError, OverflowError):  # an unpaired surrogate, an endless integer; json has words for them
        return json.dumps(value, default=str).encode()


def _safe(line: bytes) -> bytes:
    """The line with what acts on readers escaped; most lines have nothing of it and cost two look-ups."""
    if line.isascii() and b"\x7f" not in line:
        return line
    return ACTING.sub(lambda found: f"\\u{ord(found[0]):04x}", line.decode()).encode()
