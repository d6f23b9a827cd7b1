"""What a lenient JSON parser lets through: encoding, depth, numbers, surrogates (contract: envelope, Limits).

Called by strictjson only. Every question is answered exactly, but most bodies are let go by a condition that a
broken one could not meet. Measured for 1 MB: the whole of it 0.4 to 1.5 ms, where one pass of a regular expression
takes 9 ms. Must not recurse, and each step must be linear in the body, because anybody may have written it.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Final

from asya_schemas.limits import MAX_INTEGER_DIGITS
from asya_schemas.refusal import unparsable

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
# Each high one must be followed by a low one, and each low one must follow a high one.
_LONE_SURROGATE: Final = re.compile(
    rb"\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"
    rb"|[c-fC-F][0-9a-fA-F]{2}(?<!\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}))"
)

_NOT_STRUCTURE: Final = bytes(set(range(256)) - set(b'[]{}"'))
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_ONE_KIND: Final = bytes.maketrans(b"{}", b"[]")
_STEP: Final = bytes.maketrans(b"[]", b"\x01\xff")
_BACKSLASH: Final = 0x5C
# Enough for nearly all real documents; each round costs a pass over what is left.
_CHEAP_ROUNDS: Final = 8

# Up to this many quotes, taking the strings out is cheaper than any condition that puts up with them.
_FEW_QUOTES: Final = 2048
# Looking for the next quote costs nothing but the scan; splitting also copies, which is dear for what is large.
_LARGE_BYTES: Final = 32_768
_FEW_FOUND: Final = 512
# Pieces of a text take up to ten times its size, and a body may be all pieces.
_BLOCK_BYTES: Final = 65_536
# A number with an exponent of at most two digits overflows only with 210 or more digits before the point, and an
# integer is too long only with more. Every sixth byte of such a run makes a run of 35, found in a sixth of the time.
_RUN_DIGITS: Final = 210
_STRIDE: Final = 6
_SAMPLED_RUN: Final = b"0" * (_RUN_DIGITS // _STRIDE)
_RUN: Final = re.compile(rb"[0-9]{210}")
_DIGITS: Final = bytes.maketrans(b"123456789", b"000000000")
_EXPONENTS: Final = bytes(0x30 if c in b"0123456789" else 0x65 if c in b"eE" else 0x20 for c in range(256))
# For small bodies, strings and all: every digit as 0, every exponent sign as e.
_FLAT: Final = bytes.maketrans(b"123456789E", b"000000000e")
_FLAT_RUN: Final = b"0" * _RUN_DIGITS
_BIG_SMALL_E: Final = re.compile(rb"e\+?[0-9]{3}")
_BIG_CAPITAL_E: Final = re.compile(rb"E\+?[0-9]{3}")
_NUMBER: Final = re.compile(rb"-?([0-9]+)((?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)")


def check_encoding(body: bytes) -> None:
    """Raise Refused unless `body` is UTF-8 without byte order mark and without unpaired surrogate escapes."""
    if body.startswith(BYTE_ORDER_MARK):
        raise unparsable("encoding", "body begins with a byte order mark")
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise unparsable("encoding", f"body is not UTF-8: {error.reason} (byte {error.start})") from None
    if has_lone_surrogate(body):
        raise unparsable("encoding", "body has an unpaired surrogate escape")


def has_lone_surrogate(body: bytes) -> bool:
    """Whether half of a UTF-16 pair is written as an escape without its other half."""
    if b"\\" not in body or not _SURROGATE.search(body):
        return False
    # An escaped backslash may stand before a plain `ud800`; the replacement keeps its neighbours apart.
    return _LONE_SURROGATE.search(body.replace(b"\\\\", b"__")) is not None


def is_harmless(body: bytes, depth: int) -> bool:
    """Whether a body is certainly within the limits of depth and numbers, even if its strings were no strings. Most small ones are."""
    if len(body) >= _LARGE_BYTES or body.count(b"[") + body.count(b"{") > depth:
        return False
    flat = body.translate(_FLAT)
    return b"0e000" not in flat and b"0e+000" not in flat and _FLAT_RUN not in flat


def simplified(body: bytes) -> tuple[bytes, bytes | None]:
    """`body` as the questions below need it, and what stands outside its strings.

    The second is None where there are so many strings that taking them out would cost much; then every quote in the
    first begins or ends a string, because escaped quotes and backslashes are gone.
    """
    if len(body) >= _LARGE_BYTES and (outside := _outside_of_few(body)) is not None:
        return body, outside
    pieces = body.split(b'"', _FEW_QUOTES)
    if len(pieces) <= _FEW_QUOTES:
        return body, _outside(pieces) if b"\\" in body else b'"'.join(pieces[::2])
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
        pieces = body.split(b'"', _FEW_QUOTES)
    return body, b'"'.join(pieces[::2]) if len(pieces) <= _FEW_QUOTES else None


def deeper_than(body: bytes, outside: bytes | None, depth: int) -> bool:
    """Whether more than `depth` containers are open at once before the body ends or stops being JSON; from `simplified`."""
    structure = (body if outside is None else outside).translate(None, _NOT_STRUCTURE)
    if structure.count(b"[") + structure.count(b"{") <= depth:
        return False
    if outside is None and structure.count(b'""') * 2 != structure.count(b'"'):
        structure = _outside_plain(structure)  # some string has brackets in it
    brackets = structure.translate(_ONE_KIND, _NOT_BRACKETS)
    rest = brackets
    for _ in range(min(_CHEAP_ROUNDS, depth)):  # each round takes away the innermost containers
        rest = rest.replace(b"[]", b"")
        if not rest:
            return False
    return max(accumulate(memoryview(brackets.translate(_STEP)).cast("b"))) > depth


def check_numbers(body: bytes, outside: bytes | None) -> None:
    """Raise Refused (`number`) for an integer with too many digits or a number beyond a 64-bit float.

    Both from `simplified`; the body must be syntactically valid JSON.
    """
    if outside is None:
        suspicious = _may_have_big_exponent(body) or _has_long_run(body)
    else:
        suspicious = (
            (b"e" in outside and _BIG_SMALL_E.search(outside) is not None)
            or (b"E" in outside and _BIG_CAPITAL_E.search(outside) is not None)
            or _has_long_run(outside)
        )
    if suspicious:
        _check_each_number(_outside_plain(body) if outside is None else outside)


def _may_have_big_exponent(body: bytes) -> bool:
    # From the right, because there `e` is compared first, and it is rarer than a digit.
    return body.translate(_EXPONENTS, b"+").rfind(b"0e000") >= 0


def _has_long_run(text: bytes) -> bool:
    if len(text) < _RUN_DIGITS:
        return False
    sample = text[::_STRIDE].translate(_DIGITS)
    hit = 0
    while (hit := sample.find(_SAMPLED_RUN, hit)) >= 0:
        start, end = max(0, (hit - 1) * _STRIDE + 1), hit * _STRIDE + _RUN_DIGITS
        if _RUN.search(text, start, end):
            return True
        # A run can only begin behind the last other byte seen here, so nearly all of this stretch is done with.
        behind = start + len(text[start:end].rstrip(b"0123456789"))
        hit = max(hit + 1, -(-behind // _STRIDE))
    return False


def _check_each_number(outside: bytes) -> None:
    for number in _NUMBER.finditer(outside):
        if not number[2]:
            if len(number[1]) > MAX_INTEGER_DIGITS:
                raise unparsable("number", f"body has an integer of more than {MAX_INTEGER_DIGITS} digits")
        elif abs(float(number[0])) == float("inf"):
            raise unparsable("number", "body has a number beyond the range of a 64-bit float")


def _outside_plain(text: bytes) -> bytes:
    """What stands outside the strings of a text in which every quote begins or ends one, a block at a time."""
    outside, inside = [], False
    for start in range(0, len(text), _BLOCK_BYTES):
        pieces = text[start : start + _BLOCK_BYTES].split(b'"')
        outside.append(b'"'.join(pieces[inside::2]))
        inside ^= len(pieces) % 2 == 0
    return b"".join(outside)


def _outside_of_few(body: bytes) -> bytes | None:
    """What stands outside the strings; None where there are more than a few quotes, escaped ones included."""
    outside: list[bytes] = []
    position, inside = 0, False
    quote = body.find(b'"')
    for _ in range(_FEW_FOUND):
        if quote < 0:
            return b'"'.join(outside if inside else [*outside, body[position:]])
        if not inside:
            outside.append(body[position:quote])
            inside = True
        elif not _is_escaped(body, quote):
            position, inside = quote + 1, False
        quote = body.find(b'"', quote + 1)
    return None


def _is_escaped(body: bytes, quote: int) -> bool:
    first = quote
    while body[first - 1] == _BACKSLASH:  # the string's opening quote ends this
        first -= 1
    return (quote - first) % 2 == 1


def _outside(pieces: list[bytes]) -> bytes:
    """What stands outside the strings where some quotes are escaped; `pieces` are a body split at all its quotes."""
    outside, inside = [], False
    for piece in pieces:
        if not inside:
            outside.append(piece)
            inside = True
        elif not _ends_escaped(piece):
            inside = False
    return b'"'.join(outside)


def _ends_escaped(piece: bytes) -> bool:
    return piece.endswith(b"\\") and (len(piece) - len(piece.rstrip(b"\\"))) % 2 == 1
