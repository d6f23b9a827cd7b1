"""The frames of every hop, as bytes: publish, confirm, deliver, settle.

Pure. Everything else that AMQP 0-9-1 knows is left to pika. Written by hand to keep method objects, property objects and callback
tables off the hop path; tests hold every byte to pika's own reading and writing.
"""

import struct
from dataclasses import dataclass
from typing import Final

METHOD, HEADER, BODY = 1, 2, 3
HEAD: Final = struct.Struct(">BHI")
"""Type, channel, length of what follows, then one end byte."""
HEAD_BYTES: Final = 7
END: Final = b"\xce"
ID: Final = struct.Struct(">I")

DELIVER: Final = 60 << 16 | 60
CONFIRMED: Final = 60 << 16 | 80
NOT_CONFIRMED: Final = 60 << 16 | 120
FLOW_OK: Final = 20 << 16 | 21

_PUBLISH: Final = struct.pack(">IH", 60 << 16 | 40, 0)
_ACK: Final = struct.Struct(">BHIIQB1s")
_FLOW: Final = struct.Struct(">BHIIB1s")
_CONTENT: Final = struct.Struct(">BHIHHQ")
_TAG: Final = struct.Struct(">QB")
_SIZE: Final = struct.Struct(">Q")
_SHORT: Final = struct.Struct(">H")
_LONG: Final = struct.Struct(">I")

MANDATORY: Final = b"\x01"
SHORT_STRING_BYTES: Final = 255
CONTENT_TYPE: Final = b"\x10application/json"

# Property flags, in the order in which the values stand
_HAS_TYPE, _HAS_ENCODING, _HAS_HEADERS, _HAS_MODE = 1 << 15, 1 << 14, 1 << 13, 1 << 12
_HAS_PRIORITY, _HAS_CORRELATION, _HAS_REPLY, _HAS_EXPIRATION = 1 << 11, 1 << 10, 1 << 9, 1 << 8
_HAS_ID, _HAS_TIME, _HAS_KIND, _HAS_USER, _HAS_APP = 1 << 7, 1 << 6, 1 << 5, 1 << 4, 1 << 3
_PERSISTENT: Final = b"\x02"
_FIELD_BYTES: Final = {
    **dict.fromkeys(b"tbB", 1),
    **dict.fromkeys(b"sUu", 2),
    **dict.fromkeys(b"Iif", 4),
    **dict.fromkeys(b"LldT", 8),
    ord("D"): 5,
    ord("V"): 0,
}
"""Sizes of table values; the other types begin with their length."""


def short_string(text: str) -> bytes:
    """With its length in front.

    Raises:
        ValueError: longer than 255 bytes.
    """
    raw = text.encode()
    if len(raw) > SHORT_STRING_BYTES:
        raise ValueError(f"a name of {len(raw)} bytes; at most {SHORT_STRING_BYTES} are possible")
    return bytes((len(raw),)) + raw


def publish_method(channel: int, exchange: str, routing_key: str) -> bytes:
    """The first frame of a mandatory publish; the same for all messages of one destination."""
    payload = _PUBLISH + short_string(exchange) + short_string(routing_key) + MANDATORY
    return HEAD.pack(METHOD, channel, len(payload)) + payload + END


def properties(message_id: str | None, trace_id: str | None, sender: str | None, timestamp: int) -> bytes:
    """Of a persistent message (contract: envelope, Message properties). Values over 255 bytes are left out."""
    flags = _HAS_TYPE | _HAS_MODE | _HAS_TIME
    parts = [b"", CONTENT_TYPE]
    trace = b"" if trace_id is None else trace_id.encode()
    if trace and len(trace) <= SHORT_STRING_BYTES:
        flags |= _HAS_HEADERS
        table = b"\x08trace_idS" + _LONG.pack(len(trace)) + trace
        parts += (_LONG.pack(len(table)), table)
    parts.append(_PERSISTENT)
    identity = b"" if message_id is None else message_id.encode()
    if identity and len(identity) <= SHORT_STRING_BYTES:
        flags |= _HAS_ID
        parts += (bytes((len(identity),)), identity)
    parts.append(_SIZE.pack(timestamp))
    app = b"" if sender is None else sender.encode()
    if app and len(app) <= SHORT_STRING_BYTES:
        flags |= _HAS_APP
        parts += (bytes((len(app),)), app)
    parts[0] = _SHORT.pack(flags)
    return b"".join(parts)


def content(channel: int, head: bytes, body: bytes, piece_bytes: int) -> list[bytes]:
    """The frames after the method: properties, then the body in pieces."""
    size = len(body)
    out = [_CONTENT.pack(HEADER, channel, 12 + len(head), 60, 0, size), head, END]
    if size <= piece_bytes:
        if size:
            out += (HEAD.pack(BODY, channel, size), body, END)
        return out
    view = memoryview(body)
    for start in range(0, size, piece_bytes):
        piece = view[start : start + piece_bytes]
        out += (HEAD.pack(BODY, channel, len(piece)), piece, END)  # type: ignore[arg-type] # bytes.join takes views, too
    return out


def ack(channel: int, tag: int, *, multiple: bool) -> bytes:
    """Done with one delivery, or with all up to it."""
    return _ACK.pack(METHOD, channel, 13, 60 << 16 | 80, tag, multiple, END)


def reject(channel: int, tag: int) -> bytes:
    """Back to the queue, counted."""
    return _ACK.pack(METHOD, channel, 13, 60 << 16 | 90, tag, 1, END)


def nack(channel: int, tag: int) -> bytes:
    """Back to the queue; since RabbitMQ 4.3 not counted."""
    return _ACK.pack(METHOD, channel, 13, 60 << 16 | 120, tag, 2, END)


def flow(channel: int) -> bytes:
    """A question that changes nothing: its answer proves that everything before has arrived."""
    return _FLOW.pack(METHOD, channel, 5, 20 << 16 | 20, 1, END)


def read_confirm(buffer: bytes, at: int) -> tuple[int, int]:
    """Delivery tag and "multiple" of an ack or nack; `at` is behind the method's id."""
    tag, bits = _TAG.unpack_from(buffer, at)
    return tag, bits & 1


def read_deliver(buffer: bytes, at: int) -> tuple[int, bool]:
    """Delivery tag and "redelivered"; `at` is behind the method's id."""
    tag, redelivered = _TAG.unpack_from(buffer, at + 1 + buffer[at])
    return tag, redelivered != 0


def read_size(buffer: bytes, at: int) -> int:
    """Length of the body, from a header frame's payload."""
    size: int = _SIZE.unpack_from(buffer, at + 4)[0]
    return size


@dataclass(frozen=True, slots=True)
class Properties:
    """What is read back of a message's properties."""

    message_id: str | None
    app_id: str | None
    table: bytes
    """The headers, encoded."""

    def header(self, name: str) -> int | str | None:
        """A whole number or text among the headers."""
        return _lookup(self.table, name.encode())


NOTHING: Final = Properties(None, None, b"")


def read_properties(raw: bytes) -> Properties:
    """The properties behind a body's length; what cannot be read is as if it were absent."""
    try:
        return _read_properties(raw)
    except (struct.error, IndexError):
        return NOTHING  # an outsider's message is never a reason to lose the connection


def _read_properties(raw: bytes) -> Properties:
    flags = _SHORT.unpack_from(raw)[0]
    at = 2
    table = b""
    for flag in (_HAS_TYPE, _HAS_ENCODING):
        if flags & flag:
            at += 1 + raw[at]
    if flags & _HAS_HEADERS:
        size = _LONG.unpack_from(raw, at)[0]
        table = raw[at + 4 : at + 4 + size]
        at += 4 + size
    at += bool(flags & _HAS_MODE) + bool(flags & _HAS_PRIORITY)
    for flag in (_HAS_CORRELATION, _HAS_REPLY, _HAS_EXPIRATION):
        if flags & flag:
            at += 1 + raw[at]
    message_id = app_id = None
    if flags & _HAS_ID:
        message_id = raw[at + 1 : at + 1 + raw[at]].decode(errors="replace")
        at += 1 + raw[at]
    if flags & _HAS_TIME:
        at += 8
    for flag in (_HAS_KIND, _HAS_USER):
        if flags & flag:
            at += 1 + raw[at]
    if flags & _HAS_APP:
        app_id = raw[at + 1 : at + 1 + raw[at]].decode(errors="replace")
    return Properties(message_id, app_id, table)


def _lookup(table: bytes, wanted: bytes) -> int | str | None:
    if wanted not in table:
        return None
    at = 0
    try:
        while at < len(table):
            name = table[at + 1 : at + 1 + table[at]]
            at += 1 + table[at]
            kind = table[at]
            size = _FIELD_BYTES.get(kind)
            if size is None:
                size = _LONG.unpack_from(table, at + 1)[0]
                at += 4
            value = table[at + 1 : at + 1 + size]
            at += 1 + size
            if name == wanted:
                if kind in b"S":
                    return value.decode(errors="replace")
                return int.from_bytes(value, "big", signed=kind not in b"BuI") if kind in b"bBsuUIilL" else None
    except (struct.error, IndexError):
        return None
    return None
