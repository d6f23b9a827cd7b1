"""The error envelope tells all it can and always fits (contract: envelope, The error envelope)."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from asya_schemas.envelope import Envelope, Refused, encode, parse
from asya_schemas.errors import ErrorInfo, cut_middle
from asya_schemas.failure import ERROR_CODES, encode_fitting, error_envelope, refused_envelope
from asya_schemas.limits import ADDED_BYTES
from asya_schemas.route import Route
from asya_schemas.status import Status

LIMIT = 1_000_000
NOW = datetime(2026, 1, 2, tzinfo=UTC)
INPUT = Envelope(
    "e-1",
    Route(("p",), "a", ("b",), old_shape=True),
    b'{"text": 1.50}',
    parent_id="e-0",
    headers={"trace_id": b'"t"', "x-asya-first-attempt": b'"2026-01-01T00:00:00Z"', "mine": b"[1]"},
    extra={"x": b"1.0"},
)
RAISED = ErrorInfo("ValueError", "Invalid input", ("Exception",), "Traceback (most recent call last):\n ...")


def failed(
    envelope: Envelope, error: ErrorInfo, max_bytes: int = LIMIT, reason: str = "RuntimeError"
) -> dict[str, Any]:
    body = error_envelope(envelope, reason, error, actor="a", now=NOW, max_bytes=max_bytes)
    assert len(body) <= max_bytes
    parse(body, max_bytes)
    document: dict[str, Any] = json.loads(body)
    return document


def refused(body: bytes, *, message_id: str | None = None, max_bytes: int = LIMIT) -> dict[str, Any]:
    with pytest.raises(Refused) as refusal:
        parse(body, LIMIT)
    wrapped = refused_envelope(
        body, refusal.value, actor="a", transport_message_id=message_id, now=NOW, max_bytes=max_bytes
    )
    assert len(wrapped) <= max_bytes
    parse(wrapped, max_bytes)
    document: dict[str, Any] = json.loads(wrapped)
    return document


def test_keeps_the_input_and_adds_the_error() -> None:
    document = failed(INPUT, RAISED)
    status = document.pop("status")
    assert document == {
        "id": "e-1",
        "parent_id": "e-0",
        "route": {"actors": ["p", "a", "b"], "current": 1},
        "headers": {"trace_id": "t", "mine": [1]},
        "payload": {
            "error": "processing_error",
            "details": {
                "message": "Invalid input",
                "type": "ValueError",
                "mro": ["Exception"],
                "traceback": RAISED.traceback,
            },
            "original_payload": {"text": 1.5},
        },
        "x": 1.0,
    }
    assert (status["phase"], status["reason"], status["actor"], status["attempt"]) == ("failed", "RuntimeError", "a", 1)
    assert status["error"] == document["payload"]["details"]


def test_the_payload_keeps_its_text() -> None:
    body = error_envelope(INPUT, "Timeout", ErrorInfo("DeadlineExceeded", "late"), actor="a", now=NOW, max_bytes=LIMIT)
    assert b'"original_payload":{"text": 1.50}' in body


def test_details_without_an_exception_have_message_and_type_only() -> None:
    document = failed(INPUT, ErrorInfo("HopLimit", "hop limit of 256 reached"), reason="HopLimit")
    assert document["payload"]["details"] == {"message": "hop limit of 256 reached", "type": "HopLimit"}


@pytest.mark.parametrize(("reason", "code"), ERROR_CODES.items())
def test_every_reason_has_its_code(reason: str, code: str) -> None:
    assert failed(INPUT, RAISED, reason=reason)["payload"]["error"] == code


@given(st.text(st.characters(), min_size=0, max_size=300), st.integers(1, 200))
@example("\U0001f600" * 9000, 100)
@example("\x00" * 5000, 3)
def test_texts_are_cut_to_bytes_of_json(text: str, times: int) -> None:
    error = ErrorInfo(text, text * times, (text,) * 50, text * times)
    details = json.loads(error.details())
    assert len(json.dumps(details["message"])) <= 8 * 1024 + 2
    assert len(json.dumps(details["traceback"])) <= 16 * 1024 + 2
    assert len(details["mro"]) <= 32


def test_a_long_traceback_keeps_its_head_and_its_tail() -> None:
    text = "".join(f"line {number}\n" for number in range(5000))
    cut = cut_middle(text, 16 * 1024)
    head, _, tail = cut.partition("\n... cut ...\n")
    assert text.startswith(head)
    assert text.endswith(tail)
    assert (4000 < len(json.dumps(head)) <= 4098, 12_000 < len(json.dumps(tail)) <= 12_290) == (True, True)


def test_all_that_is_added_stays_below_the_allowance_of_one_hop() -> None:
    worst = ErrorInfo("é" * 9999, "\U0001f600" * 99_999, ("\x01" * 99,) * 99, "\x02" * 99_999)
    bare = Envelope("\U0001f600" * 256, Route((), "a", ()), b"1")
    body = error_envelope(bare, "RuntimeError", worst, actor="a" * 63, now=NOW, max_bytes=LIMIT)
    assert len(body) - len(encode(bare)) <= ADDED_BYTES


LONG = ErrorInfo("ValueError", "m" * 8000, ("Exception",), "t" * 16_000)


@pytest.mark.parametrize(
    ("room", "traceback", "message"), [(60_000, 16_000, 8000), (25_000, 1024, 8000), (16_900, 0, 8000), (5_000, 0, 256)]
)
def test_is_cut_step_by_step_until_it_fits(room: int, traceback: int, message: int) -> None:
    big = replace(INPUT, payload=b'"' + b"p" * 100_000 + b'"')
    document = failed(big, LONG, 100_000 + room)
    details = document["payload"]["details"]
    assert (len(json.dumps(details.get("traceback", ""))) - 2, len(details["message"])) == (traceback, message)
    assert len(document["payload"]["original_payload"]) == 100_000


def test_the_payload_goes_last_and_leaves_its_hash() -> None:
    big = replace(INPUT, payload=b'"' + b"p" * 100_000 + b'"')
    omitted = failed(big, LONG, 50_000)["payload"]["original_payload_omitted"]
    assert omitted == {"bytes": 100_002, "sha256": hashlib.sha256(big.payload).hexdigest()}


def test_fits_even_where_headers_and_unknown_members_fill_the_message() -> None:
    stuffed = replace(
        INPUT, headers=dict(INPUT.headers) | {"big": b'"' + b"h" * 50_000 + b'"'}, extra={"y": b"1" * 4000}
    )
    document = failed(stuffed, LONG, 4_000)
    assert (document["id"], document["headers"], document["status"]["reason"]) == (
        "e-1",
        {"trace_id": "t"},
        "RuntimeError",
    )


def test_fits_whatever_fills_the_head() -> None:
    filler = b'"' + b"f" * 200_000 + b'"'
    names = ("z" * 63,) * 256
    stuffed = Envelope(
        "\U0001f600" * 256,
        Route(names, "a", names, extra={"metadata": filler}),
        filler,
        parent_id="\U0001f600" * 256,
        headers={"trace_id": filler, "x-asya-more": filler, "mine": filler},
        status=Status(created_at="2026-01-02T03:04:05.006Z", extra={"y": filler}, actor="a"),
        extra={"x": filler},
    )
    assert failed(stuffed, LONG, 65_536)["status"]["phase"] == "failed"


def test_a_retried_input_is_cut_like_an_error_envelope() -> None:
    retried = replace(INPUT, payload=b'"' + b"p" * 100_000 + b'"', status=Status().retrying("a", 3, LONG, NOW))
    assert encode_fitting(retried, LONG, LIMIT) == encode(retried)
    cut = encode_fitting(retried, LONG, 102_000)
    assert cut is not None
    assert len(json.loads(cut)["status"]["error"]["message"]) == 256
    assert encode_fitting(retried, LONG, 100_000) is None


def test_a_body_that_is_no_json_is_wrapped_under_its_hash() -> None:
    document = refused(b"not json")
    digest = hashlib.sha256(b"not json").hexdigest()
    assert document["id"] == f"sha256-{digest}"
    assert document["route"] == {"prev": [], "curr": "a", "next": []}
    assert document["payload"]["error"] == "msg_parsing_error"
    assert document["payload"]["details"]["code"] == "syntax"
    assert document["payload"]["details"]["message"].startswith("Failed to parse message: ")
    assert document["payload"]["original_body"] == {
        "encoding": "base64",
        "data": base64.b64encode(b"not json").decode(),
        "bytes": 8,
        "sha256": digest,
        "truncated": False,
    }
    assert (document["status"]["phase"], document["status"]["reason"]) == ("failed", "ParseError")


def test_an_envelope_without_id_takes_the_transport_s() -> None:
    document = refused(b'{"payload":1,"headers":{"k":[1],"trace_id":"t"}}', message_id="m-7")
    assert (document["id"], document["headers"]) == ("m-7", {"k": [1], "trace_id": "t"})
    assert document["payload"]["details"]["message"] == "missing required 'id' field"
    assert document["status"]["reason"] == "ValidationError"


@pytest.mark.parametrize(
    "body",
    [
        b'{"id":"e-9","headers":{"k":1},"payload":NaN}',
        b'\xef\xbb\xbf{"id":"e-9","headers":{"k":1}}',
        b'{"headers":{"k":1},"id":"e-9","payload":1e999,"route":{}}',
        b'{"id":"e-9","headers":{"k":1},"payload":' + b"[" * 9999 + b"]" * 9999 + b"}",
        b'{"id":"e-9","headers":{"k":1},"payload":"\xff"}',
        b'{"id":"e-9","headers":{"k":1},"payload":1',
        b'{"id" : "e-9" , "headers" : {"k":1} , "route" : {}, "payload":1, "payload":2}',
        b'{"id":"e-9","headers":{"k":1},"payload":"' + b"x" * LIMIT + b'"}',
    ],
    ids=["nan", "mark", "number", "depth", "encoding", "cut", "duplicate", "size"],
)
def test_a_broken_body_keeps_the_id_and_headers_that_can_be_read(body: bytes) -> None:
    document = refused(body, message_id="m-7")
    assert (document["id"], document["headers"]) == ("e-9", {"k": 1, "trace_id": "e-9"})


@pytest.mark.parametrize(
    "body", [b'{"id":"a","id":"b"}', b'{"id":"a","id":"b","x":', b'{"id":"a\\n"}', b'{"id":"\\ud800"}', b'["id"]']
)
def test_an_id_that_is_not_one_is_not_taken(body: bytes) -> None:
    assert refused(body, message_id="m-7")["id"] == "m-7"


@pytest.mark.parametrize("message_id", ["", "x" * 257, "a\nb", None])
def test_a_transport_id_that_is_not_one_is_not_taken(message_id: str | None) -> None:
    assert refused(b"x", message_id=message_id)["id"].startswith("sha256-")


def test_headers_that_would_not_be_accepted_are_left_out() -> None:
    assert refused(b'{"id":"e","headers":{"k":1e999}}')["headers"] == {"trace_id": "e"}


def test_only_the_first_bytes_of_a_long_body_are_kept() -> None:
    original = refused(b"x" * 100_000)["payload"]["original_body"]
    assert len(base64.b64decode(original["data"])) == 65_536
    assert (original["bytes"], original["truncated"]) == (100_000, True)


def test_a_wrapped_body_fits_where_there_is_little_room() -> None:
    body = b'{"id":"e","headers":{"k":"' + b"h" * 60_000 + b'"}}'
    assert refused(body, max_bytes=10_000)["id"] == "e"


@given(st.binary(max_size=60), st.sampled_from([b"", b'{"id":"e","headers":{"a":1},', b'{"id":', b'{"headers":{"x":[']))
def test_whatever_is_refused_can_be_wrapped(tail: bytes, head: bytes) -> None:
    refused(head + tail + b"\xff")
