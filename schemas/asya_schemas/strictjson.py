"""Strict JSON without decoding it (contract: envelope, Limits and strict JSON).

Used by everything that reads a message, an answer or a report. A full decode of 1 MB costs some 7 ms; so the
grammar is checked by a parser that builds nothing, and what that parser is lenient about (encoding, depth, numbers,
surrogates) is looked at by `suspicion`: cheap necessary conditions first, exactly only where one of them holds.
Must not recurse on the body and must build nothing from it before every limit has been applied.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from json.encoder import encode_basestring_ascii
from typing import Any, Final

import msgspec

from asya_schemas.limits import READ_DEPTH
from asya_schemas.refusal import Refused, unparsable
from asya_schemas.suspicion import (
    check_encoding,
    check_numbers,
    deeper_than,
    has_lone_surrogate,
    is_harmless,
    simplified,
)

_RAW: Final = msgspec.json.Decoder(msgspec.Raw)
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
_STR: Final = msgspec.json.Decoder(str)
# A path is for people; who makes a name of a megabyte does not get it into the log.
_PATH_CHARACTERS: Final = 64
_SPACE: Final = re.compile(rb"[ \t\n\r]*")
# Possessive, because backtracking would remember every character of a name of megabytes.
_TEXT: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)


def check(body: bytes, depth: int = READ_DEPTH) -> None:
    """Raise Refused (parse_error: encoding, depth, syntax, number) unless `body` is one strict JSON value."""
    suspected = _check_before(body, depth)
    try:
        _RAW.decode(body)
    except msgspec.DecodeError as error:
        raise _syntax(error) from None
    if suspected is not None:
        check_numbers(*suspected)


def members(body: bytes) -> dict[str, bytes]:
    """As `views`, with copies of the values."""
    return {key: bytes(value) for key, value in views(body).items()}


def views(body: bytes, depth: int = READ_DEPTH, unique: str | None = None) -> dict[str, msgspec.Raw]:
    """Members of the object `body`, values as JSON text inside it, checked like `check`; of repeated keys the last wins.

    With `unique` (how to call the object, in words) a repeated key is refused with code `duplicate`.
    Raises Refused, also with code `object` when `body` is another JSON value.
    """
    suspected = _check_before(body, depth)
    try:
        found: dict[str, msgspec.Raw] = _OBJECT.decode(body)
    except msgspec.ValidationError:
        check(body, depth)
        raise unparsable("object", "body is JSON, but no object") from None
    except msgspec.DecodeError as error:
        raise _syntax(error) from None
    if suspected is not None:
        check_numbers(*suspected)
    if unique is not None:
        check_unique(body, found, unique)
    return found


def structure(body: bytes, decoder: msgspec.json.Decoder[Any], depth: int = READ_DEPTH) -> Any:
    """What `decoder` makes of `body`, in one pass and without copies: its `Raw` members look into `body`.

    Raises Refused like `check`, and msgspec.ValidationError when `body` is strict JSON of another shape.
    """
    suspected = _check_before(body, depth)
    try:
        found = decoder.decode(body)
    except msgspec.ValidationError:
        check(body, depth)
        raise
    except msgspec.DecodeError as error:
        raise _syntax(error) from None
    if suspected is not None:
        check_numbers(*suspected)
    return found


def members_of(raw: bytes) -> dict[str, bytes] | None:
    """Members of a JSON text already known to be strict; None when it is no object. Of repeated keys the last wins."""
    if raw[:1] != b"{":
        return None
    return {key: bytes(value) for key, value in _OBJECT.decode(raw).items()}


def items_of(raw: bytes) -> list[bytes] | None:
    """Items of a JSON text already known to be strict; None when it is no list."""
    if raw[:1] != b"[":
        return None
    return [bytes(item) for item in _LIST.decode(raw)]


def check_unique(raw: bytes, found: Mapping[str, bytes | msgspec.Raw], name: str) -> None:
    """Raise Refused (`duplicate`) when the object text `raw`, whose members are `found`, names a key twice.

    A compact object without repeats is exactly as long as its members need, and nearly all are. Otherwise the text is
    walked: `found` has the keys in order of their first appearance, so any repeat breaks the step of walk and mapping.
    """
    if len(raw) == 1 + 4 * len(found) + sum(map(len, found)) + sum(map(len, found.values())) or not found:
        return
    position = _skip(raw, 0, b"{")
    for key, value in found.items():
        text = _TEXT.match(raw, position)
        if text is None or _STR.decode(text[0]) != key:
            break
        position = _skip(raw, text.end(), b":")
        if not raw.startswith(bytes(value), position):
            break
        position = _SPACE.match(raw, position + len(value)).end()  # type: ignore[union-attr]  # matches the empty text
        if raw[position : position + 1] == b"}":
            return
        position = _skip(raw, position, b",")
    else:
        key = _STR.decode(_TEXT.match(raw, position)[0])  # type: ignore[index]  # a member must follow the comma
    raise unparsable("duplicate", f"{name} has a member twice", key[:_PATH_CHARACTERS])


def loads(body: bytes, depth: int = READ_DEPTH) -> Any:
    """Decode strict JSON; raises Refused like `check`. For small bodies: answers, errors, settings."""
    check(body, depth)
    return json.loads(body)


def dumps(value: Any) -> bytes:
    """Compact strict JSON in ASCII. Raises ValueError for NaN, infinity and unpaired surrogates."""
    body = json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii")
    if has_lone_surrogate(body):
        raise ValueError("a text has an unpaired surrogate")
    return body


def text(value: str) -> bytes:
    """A JSON text in ASCII, quotes included; an unpaired surrogate becomes U+FFFD, so the result is always valid."""
    if not value.isascii():
        value = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return encode_basestring_ascii(value).encode("ascii")


def object_of(parts: Mapping[str, bytes]) -> bytes:
    """A compact JSON object whose values are already JSON text."""
    return b"{" + b",".join([text(key) + b":" + value for key, value in parts.items()]) + b"}"


def list_of(texts: Iterable[str]) -> bytes:
    """A compact JSON list of texts."""
    return b"[" + b",".join(map(text, texts)) + b"]"


def text_in(raw: bytes | None) -> str | None:
    """The text a JSON text holds; None when it is another value or absent."""
    return _STR.decode(raw) if raw is not None and raw[:1] == b'"' else None


def integer_in(raw: bytes | None) -> int | None:
    """The integer a JSON text holds, written without fraction or exponent; None when it is another value or absent."""
    if raw is None or not raw.removeprefix(b"-").isdigit():
        return None
    return int(raw)


def _check_before(body: bytes, depth: int) -> tuple[bytes, bytes | None] | None:
    """What can be refused before parsing; gives what the numbers are to be looked for in, None when they need no look."""
    check_encoding(body)
    if is_harmless(body, depth):
        return None
    simple, outside = simplified(body)
    if deeper_than(simple, outside, depth):
        raise unparsable("depth", f"body has more than {depth} containers inside each other")
    return simple, outside


def _syntax(error: msgspec.DecodeError) -> Refused:
    what = str(error).removeprefix("JSON is malformed: ")
    return unparsable("syntax", f"body is not valid JSON: {what[:1].lower()}{what[1:]}")


def _skip(raw: bytes, position: int, mark: bytes) -> int:
    """Behind `mark` and the white space around it; the text is known to be valid, so the mark is there."""
    return _SPACE.match(raw, raw.index(mark, position) + 1).end()  # type: ignore[union-attr]  # matches the empty text
