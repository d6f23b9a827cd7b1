"""What becomes of an exception (contract: sidecar, Situations 7 to 14)."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.scripted_runtime import ScriptedRuntime, answer
from tests.support.sidecar_process import Mesh, envelope, mesh, route
from tests.support.wait import until


@pytest.fixture(scope="module")
def plain(broker: str) -> Iterator[Mesh]:  # noqa: ARG001 - `mesh` opens it
    """One pair without policies."""
    with mesh() as opened:
        opened.pair()
        yield opened


def policies(**members: Any) -> str:
    return json.dumps({"default": {"jitter": False} | members})


def in_s(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def test_row_7_without_a_policy_an_exception_goes_to_the_sump(plain: Mesh) -> None:
    plain.send(envelope({"do": "fail"}, id="r7"))
    found = plain.arrived_one("x-sump", "r7")
    assert found["payload"]["error"] == "processing_error"
    details = found["payload"]["details"]
    assert (details["type"], details["message"], details["mro"]) == ("ValueError", "Invalid input", ["Exception"])
    assert "in fail" in details["traceback"]
    assert found["payload"]["original_payload"] == {"do": "fail"}
    assert found["route"] == route("a", "b")
    assert (found["status"]["phase"], found["status"]["reason"], found["status"]["actor"]) == (
        "failed",
        "RuntimeError",
        "a",
    )
    assert found["status"]["error"]["type"] == "ValueError"
    until(lambda: plain.is_gone("a"), what="own queue empty")


def test_row_8_attempts_are_used_up_with_growing_waits() -> None:
    created = "2026-01-02T03:04:05.006Z"
    with mesh() as own:
        own.pair(ASYA_RESILIENCY_POLICIES=json.dumps({"default": {"maxAttempts": 3, "initialDelay": "1s"}}))
        own.send(envelope({"do": "fail"}, status={"created_at": created}))
        found = own.arrived_one("x-sump", "e-1")
        first, second, third = (at for at, _ in own.timed_calls())
    assert 0.7 < second - first < 1.9
    assert 1.5 < third - second < 3.2
    status = found["status"]
    assert (status["reason"], status["attempt"], status["max_attempts"]) == ("PolicyExhausted", 3, 3)
    assert status["created_at"] == created
    assert "x-asya-first-attempt" not in found["headers"]


def test_row_9_a_retry_that_works_leaves_no_trace_at_the_next_actor() -> None:
    with mesh() as own:
        sidecar, _ = own.pair(ASYA_RESILIENCY_POLICIES=policies(initialDelay="0s"))
        own.send(envelope({"do": "fail_at_first", "failures": 2}))
        found = own.arrived_one("b", "e-1")
        until(lambda: own.is_gone("a"), what="own queue empty")
        assert sidecar.metric("messages_processed_total", status="retried") == 2
    assert "error" not in found["status"]
    assert "reason" not in found["status"]
    assert (found["status"]["attempt"], found["status"]["actor"]) == (1, "b")
    assert "x-asya-first-attempt" not in found["headers"]


def test_row_10_a_rule_on_an_ancestor_decides() -> None:
    rules = json.dumps([{"errors": ["LookupError"], "policy": "once"}])
    both = json.dumps({"once": {"maxAttempts": 1}, "default": {"initialDelay": "0s"}})
    with mesh() as own:
        own.pair(ASYA_RESILIENCY_POLICIES=both, ASYA_RESILIENCY_RULES=rules)
        own.send(envelope({"do": "fail", "error": "KeyError"}))
        found = own.arrived_one("x-sump", "e-1")
        assert len(own.calls()) == 1
    assert found["status"]["reason"] == "PolicyExhausted"


@pytest.mark.parametrize(
    ("pattern", "calls"), [("json.decoder.JSONDecodeError", 1), ("JSONDecodeError", 1), ("other.JSONDecodeError", 2)]
)
def test_row_10_patterns_match_whole_names_or_last_parts(pattern: str, calls: int) -> None:
    rules = json.dumps([{"errors": [pattern], "policy": "once"}])
    both = json.dumps({"once": {"maxAttempts": 1}, "default": {"initialDelay": "0s", "maxAttempts": 2}})
    with mesh() as own:
        own.pair(ASYA_RESILIENCY_POLICIES=both, ASYA_RESILIENCY_RULES=rules)
        own.send(envelope({"do": "decode_error"}))
        own.arrived_one("x-sump", "e-1")
        assert len(own.calls()) == calls


def test_row_11_an_exhausted_policy_can_lead_to_a_recovery_actor() -> None:
    with mesh("rescue") as own:
        own.pair(ASYA_RESILIENCY_POLICIES=policies(maxAttempts=1, onExhausted=["rescue", "b"]))
        own.send(envelope({"do": "fail"}))
        found = own.arrived_one("rescue", "e-1")
        assert own.is_gone("x-sump")
    assert found["route"] == {"prev": ["a"], "curr": "rescue", "next": ["b"]}
    assert found["payload"] == {"do": "fail"}
    assert (found["status"]["phase"], found["status"]["reason"]) == ("failed", "PolicyRouted")
    assert found["status"]["error"]["message"] == "Invalid input"


def test_row_11_the_recovery_actor_serves_it_like_any_other() -> None:
    with mesh("rescue") as own:
        own.pair(ASYA_RESILIENCY_POLICIES=policies(maxAttempts=1, onExhausted=["rescue"]))
        own.pair("envelope", name="rescue", ASYA_HANDLER_MODE="envelope")
        own.send(envelope({"do": "fail"}))
        found = own.arrived_one("x-sink", "e-1")
    assert found["route"] == {"prev": ["a", "rescue"], "curr": "", "next": []}
    assert (found["status"]["phase"], found["status"]["reason"]) == ("succeeded", "Completed")


def test_row_12_no_attempt_is_scheduled_behind_the_deadline() -> None:
    with mesh() as own:
        own.pair(ASYA_RESILIENCY_POLICIES=policies(maxAttempts=9, initialDelay="2s", backoff="constant"))
        deadline = in_s(4)
        own.send(envelope({"do": "fail"}, status={"deadline_at": deadline}))
        found = own.arrived_one("x-sink", "e-1")
        assert own.is_gone("x-sump")
        assert len(own.calls()) == 2
        assert datetime.now(UTC) < datetime.fromisoformat(deadline)
    assert (found["status"]["phase"], found["status"]["reason"]) == ("failed", "Timeout")
    assert found["status"]["deadline_at"] == deadline
    assert found["status"]["error"]["type"] == "ValueError"
    assert found["payload"] == {"do": "fail"}


def test_row_14_a_request_the_runtime_refuses_is_never_retried() -> None:
    refusal = {
        "error": "msg_parsing_error",
        "details": {"message": "no", "type": "ValidationError", "code": "route.next"},
    }
    body = json.dumps(refusal).encode()
    with mesh() as own:
        script = ScriptedRuntime(
            own.folder / "a" / "asya-runtime.sock", lambda _, peer: peer.sendall(answer(body, b"400 Bad Request"))
        )
        own.sidecar(ASYA_RESILIENCY_POLICIES=policies(initialDelay="0s")).ready()
        own.send(envelope())
        found = own.arrived_one("x-sump", "e-1")
        script.close()
        assert len(script.requests) == 1
    assert found["status"]["reason"] == "ValidationError"
    assert found["payload"]["error"] == "msg_parsing_error"
    assert found["payload"]["details"]["code"] == "route.next"


def test_no_attempt_begins_after_the_longest_duration_of_a_policy() -> None:
    with mesh() as own:
        own.pair(
            ASYA_RESILIENCY_POLICIES=policies(
                maxAttempts=9, initialDelay="300ms", backoff="constant", maxDuration="700ms"
            )
        )
        own.send(envelope({"do": "fail"}))
        found = own.arrived_one("x-sump", "e-1")
    assert found["status"]["reason"] == "PolicyExhausted"
    assert 2 <= found["status"]["attempt"] <= 3
