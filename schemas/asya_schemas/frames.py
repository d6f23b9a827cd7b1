"""From a runtime's frames to envelopes (contract: envelope, Advance and Identity and fan-out; runtime, HTTP).

Used by the sidecar. Must not decide where a frame is sent: that follows from its route alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from asya_schemas.envelope import Envelope
from asya_schemas.route import Route


class ProtocolError(Exception):
    """The runtime's answer is not what the contract allows; the text is a sentence for the error envelope."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One result of a handler: payload and headers as JSON text, route already advanced."""

    payload: bytes
    route: Route
    headers: Mapping[str, bytes] = field(default_factory=dict)


def read_answer(body: bytes, envelope: Envelope) -> list[Frame]:
    """The frames of a 200 answer `{"frames": [..]}`, each checked against the input. Raises ProtocolError."""
    raise NotImplementedError


def read_frame(raw: bytes, envelope: Envelope, checked: bool = False) -> Frame:
    """One frame (data of a stream's `frame` event), checked against the input. Raises ProtocolError.

    `checked` says that the text is known to be strict JSON already.
    """
    raise NotImplementedError


def made_of(envelope: Envelope, frames: Sequence[Frame]) -> list[Envelope]:
    """The envelopes the frames become: ids, parent ids, reserved headers, `x-asya-children`; shape, extra and
    status are the input's. The sidecar sets the status of each by where it is sent.
    """
    raise NotImplementedError
