"""The quick check agrees with the exact one, whatever the body (contract: envelope, Limits and strict JSON)."""

from __future__ import annotations

import json
import random
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from asya_schemas import strictjson, suspicion
from asya_schemas.limits import READ_DEPTH
from asya_schemas.refusal import Refused
from tests.schemas.strict_reference import faults

DEPTH = 5
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)
# Pieces that stand next to each other in awkward ways more often than random bytes would.
MARKS = [b"{", b"}", b"[", b"]", b'"', b":", b",", b" ", b"\n", b"[1,", b'{"a":', b'"a"', b'"]"', b'["', b'"]']
ESCAPES = [b"\\", b"\\\\", b'\\"', b"\\ud83d", b"\\ude00", b"\\uD800", b"ud800"]
NUMBERS = [b"1e999", b"1E+400", b"-1e-999", b"1e400", b"0.5", b"01", b"-", b"0", b"1" * 309 + b".0", b"9" * 4301]
OTHERS = [b"true", b"null", b"\xef\xbb\xbf", b"\xff", b"\xc3\xa9"]
PIECES = st.lists(st.sampled_from([*MARKS, *ESCAPES, *NUMBERS, *OTHERS]), max_size=14).map(b"".join)


def codes(check: Callable[[], object]) -> set[str]:
    try:
        check()
    except Refused as refusal:
        return {refusal.code}
    return set()


def agrees(body: bytes) -> None:
    """Same verdict; and the code is a fault the body has, unless it stops being JSON, where any may be named."""
    exact = faults(body, DEPTH)
    quick = codes(lambda: strictjson.check(body, DEPTH))
    assert bool(quick) == bool(exact), (body, quick, exact)
    assert quick <= exact or "syntax" in exact, (body, quick, exact)


@settings(max_examples=300, deadline=None)
@given(PIECES)
@example(b'"\\\\ud83d\\ude00"')
@example(b'"\\ud83d\\\\\\ude00"')
@example(b'["\\"]]]]]]","[[[[[[["]')
@example(b'["1e999",1e5]')
@example(b"[[[[[[]]]]]]")
def test_agrees_with_the_exact_check_on_broken_text(body: bytes) -> None:
    agrees(body)


@settings(max_examples=100, deadline=None)
@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_agrees_with_the_exact_check_on_json(value: object, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    agrees(text.encode("utf-8", "surrogatepass"))


@settings(max_examples=100, deadline=None)
@given(VALUES, st.data())
def test_agrees_with_the_exact_check_on_damaged_json(value: object, data: st.DataObject) -> None:
    body = bytearray(json.dumps(value).encode())
    place = data.draw(st.integers(0, len(body) - 1))
    body[place : place + 1] = data.draw(st.binary(max_size=2))
    agrees(bytes(body))


@settings(max_examples=60, deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=4), st.integers(0, 2**32))
def test_agrees_where_strings_are_too_many_to_take_out(pieces: list[bytes], seed: int) -> None:
    shuffled = random.Random(seed)
    filling = [b'"a%d"' % number if number % 3 else b'"\\\\"' for number in range(1100)]
    for piece in pieces:
        filling.insert(shuffled.randrange(len(filling)), piece)
    assert suspicion.simplified(b"[" + b",".join(filling) + b"]")[1] is None
    agrees(b"[" + b",".join(filling) + b"]")


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("period", [7, 36, 209, 210, 211, 420])
@pytest.mark.parametrize("digits", [4300, 4301])
def test_finds_the_long_integer_among_short_ones(many: bool, period: int, digits: int) -> None:
    short = [b"1" * (period - 1)] * 40 + ([b'"text"'] * 1100 if many else [])
    for shift in range(7):
        body = b"[" + b" " * shift + b",".join([*short, b"7" * digits, *short]) + b"]"
        assert codes(lambda body=body: strictjson.check(body)) == ({"number"} if digits > 4300 else set())


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("number", ["1e400", "1E400", "1E+400", "-1e+0309", "2" + "0" * 209 + "e99", "1" * 310 + ".5"])
def test_finds_the_number_beyond_a_float(many: bool, number: str) -> None:
    body = json.dumps(["e999", *["text"] * (1100 if many else 0)]).encode()[:-1] + b"," + number.encode() + b"]"
    assert codes(lambda: strictjson.check(body)) == {"number"}


@pytest.mark.parametrize("number", ["0e999", "1e-999", "1e0005", "0." + "0" * 400 + "1e400", "1" * 300 + ".5"])
def test_lets_a_number_go_that_only_looks_too_big(number: str) -> None:
    strictjson.check(number.encode())


@pytest.mark.parametrize("open_count", [216, 217])
@pytest.mark.parametrize("noise", [b"", b'"[[]"', b'"\\"[[["', b"{},[]", b'{"a":[1,{"b":[]}]}'])
def test_counts_containers_behind_any_neighbour(open_count: int, noise: bytes) -> None:
    neighbours = [noise or b"1"] * 300
    deep = b"[" * (open_count - 1) + b"]" * (open_count - 1)
    body = b"[" + b",".join([*neighbours, deep, *neighbours]) + b"]"
    assert codes(lambda: strictjson.check(body)) == ({"depth"} if open_count > 216 else set())


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 3_000_000,
        b'{"a":' * 600_000,
        b"[" * 1_000_000 + b"]" * 1_000_000,
        b'"' + b"\\" * 2_000_000,
        b'["' * 1_000_000,
    ],
    ids=["lists", "objects", "closed", "backslashes", "quotes"],
)
def test_survives_a_flood(body: bytes) -> None:
    assert codes(lambda: strictjson.check(body)) <= {"depth", "syntax"} != set()


@pytest.mark.parametrize("shift", range(0, 24, 5))
@pytest.mark.parametrize("length", [65_500, 131_060])
def test_a_string_or_number_may_lie_across_blocks(shift: int, length: int) -> None:
    strings = [b'"1e999"'] * 1100
    brackets = b" " * shift + b'"' + b"[" * length + b'"'
    number = b"1" * length + b"e-%d" % length
    strictjson.check(b"[" + b",".join([*strings, brackets, number, b"[]"]) + b"]")
    too_big = b"1" * length + b"e-%d" % (length - 310)
    body = b"[" + b",".join([*strings, brackets, too_big, b"[]"]) + b"]"
    assert codes(lambda: strictjson.check(body)) == {"number"}


@pytest.mark.parametrize("unit", [b',12,""', b',"["', b',{"a":[2]}'])
def test_memory_stays_near_the_size_of_the_body(unit: bytes) -> None:
    body = b'["1e999"' + unit * (1_000_000 // len(unit)) + b"]"
    tracemalloc.start()
    try:
        strictjson.check(body, READ_DEPTH)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * len(body)


def test_members_keep_their_text() -> None:
    body = b' { "a" : [1, 2.50] , "b":{"k": 1}, "caf\xc3\xa9": "\\u0041" } '
    assert strictjson.members(body) == {"a": b"[1, 2.50]", "b": b'{"k": 1}', "café": b'"\\u0041"'}


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", "", "é", '"', "\\", "ab"]), st.sampled_from([1, 12, "a", [], {}])),
        max_size=4,
    ),
    st.sampled_from(["", " ", "\n\t "]),
    st.booleans(),
)
def test_a_repeated_key_is_found_however_it_is_written(
    pairs: list[tuple[str, object]], blank: str, ascii_only: bool
) -> None:
    written = [f"{json.dumps(key, ensure_ascii=ascii_only)}{blank}:{blank}{json.dumps(value)}" for key, value in pairs]
    body = f"{{{blank}{f'{blank},{blank}'.join(written)}{blank}}}".encode()
    repeated = len({key for key, _ in pairs}) < len(pairs)
    assert codes(lambda: strictjson.views(body, unique="body")) == ({"duplicate"} if repeated else set())


def test_a_key_written_with_an_escape_is_the_same_key() -> None:
    assert codes(lambda: strictjson.views(b'{"id":1,"\\u0069d":2}', unique="body")) == {"duplicate"}


@given(st.text())
def test_text_is_ascii_and_reads_back(value: str) -> None:
    assert strictjson.text(value).isascii()
    assert json.loads(strictjson.text(value)) == value


@pytest.mark.parametrize("value", ["\ud800", "a\udc00b", "\udc00\ud800"])
def test_text_replaces_half_a_pair(value: str) -> None:
    strictjson.check(strictjson.text(value))
    assert "\ufffd" in json.loads(strictjson.text(value))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
def test_dumps_refuses_what_is_no_strict_json(value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        strictjson.dumps({"k": value})
