"""The limits every component shares, each defined once (contract: envelope, Limits and strict JSON).

Used by everything that makes or reads a message, and by the generated reference of variables.
Must hold nothing but numbers: whoever applies a limit says so in an error of its own.
"""

from __future__ import annotations

from typing import Final

# What a producer or a handler may make, unless `ASYA_MAX_MESSAGE_BYTES` says otherwise.
MAX_MESSAGE_BYTES: Final = 10_485_760
# The head the mesh adds on the way (status, error, trace context): readers accept this much more.
HEAD_ALLOWANCE_BYTES: Final = 65_536
# What one sidecar may add to an input, so that the allowance is never used up by one hop.
ADDED_BYTES: Final = 60_000
MAX_RESULT_BYTES: Final = 67_108_864
MAX_FRAMES: Final = 10_000

# Containers open at once, the outermost included. Readers accept 16 more than writers may make, so that
# wrapping (error envelope, frames, records) never makes an accepted message unreadable.
MADE_DEPTH: Final = 200
READ_DEPTH: Final = 216
# CPython's own limit for turning text into an integer, so the runtime needs no check of its own.
MAX_INTEGER_DIGITS: Final = 4_300

MAX_ID_CHARACTERS: Final = 256
MAX_NAME_CHARACTERS: Final = 63
# Names behind (`prev`) and names ahead (`next`), each.
MAX_ROUTE_NAMES: Final = 256
# An ordinary actor does not call its handler for an envelope with this many hops done.
MAX_HOPS: Final = 256

# Bounds of an error, in bytes of the encoded JSON text without its quotes.
ERROR_MESSAGE_BYTES: Final = 8 * 1024
ERROR_TRACEBACK_BYTES: Final = 16 * 1024
ERROR_TRACEBACK_HEAD_BYTES: Final = 4 * 1024
ERROR_TRACEBACK_SHORT_BYTES: Final = 1024
ERROR_MESSAGE_SHORT_CHARACTERS: Final = 256
ERROR_MRO_NAMES: Final = 32
# Not in the contract's list, but without them a class with endless names could outgrow ADDED_BYTES.
ERROR_TYPE_BYTES: Final = 256
ERROR_MRO_BYTES: Final = 2 * 1024

# How much of a refused body is kept in its wrapping envelope.
REFUSED_BODY_BYTES: Final = 65_536


def reader_limit(max_message_bytes: int, allowance_bytes: int = HEAD_ALLOWANCE_BYTES) -> int:
    """Largest body in bytes a reader accepts where producers may make `max_message_bytes`.

    On a transport with a hard limit of its own (SQS) the allowance is 0: there producers make less instead.
    """
    return max_message_bytes + allowance_bytes
