"""The envelope that tells of a failure and always fits (contract: envelope, The error envelope).

Used by the sidecar for everything it sends to the sump. Must not decide that something failed.
"""

from __future__ import annotations

from datetime import datetime

from asya_schemas.envelope import Envelope
from asya_schemas.errors import ErrorInfo
from asya_schemas.refusal import Refused


def error_code(reason: str) -> str:
    """`payload.error` of a reason in the contract's table. Raises KeyError for a reason that is not in it."""
    raise NotImplementedError


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
    """
    raise NotImplementedError


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
    raise NotImplementedError


def encode_fitting(envelope: Envelope, error: ErrorInfo, max_bytes: int) -> bytes | None:
    """Encode an input that carries `error` in its status (retry, recovery), cut as an error envelope if need be.

    None when it does not fit even so: then it becomes an error envelope with reason OutputTooLarge.
    """
    raise NotImplementedError
