"""Durations and points in time as people and messages write them.

Used for variables, AsyncActor fields, retry policies, `deadline_at` and every timestamp we write.
Must not look at a clock: the present is always a parameter.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

_UNIT_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_DURATION: Final = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h))+")
_SECONDS: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_MAX_DURATION_CHARACTERS: Final = 32
_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:(\d\d)(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII | re.IGNORECASE,
)


def parse_duration(text: str) -> float:
    """Seconds of `300s`, `5m`, `1m30s`, `500ms` or a bare number of seconds; zero is allowed.

    Raises ValueError with a sentence that names the text and the form expected (contract: sidecar, Variables).
    """
    if len(text) <= _MAX_DURATION_CHARACTERS:
        if _SECONDS.fullmatch(text):
            return float(text)
        if _DURATION.fullmatch(text):
            return sum(float(number) * _UNIT_S[unit] for number, unit in _PART.findall(text))
    raise ValueError(f"{text[:40]!r} is no duration; write one like 300s, 5m, 1m30s, 500ms or a number of seconds")


def format_duration(seconds: float) -> str:
    """Shortest text `parse_duration` reads back as `seconds`, to the millisecond."""
    milliseconds = round(seconds * 1000)
    if milliseconds % 1000:
        whole, rest = divmod(milliseconds, 1000)
        return f"{format_duration(whole)}{rest}ms" if whole else f"{rest}ms"
    minutes, s = divmod(milliseconds // 1000, 60)
    h, m = divmod(minutes, 60)
    return "".join(f"{n}{unit}" for n, unit in ((h, "h"), (m, "m"), (s, "s")) if n) or "0s"


def parse_time(text: str) -> datetime | None:
    """The moment an RFC 3339 text means, any offset, to the microsecond; None when it is none.

    A leap second counts as the second before it: nothing here is decided by one second a year.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    start, end = found.span(1)
    known = text.upper() if found[1] != "60" else f"{text[:start]}59{text[end:]}".upper()
    try:
        return datetime.fromisoformat(known)
    except ValueError:
        return None


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds and `Z`, the only form we write. `moment` must know its offset."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
