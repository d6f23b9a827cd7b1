"""The message itself: read strictly without decoding the payload, written compactly (contract: envelope).

Used by every component that touches a message. Payload, headers and unknown members are JSON text from reader to
writer, so number spelling and big integers survive. Must stay cheap to import: the sidecar starts with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec.structs import replace

from asya_schemas import headers as reserved
from asya_schemas import strictjson
from asya_schemas.limits import MAX_ID_CHARACTERS, READ_DEPTH
from asya_schemas.refusal import Refused, invalid, unparsable
from asya_schemas.route import Route, parse_route
from asya_schemas.status import Status, parse_status

__all__ = ["Envelope", "Refused", "encode", "is_id", "parse", "stamped"]

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class Envelope(msgspec.Struct, frozen=True):
    """A valid envelope. `headers`, `payload` and `extra` (unknown members) hold JSON text.

    A payload may be large, so it stays inside the body it came in and is copied only into the next one.
    """

    id: str
    route: Route
    payload: bytes | memoryview
    parent_id: str | None = None
    headers: Mapping[str, bytes] = {}
    status: Status = Status()
    extra: Mapping[str, bytes] = {}

    @property
    def trace_id(self) -> str:
        """By the rule of headers.trace_id."""
        return reserved.trace_id(self.headers, self.id)


def is_id(text: str) -> bool:
    """Whether `text` may be an `id` or `parent_id` (contract: envelope, Fields)."""
    return 0 < len(text) <= MAX_ID_CHARACTERS and _CONTROL.search(text) is None


def parse(body: bytes, max_bytes: int, depth: int = READ_DEPTH) -> Envelope:
    """Read a body of at most `max_bytes` (the reader's limit). Raises Refused and nothing else."""
    if len(body) > max_bytes:
        raise unparsable("size", f"body has {len(body)} bytes, more than {max_bytes}")
    views = strictjson.views(body, depth, unique="body")
    payload = views.pop("payload", None)
    found = {key: bytes(value) for key, value in views.items()}
    # First, because a key repeated in it is a parse error, and those beat everything said of other members.
    route = parse_route(found.pop("route")) if "route" in found else None
    if "id" not in found:
        raise invalid("id", "missing required 'id' field")
    envelope_id = _read_id(found.pop("id"), "id")
    parent = found.pop("parent_id", b"null")
    parent_id = None if parent == b"null" else _read_id(parent, "parent_id")
    if route is None:
        raise invalid("route", "missing required 'route' field")
    headers = _read_headers(found.pop("headers", b"null"))
    if payload is None:
        raise invalid("payload", "missing required 'payload' field")
    status = parse_status(found.pop("status", b"null"))
    return Envelope(envelope_id, route, memoryview(payload), parent_id, headers, status, found)


def encode(envelope: Envelope) -> bytes:
    """Compact JSON: our own text in ASCII, everything carried as it came."""
    parts: list[bytes | memoryview] = [b'{"id":', strictjson.text(envelope.id)]
    if envelope.parent_id is not None:
        parts += (b',"parent_id":', strictjson.text(envelope.parent_id))
    parts += (b',"route":', envelope.route.encode())
    if envelope.headers:
        parts += (b',"headers":', strictjson.object_of(envelope.headers))
    parts += (b',"payload":', envelope.payload)
    status = envelope.status.encode()
    if status is not None:
        parts += (b',"status":', status)
    if envelope.extra:
        parts += (b",", strictjson.object_of(envelope.extra)[1:])
    else:
        parts.append(b"}")
    return b"".join(parts)


def stamped(envelope: Envelope) -> Envelope:
    """The envelope with header `trace_id`, as the first component that sees it leaves it."""
    if reserved.text_of(envelope.headers, reserved.TRACE_ID):
        return envelope
    trace_id = strictjson.text(envelope.trace_id)
    return replace(envelope, headers=reserved.with_header(envelope.headers, reserved.TRACE_ID, trace_id))


def _read_id(raw: bytes, name: str) -> str:
    text = strictjson.text_in(raw)
    if text is None or not is_id(text):
        raise invalid(name, f"{name} must be a text of 1 to {MAX_ID_CHARACTERS} characters without control characters")
    return text


def _read_headers(raw: bytes) -> dict[str, bytes]:
    if raw == b"null":
        return {}
    found = strictjson.members_of(raw)
    if found is None:
        raise invalid("headers", "headers must be an object or null")
    return found
