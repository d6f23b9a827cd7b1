"""Strict JSON without decoding it (contract: envelope, Limits and strict JSON).

Used by everything that reads a message, an answer or a report. A full decode of 1 MB costs some 7 ms; so the
grammar is checked by a parser that builds nothing, and what that parser is lenient about (encoding, depth, numbers,
surrogates) first by cheap necessary conditions, and exactly only where one of them is suspicious.
Must not recurse on the body and must build nothing from it before every limit has been applied.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asya_schemas.limits import READ_DEPTH


def check(body: bytes, depth: int = READ_DEPTH) -> None:
    """Raise Refused (parse_error: encoding, depth, syntax, number) unless `body` is one strict JSON value."""
    raise NotImplementedError


def members(body: bytes, depth: int = READ_DEPTH, unique: str | None = None) -> dict[str, bytes]:
    """Members of the object `body`, values as JSON text, checked like `check`; of repeated keys the last wins.

    With `unique` (how to call the object, in words) a repeated key is refused with code `duplicate`.
    Raises Refused, also with code `object` when `body` is another JSON value.
    """
    raise NotImplementedError


def loads(body: bytes, depth: int = READ_DEPTH) -> Any:
    """Decode strict JSON; raises Refused like `check`. For small bodies: answers, errors, settings."""
    raise NotImplementedError


def dumps(value: Any) -> bytes:
    """Compact strict JSON in ASCII. Raises ValueError for NaN, infinity and unpaired surrogates."""
    raise NotImplementedError


def text(value: str) -> bytes:
    """A JSON text in ASCII, quotes included; an unpaired surrogate becomes U+FFFD, so the result is always valid."""
    raise NotImplementedError


def object_of(parts: Mapping[str, bytes]) -> bytes:
    """A compact JSON object whose values are already JSON text."""
    raise NotImplementedError
