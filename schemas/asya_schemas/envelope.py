"""The message itself: read strictly without decoding the payload, written compactly (contract: envelope).

Used by every component that touches a message. Payload, headers and unknown members are JSON text from reader to
writer, so number spelling and big integers survive. Must stay cheap to import: the sidecar starts with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from asya_schemas.limits import READ_DEPTH
from asya_schemas.refusal import Refused
from asya_schemas.route import Route
from asya_schemas.status import Status

__all__ = ["Envelope", "Refused", "encode", "parse", "stamped"]


@dataclass(frozen=True, slots=True)
class Envelope:
    """A valid envelope. `headers`, `payload` and `extra` (unknown members) hold JSON text."""

    id: str
    route: Route
    payload: bytes
    parent_id: str | None = None
    headers: Mapping[str, bytes] = field(default_factory=dict)
    status: Status = field(default_factory=Status)
    extra: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def trace_id(self) -> str:
        """By the rule of headers.trace_id."""
        raise NotImplementedError


def parse(body: bytes, max_bytes: int, depth: int = READ_DEPTH) -> Envelope:
    """Read a body of at most `max_bytes` (the reader's limit). Raises Refused and nothing else."""
    raise NotImplementedError


def encode(envelope: Envelope) -> bytes:
    """Compact JSON: our own text in ASCII, everything carried as it came."""
    raise NotImplementedError


def stamped(envelope: Envelope) -> Envelope:
    """The envelope with header `trace_id`, as the first component that sees it leaves it."""
    raise NotImplementedError
