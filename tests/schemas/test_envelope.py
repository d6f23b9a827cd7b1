"""An envelope is carried, not understood: what comes in goes out (contract: envelope, Fields)."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asya_schemas.envelope import Envelope, Refused, encode, parse, stamped
from asya_schemas.route import Route

LIMIT = 1_000_000
JSON = st.sampled_from(
    [b"1", b"-0.50", b"1e5", b'"\\u00e9"', b'"\xc3\xa9"', b"[1, 2]", b'{"k":1,"k":2}', b"123456789012345678901"]
)
IDS = st.text(
    st.characters(min_codepoint=32, exclude_categories=["Cs"], exclude_characters="\x7f"), min_size=1, max_size=256
)
MEMBERS = st.dictionaries(st.text().filter(lambda name: name not in KNOWN), JSON, max_size=3)
KNOWN = ("id", "parent_id", "route", "headers", "payload", "status")
ENVELOPES = st.builds(
    Envelope,
    id=IDS,
    route=st.sampled_from([Route((), "a", ("b",)), Route(("a",), "b", (), old_shape=True), Route(("a",), "", ())]),
    payload=JSON,
    parent_id=st.none() | IDS,
    headers=MEMBERS,
    extra=MEMBERS,
)


@given(ENVELOPES)
def test_reads_back_what_it_wrote(envelope: Envelope) -> None:
    assert parse(encode(envelope), LIMIT) == envelope


@given(ENVELOPES)
def test_writes_json_that_others_read_alike(envelope: Envelope) -> None:
    document = json.loads(encode(envelope))
    assert (document["id"], document["payload"]) == (envelope.id, json.loads(envelope.payload))


@settings(max_examples=300)
@given(ENVELOPES, st.data())
def test_a_damaged_body_is_refused_or_read_and_nothing_else_happens(envelope: Envelope, data: st.DataObject) -> None:
    body = bytearray(encode(envelope))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(body)))
        body[place : place + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=3))
    try:
        read = parse(bytes(body), LIMIT)
    except Refused as refusal:
        assert refusal.code  # noqa: PT017  # a refusal is one of the two good ends
    else:
        assert parse(encode(read), LIMIT) == read


@given(st.binary())
def test_any_bytes_are_refused(body: bytes) -> None:
    with pytest.raises(Refused):
        parse(body, LIMIT)


def test_the_limit_is_the_last_size_accepted() -> None:
    body = encode(Envelope("e-1", Route((), "a", ()), b"1"))
    assert parse(body, len(body)).id == "e-1"
    with pytest.raises(Refused, match="more than"):
        parse(body, len(body) - 1)


@pytest.mark.parametrize("envelope_id", ["5", "null", '""'])
def test_a_key_repeated_in_the_route_beats_a_wrong_id(envelope_id: str) -> None:
    body = f'{{"id":{envelope_id},"route":{{"prev":[],"curr":"a","next":[],"next":[]}}}}'.encode()
    with pytest.raises(Refused) as refusal:
        parse(body, LIMIT)
    assert (refusal.value.verdict, refusal.value.code) == ("parse_error", "duplicate")


def test_a_status_nobody_changed_leaves_as_it_came() -> None:
    body = b'{"id":"e-1","route":{"prev":[],"curr":"a","next":[]},"payload":1,"status":{ "attempt":"two","x":1.0 }}'
    assert encode(parse(body, LIMIT)) == body


def test_the_first_who_sees_an_envelope_stamps_its_trace_id() -> None:
    envelope = Envelope("e-1", Route((), "a", ()), b"1", headers={"k": b"1"})
    assert stamped(envelope).headers == {"k": b"1", "trace_id": b'"e-1"'}
    assert stamped(stamped(envelope)) is not None
    assert stamped(Envelope("e-2", Route((), "a", ()), b"1", headers={"trace_id": b'"t"'})).trace_id == "t"


def test_importing_it_brings_no_models_and_no_event_loop() -> None:
    heavy = "pydantic asyncio logging ssl socket rich structlog yaml ruamel"
    code = f"import sys, asya_schemas.failure, asya_schemas.frames; print(*(set({heavy.split()}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
