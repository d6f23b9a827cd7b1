"""A slow, exact judge of strict JSON to hold the quick one against: one pass over characters, a stack, no parser shared.

Used by test_strictjson.py. Says "ok" or the set of faults a body has, in the order it meets them until the first that
ends the reading (contract: envelope, Limits and strict JSON).
"""

from __future__ import annotations

import math
import re

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_TEXT = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_SPACE = re.compile(r"[ \t\n\r]*")
_ESCAPES = re.compile(r"\\(?:u([0-9a-fA-F]{4})|.)")


def faults(body: bytes, depth: int) -> set[str]:
    """Codes of every fault met, empty for a strict value; `syntax` ends the reading."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return {"encoding"}
    if text.startswith("\ufeff"):
        return {"encoding"}
    found: set[str] = set()
    stack: list[str] = []
    position = _blank(text, 0)
    expect = "value"
    while expect != "end":
        mark = text[position : position + 1]
        if expect in ("value", "first item") and mark in ("{", "["):
            stack.append(mark)
            found |= {"depth"} if len(stack) > depth else set()
            expect = "first key" if mark == "{" else "first item"
            position += 1
        elif (expect, mark) in (("first key", "}"), ("first item", "]"), ("next", "}" if _in_object(stack) else "]")):
            stack.pop()
            expect = "next" if stack else "end"
            position += 1
        elif expect in ("first key", "key"):
            key = _TEXT.match(text, position)
            if key is None or text[(colon := _blank(text, key.end())) : colon + 1] != ":":
                return found | {"syntax"}
            found |= _text_faults(key[0])
            position = colon + 1
            expect = "value"
        elif expect in ("value", "first item"):
            end = _scalar(text, position, found)
            if end is None:
                return found | {"syntax"}
            position = end
            expect = "next" if stack else "end"
        elif expect == "next" and mark == ",":
            expect = "key" if _in_object(stack) else "value"
            position += 1
        else:
            return found | {"syntax"}
        position = _blank(text, position)
    return found if position == len(text) else found | {"syntax"}


def _blank(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    assert found is not None
    return found.end()


def _in_object(stack: list[str]) -> bool:
    return bool(stack) and stack[-1] == "{"


def _scalar(text: str, position: int, found: set[str]) -> int | None:
    for word in ("true", "false", "null"):
        if text.startswith(word, position):
            return position + len(word)
    if string := _TEXT.match(text, position):
        found |= _text_faults(string[0])
        return string.end()
    if number := _NUMBER.match(text, position):
        digits, fraction, exponent = number.groups()
        if fraction or exponent:
            found |= set() if math.isfinite(float(number[0])) else {"number"}
        else:
            found |= set() if len(digits) <= 4300 else {"number"}
        return number.end()
    return None


def _text_faults(string: str) -> set[str]:
    units: list[int | None] = []
    end = 0
    for escape in _ESCAPES.finditer(string):
        units += [None] * (escape.start() > end) + [int(escape[1], 16) if escape[1] else None]
        end = escape.end()
    high = False
    for unit in [*units, None]:
        low = unit is not None and 0xDC00 <= unit < 0xE000
        if high != low:
            return {"encoding"}
        high = unit is not None and 0xD800 <= unit < 0xDC00
    return set()
