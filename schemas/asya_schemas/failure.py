"""The envelope that tells of a failure and always fits (contract: envelope, The error envelope).

Used by the sidecar for everything it sends to the sump. Must not decide that something failed.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from asya_schemas import headers as reserved
from asya_schemas import strictjson
from asya_schemas.envelope import Envelope, encode, stamped
from asya_schemas.errors import ErrorInfo
from asya_schemas.limits import REFUSED_BODY_BYTES
from asya_schemas.refusal import Refused
from asya_schemas.route import Route
from asya_schemas.salvage import salvage
from asya_schemas.status import Status

ERROR_CODES: Final[Mapping[str, str]] = {
    "RuntimeError": "processing_error",
    "PolicyExhausted": "processing_error",
    "Timeout": "timeout_error",
    "Crashed": "crash_error",
    "ParseError": "msg_parsing_error",
    "ValidationError": "msg_parsing_error",
    "RouteMismatch": "route_error",
    "HopLimit": "route_error",
    "RoutedToSump": "route_error",
    "UnknownActor": "route_error",
    "OutputTooLarge": "output_error",
    "ProtocolError": "connection_error",
}


def error_code(reason: str) -> str:
    """`payload.error` of a reason in the contract's table. Raises KeyError for a reason that is not in it."""
    return ERROR_CODES[reason]


def error_envelope(
    envelope: Envelope,
    reason: str,
    error: ErrorInfo,
    *,
    actor: str,
    now: datetime,
    max_bytes: int,
    max_attempts: int | None = None,
) -> bytes:
    """Encoded error envelope of at most `max_bytes`, from the envelope as received (or, for UnknownActor, as the
    undeliverable frame). `actor` is the one that failed: the sidecar's own.

    Where even the payload's hash leaves no room, unknown members and headers that are not the mesh's own go too; what
    then remains is less than the allowance for the head of a message, which every reader accepts.
    """
    left = replace(envelope, headers=reserved.with_header(envelope.headers, reserved.FIRST_ATTEMPT, None))
    code = strictjson.text(error_code(reason))
    body = b""
    for shorter, original in _ever_smaller(left, error):
        payload = b'{"error":%b,"details":%b,%b}' % (code, shorter.details(), original)
        status = left.status.failed(actor, reason, shorter, now, max_attempts)
        body = encode(replace(left, payload=payload, status=status))
        if len(body) <= max_bytes:
            return body
    # Still too long, so what fills it is neither error nor payload. The mesh's own words are what must arrive.
    kept = {name: value for name, value in left.headers.items() if reserved.is_own(name, value)}
    bare = replace(left, payload=payload, headers=kept, extra={}, route=replace(left.route, extra={}))
    return encode(replace(bare, status=replace(status, extra={})))


def encode_fitting(envelope: Envelope, error: ErrorInfo, max_bytes: int) -> bytes | None:
    """Encode an input that carries `error` in its status (retry, recovery), cut as an error envelope if need be.

    None when it does not fit even so: then it becomes an error envelope with reason OutputTooLarge.
    """
    body = encode(envelope)
    if len(body) <= max_bytes:
        return body
    for shorter in error.shortened():
        body = encode(replace(envelope, status=replace(envelope.status, error=shorter.status_error())))
        if len(body) <= max_bytes:
            return body
    return None


def refused_envelope(
    body: bytes,
    refusal: Refused,
    *,
    actor: str,
    transport_message_id: str | None,
    now: datetime,
    max_bytes: int,
) -> bytes:
    """Encoded envelope of at most `max_bytes` around a body that was refused when `actor` read it."""
    read = salvage(body, transport_message_id, refusal)
    broken = refusal.verdict == "parse_error"
    message = f"Failed to parse message: {refusal.message}" if broken else refusal.message
    error = ErrorInfo(refusal.type, message, code=refusal.code, path=refusal.path)
    made = Envelope(
        id=read.id,
        parent_id=read.parent_id,
        route=Route((), actor, ()),
        headers=read.headers,
        payload=_refused_payload(body, error, REFUSED_BODY_BYTES),
        status=Status().failed(actor, refusal.type, error, now),
    )
    wrapped = encode(stamped(made))
    if len(wrapped) > max_bytes:
        made = replace(made, headers={})
        wrapped = encode(stamped(made))
    if len(wrapped) > max_bytes:
        # Base64 makes four bytes of three, so leaving out one byte of the body for each byte too many is enough.
        kept_bytes = max(0, min(len(body), REFUSED_BODY_BYTES) - (len(wrapped) - max_bytes + 4))
        wrapped = encode(stamped(replace(made, payload=_refused_payload(body, error, kept_bytes))))
    return wrapped


def _ever_smaller(envelope: Envelope, error: ErrorInfo) -> Iterator[tuple[ErrorInfo, bytes]]:
    """Error and member for the original payload, from the whole to the least."""
    whole = b'"original_payload":' + envelope.payload
    yield error, whole
    shorter = error
    for shorter in error.shortened():
        yield shorter, whole
    digest = hashlib.sha256(envelope.payload).hexdigest().encode()
    yield shorter, b'"original_payload_omitted":{"bytes":%d,"sha256":"%b"}' % (len(envelope.payload), digest)


def _refused_payload(body: bytes, error: ErrorInfo, kept_bytes: int) -> bytes:
    original = {
        "encoding": b'"base64"',
        "data": strictjson.text(base64.b64encode(body[:kept_bytes]).decode()),
        "bytes": b"%d" % len(body),
        "sha256": strictjson.text(hashlib.sha256(body).hexdigest()),
        "truncated": b"true" if len(body) > kept_bytes else b"false",
    }
    return strictjson.object_of(
        {
            "error": strictjson.text(error_code(error.type)),
            "details": error.details(),
            "original_body": strictjson.object_of(original),
        }
    )
