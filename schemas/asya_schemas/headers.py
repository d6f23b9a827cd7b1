"""Headers with a meaning (contract: envelope, Headers with a meaning).

Headers are a mapping from name to JSON text; nothing but the names listed there is ever decoded.
Used by the sidecar's decisions, reports and logs. No header may change where an envelope is sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from asya_schemas import strictjson
from asya_schemas.durations import parse_time

Headers = Mapping[str, bytes]

TRACE_ID: Final = "trace_id"
TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
FIRST_ATTEMPT: Final = "x-asya-first-attempt"
CHILDREN: Final = "x-asya-children"
PARKED: Final = "x-asya-parked"
RESUME_KEY: Final = "x-asya-resume-key"
REPLAY: Final = "x-asya-replay"

_NAMES: Final = frozenset((TRACE_ID, TRACEPARENT, TRACESTATE, FIRST_ATTEMPT, CHILDREN, PARKED, RESUME_KEY, REPLAY))
# None of them is longer when the mesh has written it; tracestate may have 512 characters.
_OWN_BYTES: Final = 1024
_RESERVED: Final = frozenset((TRACE_ID, TRACEPARENT, TRACESTATE))
_RESERVED_PREFIX: Final = "x-asya-"
# W3C trace context: version 00 ends with the flags, later versions may go on.
_TRACEPARENT: Final = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?", re.DOTALL
)


def is_reserved(name: str) -> bool:
    """Whether only the mesh may set header `name`."""
    return name in _RESERVED or name.startswith(_RESERVED_PREFIX)


def is_own(name: str, value: bytes) -> bool:
    """Whether the mesh may have written this header: one of its names, with a value of the size it writes."""
    return name in _NAMES and len(value) <= _OWN_BYTES


def with_reserved_of(given: Headers, made: Headers) -> dict[str, bytes]:
    """The headers a handler made, with the reserved ones put back as they were `given`."""
    if made == given:
        return dict(given)
    users = {name: value for name, value in made.items() if not is_reserved(name)}
    return users | {name: value for name, value in given.items() if is_reserved(name)}


def trace_id(headers: Headers, envelope_id: str) -> str:
    """The id on every log line: header `trace_id`, else that of a valid `traceparent`, else the envelope's id.

    A `trace_id` that is no text, or an empty one, counts as absent.
    """
    given = text_of(headers, TRACE_ID)
    if given:
        return given
    parent = text_of(headers, TRACEPARENT)
    found = _TRACEPARENT.fullmatch(parent) if parent else None
    if found is None or (found[1] == "00" and found[3]):
        return envelope_id
    return found[2]


def text_of(headers: Headers, name: str) -> str | None:
    """The header's value when it is a text."""
    return strictjson.text_in(headers.get(name))


def count_of(headers: Headers, name: str) -> int:
    """The header's value when it is an integer of at least 0 (`x-asya-children`, `x-asya-parked`), else 0."""
    return max(0, strictjson.integer_in(headers.get(name)) or 0)


def first_attempt(headers: Headers) -> datetime | None:
    """Start of the first attempt at this actor, when a retry noted it."""
    text = text_of(headers, FIRST_ATTEMPT)
    return parse_time(text) if text is not None else None


def replay_count(headers: Headers) -> int:
    """`count` of `x-asya-replay`, the run named in reports; 0 when the envelope was never replayed."""
    replay = strictjson.members_of(headers.get(REPLAY, b"null"))
    return count_of(replay, "count") if replay else 0


def with_header(headers: Headers, name: str, value: bytes | None) -> dict[str, bytes]:
    """A copy with `name` set to a JSON text, or without it when `value` is None."""
    copy = {other: kept for other, kept in headers.items() if other != name}
    if value is not None:
        copy[name] = value
    return copy
