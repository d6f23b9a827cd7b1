"""What can still be read of a refused body, so that its wrapping keeps its name.

Contract: envelope, The error envelope. Used by failure and by logs.
Must never raise, recurse or take long, whatever the body is.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from asya_schemas import strictjson
from asya_schemas.envelope import is_id
from asya_schemas.limits import READ_DEPTH
from asya_schemas.refusal import Refused
from asya_schemas.suspicion import BYTE_ORDER_MARK

_WANTED: Final = ("id", "parent_id", "headers")
# A broken text is read as far as it makes sense. Heads stand in front, and this many bytes take some 15 ms at worst.
_PREFIX_BYTES: Final = 16_384
_TOKEN: Final = re.compile(rb'[ \t\n\r]*("(?:[^"\\\x00-\x1f]|\\.)*+"|[{}\[\]:,]|[^\s"{}\[\]:,]+)', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Salvaged:
    """`id` is always usable: the body's own, else the transport's, else `sha256-` and the body's hash."""

    id: str
    parent_id: str | None = None
    headers: Mapping[str, bytes] = field(default_factory=dict)


def salvage(body: bytes, transport_message_id: str | None, refusal: Refused) -> Salvaged:
    """Read id, parent id and headers where they can be read and are valid."""
    # What is too large is looked at in front only: reading it whole would cost its size once more.
    found = _wanted(_members_before_break(body[:_PREFIX_BYTES])) if refusal.code == "size" else _readable(body)
    if refusal.code == "duplicate" and refusal.path is not None:
        found.pop(refusal.path, None)  # two ids are none
    own = _id_in(found.get("id"))
    if own is None and transport_message_id is not None and is_id(transport_message_id):
        own = transport_message_id
    own = own or f"sha256-{hashlib.sha256(body).hexdigest()}"
    return Salvaged(own, _id_in(found.get("parent_id")), _headers_in(found.get("headers")))


def _readable(body: bytes) -> dict[str, bytes]:
    """Members worth keeping: of a sound object wherever they stand, of a broken one up to the break."""
    try:
        members = strictjson.members_of(body.removeprefix(BYTE_ORDER_MARK).strip(b" \t\n\r"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        members = _members_before_break(body[:_PREFIX_BYTES])
    return _wanted(members or {})


def _wanted(members: Mapping[str, bytes]) -> dict[str, bytes]:
    return {name: value for name, value in members.items() if name in _WANTED}


def _members_before_break(text: bytes) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    depth, key, start, before = 0, None, 0, b""
    position = 0
    while token := _TOKEN.match(text, position):
        mark, position = token[1], token.end()
        if depth == 0 and mark != b"{":
            break
        if mark in b"{[":
            depth += 1
        if depth == 1 and mark == b":" and before[:1] == b'"':
            key, start = before, position
        if mark in b"}]":
            depth -= 1
        if key is not None and ((depth == 1 and mark == b",") or depth == 0):
            _keep(found, key, text[start : token.start(1)])
            key = None
        if depth == 0 or depth > READ_DEPTH:
            break
        before = mark
    return found


def _keep(found: dict[str, bytes], key: bytes, value: bytes) -> None:
    name = key[1:-1].decode("ascii", "replace")
    # A name that stands there twice leaves an empty text, which is no value.
    found[name] = b"" if name in found else value.strip()


def _id_in(raw: bytes | None) -> str | None:
    text = _strict(raw, b'"')
    found = strictjson.text_in(text)
    return found if found is not None and is_id(found) else None


def _headers_in(raw: bytes | None) -> dict[str, bytes]:
    text = _strict(raw, b"{")
    return (strictjson.members_of(text) or {}) if text is not None else {}


def _strict(raw: bytes | None, first: bytes) -> bytes | None:
    if raw is None or raw[:1] != first:
        return None
    try:
        # One container less than a body may have: it stands inside the envelope object.
        strictjson.check(raw, READ_DEPTH - 1)
    except Refused:
        return None
    return raw
