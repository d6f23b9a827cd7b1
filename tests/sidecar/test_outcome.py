"""What follows from the runtime's answer (contract: sidecar, Outcomes)."""

import json
import time
from typing import Any

import pytest

from asya_schemas.errors import ErrorInfo
from asya_schemas.names import child_id
from asya_sidecar.decide import outcome
from asya_sidecar.decide.answer import (
    Broken,
    Ended,
    Late,
    Nothing,
    Raised,
    Refused,
    Reply,
    Streamed,
    TooLarge,
    Unavailable,
    Unreachable,
    Whole,
)
from asya_sidecar.decide.decision import Decision, Rules, Settle
from tests.support.decisions import NOW, call, frame, only, rules, sent, whole

PLAIN = rules()
ERROR = ErrorInfo("ValueError", "Invalid input", ("Exception",), "Traceback ...")


def decided(reply: Reply, given: Rules = PLAIN, stopped: bool = False, **members: Any) -> Decision:
    return outcome.decide(given, call(given, **members), reply, NOW, 1.0, stopped)


def retried(**policy: Any) -> Rules:
    return rules(ASYA_RESILIENCY_POLICIES=json.dumps({"default": {"jitter": False} | policy}))


def test_o1_a_frame_goes_to_the_next_actor() -> None:
    decision = decided(whole(frame({"y": 2})))
    assert (decision.processed, decision.settle, decision.failed) == ("success", Settle.ACK, None)
    send = decision.sends[0]
    assert (send.queue, send.message_type, send.id, send.trace_id) == ("asya-ns-b", "routing", "e-1", "e-1")
    assert sent(send)["payload"] == {"y": 2}
    assert sent(send)["status"]["phase"] == "pending"


def test_o1_a_finished_route_goes_to_the_sink() -> None:
    decision = decided(
        whole(frame(1, {"prev": ["a"], "curr": "", "next": []})), route={"prev": [], "curr": "a", "next": []}
    )
    assert (decision.sends[0].queue, decision.sends[0].message_type) == ("asya-ns-x-sink", "sink")
    assert only(decision)["status"]["reason"] == "Completed"


def test_o1_configured_names_of_the_end_actors_are_used() -> None:
    given = rules(ASYA_ACTOR_SINK="happy-end", ASYA_ACTOR_SUMP="error-end")
    route = {"prev": [], "curr": "a", "next": ["happy-end"]}
    decision = decided(whole(frame(1, {"prev": ["a"], "curr": "happy-end", "next": []})), given, route=route)
    assert decision.sends[0].queue == "asya-ns-happy-end"
    assert decided(Raised(ERROR), given).sends[0].queue == "asya-ns-error-end"


def test_o1_frames_are_sent_in_order_with_their_ids() -> None:
    decision = decided(whole(frame(0), frame(1), frame(2)))
    assert [send.id for send in decision.sends] == ["e-1", child_id("e-1", 0, 1), child_id("e-1", 0, 2)]
    assert [sent(send)["payload"] for send in decision.sends] == [0, 1, 2]
    assert len(decision.children) == 3


def test_o1_a_stream_is_sent_like_a_list() -> None:
    frames = tuple(json.dumps(frame(number)).encode() for number in range(3))
    assert decided(Streamed(frames)).sends == decided(whole(frame(0), frame(1), frame(2))).sends


def test_o1_one_frame_makes_no_children_report() -> None:
    assert decided(whole(frame(0))).children == ()


def test_o2_no_frame_ends_the_route_at_the_sink() -> None:
    decision = decided(Nothing())
    assert (decision.processed, decision.reason) == ("empty_response", "Aborted")
    assert only(decision)["route"] == {"prev": [], "curr": "a", "next": ["b"]}


def test_o3_an_attempt_that_is_left_goes_to_the_own_queue_with_a_wait() -> None:
    decision = decided(Raised(ERROR), retried(initialDelay="2s"))
    send = decision.sends[0]
    assert (send.queue, send.message_type, send.delay_s) == ("asya-ns-a", "retry", 2.0)
    assert (decision.processed, decision.failed, decision.runtime_error) == ("retried", None, "exception")
    found = only(decision)
    assert (found["status"]["phase"], found["status"]["attempt"], found["status"]["max_attempts"]) == ("retrying", 2, 3)
    assert found["status"]["error"]["type"] == "ValueError"
    assert found["headers"]["x-asya-first-attempt"] == "2026-01-02T03:04:05.006Z"


def test_o3_the_first_attempt_is_noted_once() -> None:
    noted = "2026-01-02T03:00:00.000Z"
    decision = decided(
        Raised(ERROR),
        retried(),
        headers={"x-asya-first-attempt": noted},
        status={"actor": "a", "attempt": 2},
    )
    assert only(decision)["headers"]["x-asya-first-attempt"] == noted


def test_o3_a_first_attempt_noted_at_another_actor_does_not_count() -> None:
    decision = decided(Raised(ERROR), retried(), headers={"x-asya-first-attempt": "2020-01-01T00:00:00Z"})
    assert only(decision)["headers"]["x-asya-first-attempt"] == "2026-01-02T03:04:05.006Z"


def test_o4_without_a_policy_it_goes_to_the_sump() -> None:
    decision = decided(Raised(ERROR))
    assert (decision.processed, decision.failed, decision.reason) == ("error", "runtime_error", "RuntimeError")
    assert only(decision)["payload"]["original_payload"] == {"x": 1}


def test_o5_a_policy_that_is_used_up_leads_to_the_sump() -> None:
    decision = decided(Raised(ERROR), retried(maxAttempts=1))
    assert (decision.failed, decision.reason) == ("policy_exhausted", "PolicyExhausted")


def test_o6_or_to_the_recovery_actor() -> None:
    decision = decided(Raised(ERROR), retried(maxAttempts=1, onExhausted=["rescue", "c"]))
    assert (decision.processed, decision.failed) == ("policy_routed", None)
    assert (decision.sends[0].queue, decision.sends[0].message_type) == ("asya-ns-rescue", "on_exhausted")
    assert only(decision)["route"] == {"prev": ["a"], "curr": "rescue", "next": ["c"]}
    assert only(decision)["status"]["reason"] == "PolicyRouted"


def test_o7_an_attempt_behind_the_deadline_is_not_scheduled() -> None:
    decision = decided(Raised(ERROR), retried(initialDelay="1m"), status={"deadline_at": "2026-01-02T03:04:30Z"})
    assert (decision.processed, decision.failed) == ("expired", "deadline_expired")
    assert only(decision)["status"]["error"]["type"] == "ValueError"


def test_o8_a_refusal_is_never_retried() -> None:
    decision = decided(Refused(ErrorInfo("ValidationError", "no", code="route.next")), retried())
    assert (decision.failed, decision.reason, decision.sends[0].message_type) == (
        "validation_error",
        "ValidationError",
        "sump",
    )


def test_o9_a_late_call_ends_the_process_after_its_error_envelope() -> None:
    decision = decided(Late(300.0))
    assert (decision.exit_code, decision.settle, decision.failed) == (1, Settle.ACK, "timeout")
    assert only(decision)["payload"]["details"]["message"] == "Runtime timeout exceeded after 300s"


@pytest.mark.parametrize("reply", [Unreachable("no"), Unavailable()])
def test_o10_a_call_that_was_never_begun_is_held(reply: Reply) -> None:
    decision = decided(reply)
    assert (decision.settle, decision.sends, decision.processed) == (Settle.HOLD, (), "returned")


def test_o11_a_call_whose_runtime_died_is_a_counted_return() -> None:
    decision = decided(Ended("closed"))
    assert (decision.settle, decision.sends, decision.runtime_error) == (Settle.COUNTED_RETURN, (), "crash")


@pytest.mark.parametrize(
    "reply",
    [
        Broken("the runtime answered with status 302"),
        whole(frame(1, {"prev": ["z"], "curr": "b", "next": []})),
        whole(frame(1, {"prev": ["a", "b"], "curr": "", "next": []})),
        whole({"payload": 1}),
        whole({"route": {"prev": ["a"], "curr": "b", "next": []}}),
        Streamed((b"{",)),
    ],
)
def test_o13_an_answer_that_is_not_as_agreed_goes_to_the_sump(reply: Reply) -> None:
    decision = decided(reply)
    assert (decision.failed, decision.reason, decision.runtime_error) == ("protocol_error", "ProtocolError", "protocol")


def test_o14_too_many_frames_send_none() -> None:
    decision = decided(whole(frame(1), frame(2), frame(3)), rules(ASYA_MAX_FRAMES="2"))
    assert (decision.failed, len(decision.sends)) == ("output_too_large", 1)


def test_o14_a_million_frames_are_counted_before_they_are_taken_apart() -> None:
    one = json.dumps(frame(1)).encode()
    many = b'{"frames":[' + b",".join([one] * 200_000) + b"]}"
    before = time.process_time()
    assert decided(Whole(many)).failed == "output_too_large"
    assert time.process_time() - before < 2


def test_o14_a_frame_above_the_message_limit_sends_none() -> None:
    given = rules(ASYA_MAX_MESSAGE_BYTES="100000")
    decision = decided(whole(frame(1), frame("x" * 100_001)), given)
    assert (decision.failed, [send.message_type for send in decision.sends]) == ("output_too_large", ["sump"])


def test_o14_what_the_transport_would_refuse_is_not_sent() -> None:
    given = rules(transport_bytes=200_000)
    decision = decided(whole(frame("x" * 190_000)), given)
    assert decision.failed == "output_too_large"


def test_o14_an_answer_above_its_limit_sends_none() -> None:
    assert decided(TooLarge("more than 100 bytes in one answer")).failed == "output_too_large"


def test_o16_what_a_stopped_task_made_is_not_sent() -> None:
    for reply in (whole(frame(1)), Nothing(), Raised(ERROR)):
        decision = decided(reply, retried(), stopped=True)
        assert (decision.processed, decision.reason) == ("canceled", "Canceled")
        assert only(decision)["payload"] == {"x": 1}
        assert decision.sends[0].queue == "asya-ns-x-sink"


def test_o16_a_timeout_of_a_stopped_task_still_ends_the_process() -> None:
    assert decided(Late(1.0), stopped=True).exit_code == 1


def test_o19_a_route_to_the_sump_is_a_failure_of_that_frame_alone() -> None:
    decision = decided(whole(frame(1, {"prev": ["a"], "curr": "x-sump", "next": []}), frame(2)))
    assert (decision.processed, decision.failed) == ("error", "routed_to_sump")
    first, second = (sent(send) for send in decision.sends)
    assert (first["status"]["reason"], first["payload"]["original_payload"]) == ("RoutedToSump", 1)
    assert second["payload"] == 2


def test_o19_a_frame_without_a_queue_becomes_an_error_envelope() -> None:
    decision = decided(whole(frame(7)))
    undeliverable = outcome.undeliverable(PLAIN, decision, decision.sends, NOW)
    assert (undeliverable.processed, undeliverable.failed) == ("error", "unknown_actor")
    found = only(undeliverable)
    assert found["payload"]["details"]["message"] == "no queue for actor b"
    assert found["payload"]["original_payload"] == 7
    assert found["route"] == {"prev": ["a"], "curr": "b", "next": []}
    assert undeliverable.sends[0].actor is None


def test_a_long_error_is_cut_so_that_a_retry_still_fits() -> None:
    given = rules(
        ASYA_MAX_MESSAGE_BYTES="100000", ASYA_RESILIENCY_POLICIES=json.dumps({"default": {"initialDelay": "0s"}})
    )
    long = ErrorInfo("ValueError", "x" * 100_000, ("Exception",), "y" * 100_000)
    decision = decided(Raised(long), given, payload="z" * 155_000)
    assert decision.processed == "retried"
    assert len(decision.sends[0].body) <= given.reader_bytes
