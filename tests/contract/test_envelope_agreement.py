"""Two readers share no line, and give the same verdict on the same bytes (contract: envelope, first paragraph).

The runtime cannot import our packages, so it reads envelopes by itself. The golden files are the examples both must
meet; here they are damaged at random, which finds what no table thought of.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import asya_runtime
from asya_schemas.envelope import Refused, parse
from tests.support.golden import Golden, cases

LIMIT = 10_551_296
SMALL = [case.body for case in cases("envelope") if len(case.body) < 3_000]
SIGNS = [
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b" ",
    b"\n",
    b"\x0c",
    b"1",
    b"e",
    b".",
    b"-",
    b"+",
    b"0",
    b"null",
]
TEXTS = [b"\\ud83d", b"\\ude00", b"\\u0000", b"\xc3\xa9", b"\xff", b"\xed\xa0\x80", b'"a"', b"1e999"]
MEMBERS = [
    b'"id":"x",',
    b'"next":[],',
    b'"prev":[],',
    b'"actors":["a"],',
    b'"current":0,',
    b'"status":{},',
    b'"headers":{"a":1},',
]
PIECES = st.sampled_from([*SIGNS, *TEXTS, *MEMBERS])


def verdict_of_schemas(body: bytes) -> tuple[str, Any]:
    try:
        envelope = parse(body, LIMIT)
    except Refused as refusal:
        return refusal.verdict, None
    route = envelope.route
    return "ok", (envelope.id, list(route.prev), route.curr, list(route.next))


def verdict_of_runtime(body: bytes) -> tuple[str, Any]:
    try:
        envelope = asya_runtime.Envelope(body, True)
    except asya_runtime.Refused as refusal:
        return {"ParseError": "parse_error", "ValidationError": "validation_error"}[refusal.kind], None
    route = envelope.route
    return "ok", (envelope.id, list(route.prev), route.curr, list(route.next))


@pytest.mark.parametrize("case", [case for case in cases("envelope") if case.row != "41"], ids=lambda case: case.title)
def test_both_give_the_verdict_of_the_golden_file(case: Golden) -> None:
    assert verdict_of_runtime(case.body)[0] == verdict_of_schemas(case.body)[0] == case.expected["verdict"]


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(SMALL), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 5), PIECES), min_size=1, max_size=3)
)
def test_both_agree_on_a_damaged_body(body: bytes, damages: list[tuple[int, int, bytes]]) -> None:
    for place, gone, put in damages:
        at = min(place, len(body))
        body = body[:at] + put + body[at + gone :]
    assert verdict_of_runtime(body) == verdict_of_schemas(body)
