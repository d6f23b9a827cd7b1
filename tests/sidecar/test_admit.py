"""Which deliveries reach the handler (contract: sidecar, Order of checks)."""

import json
from datetime import timedelta
from typing import Any

import pytest

from asya_schemas.durations import format_time
from asya_schemas.envelope import Envelope
from asya_sidecar.decide.admit import Call, admit, is_expired, read
from asya_sidecar.decide.decision import Decision, Rules, Settle
from tests.support.decisions import NOW, body, envelope, only, rules

PLAIN = rules(ASYA_RESILIENCY_ACTOR_TIMEOUT="300s")


def admitted(given: Rules, deliveries: int = 1, **members: Any) -> Call:
    found = admit(given, envelope(given, **members), deliveries, NOW)
    assert isinstance(found, Call)
    return found


def refused(given: Rules, deliveries: int = 1, **members: Any) -> Decision:
    found = admit(given, envelope(given, **members), deliveries, NOW)
    assert isinstance(found, Decision)
    assert found.settle is Settle.ACK
    return found


def at(seconds: float) -> dict[str, str]:
    return {"deadline_at": format_time(NOW + timedelta(seconds=seconds))}


def test_the_runtime_gets_the_envelope_with_trace_id_and_status_and_nothing_else() -> None:
    found = json.loads(admitted(PLAIN, x=[1], headers={"tenant": "blue"}).body)
    now = "2026-01-02T03:04:05.006Z"
    assert found == {
        "id": "e-1",
        "route": {"prev": [], "curr": "a", "next": ["b"]},
        "headers": {"tenant": "blue", "trace_id": "e-1"},
        "payload": {"x": 1},
        "x": [1],
        "status": {
            "phase": "processing",
            "actor": "a",
            "attempt": 1,
            "max_attempts": 1,
            "created_at": now,
            "updated_at": now,
        },
    }


def test_the_payload_is_passed_on_as_its_own_text() -> None:
    text = (
        b'{"id":"e-1","route":{"prev":[],"curr":"a","next":[]},"payload":{"n": 1.50, "big":123456789012345678901234}}'
    )
    found = read(PLAIN, text, None, NOW)
    assert isinstance(found, Envelope)
    call = admit(PLAIN, found, 1, NOW)
    assert isinstance(call, Call)
    assert b'{"n": 1.50, "big":123456789012345678901234}' in call.body


def test_an_attempt_counts_only_at_its_own_actor() -> None:
    assert admitted(PLAIN, status={"actor": "a", "attempt": 3}).attempt == 3
    assert admitted(PLAIN, status={"actor": "other", "attempt": 3}).attempt == 1


def test_the_limit_is_the_actors_timeout_or_what_is_left_of_the_deadline() -> None:
    assert admitted(PLAIN).limit_s == 300
    assert admitted(PLAIN, status=at(1000)).limit_s == 300
    assert admitted(PLAIN, status=at(5)).limit_s == 5


@pytest.mark.parametrize("seconds", [-60.0, 0.0, 0.5, 0.999])
def test_with_less_than_a_second_left_it_goes_to_the_sink(seconds: float) -> None:
    decision = refused(PLAIN, status=at(seconds))
    assert (decision.processed, decision.failed, decision.reason) == ("expired", "deadline_expired", "Timeout")
    assert decision.sends[0].queue == "asya-ns-x-sink"
    assert only(decision)["payload"] == {"x": 1}
    assert only(decision)["status"]["phase"] == "failed"


def test_a_second_is_enough() -> None:
    assert not is_expired(NOW + timedelta(seconds=1), NOW)
    assert not is_expired(None, NOW)


def test_as_many_deliveries_as_allowed_are_called_and_not_one_more() -> None:
    admitted(PLAIN, deliveries=5)
    decision = refused(PLAIN, deliveries=6)
    assert (decision.failed, decision.reason) == ("runtime_crashed", "Crashed")
    assert only(decision)["payload"]["details"]["message"] == "runtime died while handling this envelope, 6 deliveries"


def test_the_fence_comes_before_the_route() -> None:
    assert refused(PLAIN, 6, route={"prev": [], "curr": "z", "next": []}).reason == "Crashed"


def test_another_actors_envelope_is_refused() -> None:
    decision = refused(PLAIN, route={"prev": [], "curr": "z", "next": []})
    assert (decision.failed, decision.processed) == ("route_mismatch", "error")
    assert only(decision)["payload"]["details"]["message"] == "Route mismatch: expected: a, actual: z"


def test_a_finished_route_is_nobodys() -> None:
    assert refused(PLAIN, route={"prev": ["a"], "curr": "", "next": []}).failed == "route_mismatch"


def test_the_hop_budget_ends_at_256() -> None:
    admitted(PLAIN, route={"prev": ["a"] * 255, "curr": "a", "next": []})
    assert refused(PLAIN, route={"prev": ["a"] * 256, "curr": "a", "next": []}).failed == "hop_limit"


def test_a_refused_body_is_wrapped_for_the_sump() -> None:
    found = read(PLAIN, b"{", "m-7", NOW)
    assert isinstance(found, Decision)
    assert (found.failed, found.reason) == ("parse_error", "ParseError")
    assert (found.sends[0].id, found.sends[0].queue) == ("m-7", "asya-ns-x-sump")


def test_a_body_above_the_readers_limit_is_refused() -> None:
    small = rules(ASYA_MAX_MESSAGE_BYTES="1000000")
    found = read(small, body(payload="x" * (1_000_000 + 65_536)), None, NOW)
    assert isinstance(found, Decision)
    assert found.error is not None
    assert found.error.code == "size"


def test_an_input_that_no_longer_fits_becomes_an_error_envelope() -> None:
    given = rules(ASYA_MAX_MESSAGE_BYTES="1000000")
    room = given.reader_bytes - len(body(payload="", status=at(-5)))
    full = envelope(given, payload="x" * room, status=at(-5))
    decision = admit(given, full, 1, NOW)
    assert isinstance(decision, Decision)
    assert (decision.reason, decision.sends[0].queue) == ("OutputTooLarge", "asya-ns-x-sump")
    assert len(decision.sends[0].body) <= given.reader_bytes


def test_an_input_whose_status_no_longer_fits_is_not_handed_to_the_runtime() -> None:
    given = rules(ASYA_MAX_MESSAGE_BYTES="1000000")
    room = given.reader_bytes - len(body(payload=""))
    decision = admit(given, envelope(given, payload="x" * room), 1, NOW)
    assert isinstance(decision, Decision)
    assert decision.reason == "OutputTooLarge"
