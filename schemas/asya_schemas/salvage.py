"""What can still be read of a refused body, so that its wrapping keeps its name (contract: envelope, The error envelope).

Used by failure and by logs. Must never raise, recurse or take long, whatever the body is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from asya_schemas.refusal import Refused


@dataclass(frozen=True, slots=True)
class Salvaged:
    """`id` is always usable: the body's own, else the transport's, else `sha256-` and the body's hash."""

    id: str
    parent_id: str | None = None
    headers: Mapping[str, bytes] = field(default_factory=dict)


def salvage(body: bytes, transport_message_id: str | None, refusal: Refused) -> Salvaged:
    """Read id, parent id and headers where they can be read and are valid."""
    raise NotImplementedError
