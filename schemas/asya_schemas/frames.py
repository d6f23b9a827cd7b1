"""From a runtime's frames to envelopes (contract: envelope, Advance and Identity and fan-out; runtime, HTTP).

Used by the sidecar. Must not decide where a frame is sent: that follows from its route alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from asya_schemas import headers as reserved
from asya_schemas import strictjson
from asya_schemas.envelope import Envelope
from asya_schemas.names import child_id
from asya_schemas.refusal import Refused
from asya_schemas.route import Route, follows, parse_route


class _Frame(msgspec.Struct):
    """As it comes: other members are not looked at."""

    payload: msgspec.Raw = msgspec.Raw(b"")
    route: msgspec.Raw = msgspec.Raw(b"null")
    headers: msgspec.Raw = msgspec.Raw(b"null")


class _Answer(msgspec.Struct):
    frames: list[_Frame] = []


_ONE: Final = msgspec.json.Decoder(_Frame)
_ALL: Final = msgspec.json.Decoder(_Answer)


class ProtocolError(Exception):
    """The runtime's answer is not what the contract allows; the text is a sentence for the error envelope."""


class Frame(msgspec.Struct, frozen=True):
    """One result of a handler: payload (inside the answer) and headers as JSON text, route already advanced."""

    payload: memoryview
    route: Route
    headers: Mapping[str, bytes] = {}


def read_answer(body: bytes, envelope: Envelope) -> list[Frame]:
    """The frames of a 200 answer `{"frames": [..]}`, each checked against the input. Raises ProtocolError."""
    return [_checked(frame, envelope) for frame in _frames_in(body)]


def read_frame(raw: bytes, envelope: Envelope) -> Frame:
    """One frame (data of a stream's `frame` event), checked against the input. Raises ProtocolError."""
    return _checked(_read(raw, _ONE), envelope)


def payloads_of(body: bytes) -> list[memoryview]:
    """Payloads of a 200 answer, routes not looked at: for end actors, which route nothing. Raises ProtocolError."""
    return [_payload(frame) for frame in _frames_in(body)]


def payload_of(raw: bytes) -> memoryview:
    """Payload of one frame of an end actor's runtime. Raises ProtocolError."""
    return _payload(_read(raw, _ONE))


def made_of(envelope: Envelope, frames: Sequence[Frame]) -> list[Envelope]:
    """The envelopes the frames become: ids, parent ids, reserved headers, `x-asya-children`; shape, extra and
    status are the input's. The sidecar sets the status of each by where it is sent.
    """
    # The first attempt was at this actor, which they all leave.
    given = reserved.with_header(envelope.headers, reserved.FIRST_ATTEMPT, None)
    children = reserved.count_of(given, reserved.CHILDREN) + len(frames) - 1
    childless = reserved.with_header(given, reserved.CHILDREN, None)
    counted = childless | ({reserved.CHILDREN: b"%d" % children} if children > 0 else {})
    return [_made(envelope, frame, index, childless if index else counted) for index, frame in enumerate(frames)]


def _made(envelope: Envelope, frame: Frame, index: int, given: Mapping[str, bytes]) -> Envelope:
    route = replace(frame.route, old_shape=envelope.route.old_shape, extra=envelope.route.extra)
    headers = reserved.with_reserved_of(given, frame.headers)
    if index == 0:
        return replace(envelope, route=route, headers=headers, payload=frame.payload)
    new_id = child_id(envelope.id, envelope.route.hops, index)
    return replace(envelope, id=new_id, parent_id=envelope.id, route=route, headers=headers, payload=frame.payload)


def _frames_in(body: bytes) -> list[_Frame]:
    frames: list[_Frame] = _read(body, _ALL).frames
    if not frames:
        raise ProtocolError("runtime answered 200 without a list of frames")
    return frames


def _read(raw: bytes, decoder: msgspec.json.Decoder[Any]) -> Any:
    try:
        return strictjson.structure(raw, decoder)
    except Refused as refusal:
        raise ProtocolError(f"runtime sent no strict JSON: {refusal.message}") from None
    except msgspec.ValidationError as error:
        raise ProtocolError(f"runtime sent JSON that is no frame: {error}") from None


def _payload(frame: _Frame) -> memoryview:
    if not frame.payload:
        raise ProtocolError("runtime sent a frame without payload")
    return memoryview(frame.payload)


def _checked(frame: _Frame, envelope: Envelope) -> Frame:
    given = bytes(frame.headers)
    headers = {} if given == b"null" else strictjson.members_of(given)
    if headers is None:
        raise ProtocolError("runtime sent a frame whose headers are no object")
    return Frame(_payload(frame), _checked_route(bytes(frame.route), envelope.route), headers)


def _checked_route(raw: bytes, before: Route) -> Route:
    try:
        after = parse_route(raw)
    except Refused as refusal:
        raise ProtocolError(f"runtime sent a frame with a broken route: {refusal.message}") from None
    if not follows(before, after):
        raise ProtocolError(
            f"runtime sent a frame whose route is not one hop behind the input's: "
            f"{after.hops} hops done after {before.hops}, or another history"
        )
    return after
