"""Headers with a meaning (contract: envelope, Headers with a meaning).

Headers are a mapping from name to JSON text; nothing but the names listed there is ever decoded.
Used by the sidecar's decisions, reports and logs. No header may change where an envelope is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

Headers = Mapping[str, bytes]

TRACE_ID = "trace_id"
TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"
FIRST_ATTEMPT = "x-asya-first-attempt"
CHILDREN = "x-asya-children"
PARKED = "x-asya-parked"
RESUME_KEY = "x-asya-resume-key"
REPLAY = "x-asya-replay"


def is_reserved(name: str) -> bool:
    """Whether only the mesh may set header `name`."""
    raise NotImplementedError


def with_reserved_of(given: Headers, made: Headers) -> dict[str, bytes]:
    """The headers a handler made, with the reserved ones put back as they were `given`."""
    raise NotImplementedError


def trace_id(headers: Headers, envelope_id: str) -> str:
    """The id on every log line: header `trace_id`, else that of a valid `traceparent`, else the envelope's id."""
    raise NotImplementedError


def text_of(headers: Headers, name: str) -> str | None:
    """The header's value when it is a text."""
    raise NotImplementedError


def count_of(headers: Headers, name: str) -> int:
    """The header's value when it is an integer of at least 0 (`x-asya-children`, `x-asya-parked`), else 0."""
    raise NotImplementedError


def first_attempt(headers: Headers) -> datetime | None:
    """Start of the first attempt at this actor, when a retry noted it."""
    raise NotImplementedError


def replay_count(headers: Headers) -> int:
    """`count` of `x-asya-replay`, the run named in reports; 0 when the envelope was never replayed."""
    raise NotImplementedError


def with_header(headers: Headers, name: str, value: bytes | None) -> dict[str, bytes]:
    """A copy with `name` set to a JSON text, or without it when `value` is None."""
    raise NotImplementedError
