"""What an end actor stores, reports and does when it cannot (contract: sidecar, End actors)."""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asya_schemas.errors import ErrorInfo
from asya_sidecar.act.account import Account
from asya_sidecar.act.caller import Caller
from asya_sidecar.act.end_actor import EndActor
from asya_sidecar.act.health import Health
from asya_sidecar.act.job import Job
from asya_sidecar.act.metrics import Metrics
from asya_sidecar.act.runtime_client import RuntimeClient
from asya_sidecar.decide import end_actor
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
    Unreachable,
    Whole,
)
from asya_sidecar.decide.decision import Decision, Report, Rules, Settle
from asya_sidecar.decide.end_actor import EndCall
from asya_transport.port import Delivery
from tests.support.decisions import NOW, body, envelope, rules, sent

SINK = rules(ASYA_ACTOR_NAME="x-sink", ASYA_IS_END_ACTOR="true", ASYA_RESILIENCY_ACTOR_TIMEOUT="10s")
SUMP = rules(ASYA_ACTOR_NAME="x-sump", ASYA_IS_END_ACTOR="true")
FAILED = {"phase": "failed", "reason": "Timeout", "error": {"type": "DeadlineExceeded", "message": "late"}}


def call(given: Rules = SINK, deliveries: int = 1, **members: Any) -> EndCall:
    found = end_actor.admit(given, body(**members), None, deliveries, NOW)
    assert isinstance(found, EndCall)
    return found


def decided(reply: Reply, given: Rules = SINK, **members: Any) -> Decision:
    return end_actor.decide(given, call(given, **members), reply, 1)


def answer(payload: Any) -> Whole:
    """What the runtime says with validation off: the route may be anything."""
    return Whole(json.dumps({"frames": [{"payload": payload, "route": 5}]}).encode())


def report(reply: Reply, given: Rules = SINK, **members: Any) -> tuple[str, dict[str, Any]]:
    found = decided(reply, given, **members).report
    assert isinstance(found, Report)
    return found.kind, json.loads(msgspec.json.encode(found.members))


def test_the_runtime_gets_the_body_as_it_came_when_it_has_a_trace_id() -> None:
    text = body(headers={"trace_id": "t"}, status={"phase": "failed", "odd": [1]})
    found = end_actor.admit(SINK, text, None, 1, NOW)
    assert isinstance(found, EndCall)
    assert found.body == text


def test_without_a_trace_id_only_that_is_added() -> None:
    status = {"attempt": "two", "deadline_at": "soon", "odd": [1]}
    assert json.loads(call(status=status).body) == json.loads(body(status=status)) | {"headers": {"trace_id": "e-1"}}


def test_a_passed_deadline_does_not_shorten_the_limit() -> None:
    assert call(status={"deadline_at": "2020-01-01T00:00:00Z"}).limit_s == 10


def test_any_route_is_accepted() -> None:
    call(route={"prev": ["a"] * 256, "curr": "z", "next": ["b"]})


def test_beyond_the_fence_the_body_goes_to_the_dead_letters_unchanged() -> None:
    text = body()
    decision = end_actor.admit(SINK, text, None, 6, NOW)
    assert isinstance(decision, Decision)
    send = decision.sends[0]
    assert (send.queue, send.body, send.message_type) == ("asya-ns-x-sink-dlq", text, "dead_letter")


def test_a_malformed_body_goes_to_the_sump_from_the_sink() -> None:
    decision = end_actor.admit(SINK, b"{", "m-1", 1, NOW)
    assert isinstance(decision, Decision)
    assert decision.sends[0].queue == "asya-ns-x-sump"


def test_a_malformed_body_is_wrapped_in_place_at_the_sump() -> None:
    found = end_actor.admit(SUMP, b"{", "m-1", 1, NOW)
    assert isinstance(found, EndCall)
    assert found.envelope.id == "m-1"
    assert json.loads(found.body)["status"]["reason"] == "ParseError"


@pytest.mark.parametrize("reply", [Nothing(), answer({}), answer(None)])
def test_no_answer_means_a_report_made_from_the_envelope(reply: Reply) -> None:
    assert report(reply, status={"phase": "succeeded", "reason": "Completed"}) == (
        "final",
        {"status": "succeeded", "reason": "Completed", "result": {"x": 1}},
    )


def test_an_object_is_the_result() -> None:
    assert report(answer({"uri": "s3://x"}))[1]["result"] == {"uri": "s3://x"}


def test_the_first_frame_of_a_stream_is_the_answer() -> None:
    frames = tuple(json.dumps({"payload": {"n": number}, "route": 5}).encode() for number in (1, 2))
    assert report(Streamed(frames))[1]["result"] == {"n": 1}


def test_members_of_an_asya_report_win() -> None:
    given = {"asya_report": {"result": 7, "location": {"uri": "s3://x"}}}
    assert report(answer(given)) == (
        "final",
        {"status": "succeeded", "result": 7, "location": {"uri": "s3://x"}},
    )


def test_an_answer_that_says_paused_is_a_paused_report() -> None:
    given = {"asya_report": {"status": "paused", "key": "k"}}
    kind, members = report(answer(given))
    assert (kind, members["key"]) == ("paused", "k")
    assert decided(answer(given)).processed == "paused"


def test_a_failed_envelope_at_the_sink_is_recorded_as_expired() -> None:
    kind, members = report(Nothing(), status=FAILED)
    assert (kind, members["status"], members["reason"]) == ("final", "failed", "Timeout")
    assert members["error"] == {"type": "DeadlineExceeded", "message": "late"}
    record = members["record"]
    assert (record["kind"], record["queue"], record["deliveries"]) == ("expired", "asya-ns-x-sink", 1)
    assert record["envelope"]["status"] == FAILED


def test_at_the_sump_everything_is_failed_unless_it_says_otherwise() -> None:
    details = {"message": "no", "type": "ValueError"}
    _, members = report(Nothing(), SUMP, payload={"error": "processing_error", "details": details})
    assert (members["status"], members["error"], members["record"]["kind"]) == ("failed", details, "sump")
    assert report(Nothing(), SUMP, status={"phase": "canceled", "reason": "Canceled"})[1]["status"] == "canceled"


def test_a_canceled_envelope_has_no_record() -> None:
    assert "record" not in report(Nothing(), status={"phase": "canceled", "reason": "Canceled"})[1]


@pytest.mark.parametrize(
    "reply",
    [
        Raised(ErrorInfo("OSError", "no space")),
        Refused(ErrorInfo("ValidationError", "no")),
        Broken("no HTTP"),
        TooLarge("2 GB"),
        Whole(b'{"frames":[{"route":5}]}'),
        Whole(b"{"),
    ],
)
def test_whatever_goes_wrong_means_not_stored_yet(reply: Reply) -> None:
    decision = decided(reply)
    assert (decision.settle, decision.sends) == (Settle.AGAIN, ())


def test_a_runtime_that_dies_is_a_counted_return() -> None:
    assert decided(Ended("closed")).settle is Settle.COUNTED_RETURN


def test_past_its_limit_the_process_ends_without_a_report() -> None:
    decision = decided(Late(10.0))
    assert (decision.settle, decision.exit_code, decision.report, decision.sends) == (
        Settle.COUNTED_RETURN,
        1,
        None,
        (),
    )


def test_a_runtime_that_is_away_holds_the_delivery() -> None:
    assert decided(Unreachable("no")).settle is Settle.HOLD


def test_the_waits_grow_to_half_a_minute() -> None:
    waits = [end_actor.pause_s(failures) for failures in range(1, 10)]
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_parking_sends_the_envelope_to_the_own_queue_and_counts() -> None:
    status = {"phase": "failed", "actor": "b", "attempt": 3}
    first = end_actor.parked(SINK, envelope(SINK, status=status))
    send = first.sends[0]
    assert (send.queue, send.delay_s, send.message_type) == ("asya-ns-x-sink", 300, "parked")
    assert sent(send)["headers"]["x-asya-parked"] == 1
    assert sent(send)["status"] == status
    assert send.envelope is not None
    assert sent(end_actor.parked(SINK, send.envelope).sends[0])["headers"]["x-asya-parked"] == 2


def test_after_five_minutes_on_one_delivery_it_is_parked() -> None:
    class Silent:
        """A log nobody reads."""

        def info(self, event: str, **members: object) -> None: ...

        def warning(self, event: str, **members: object) -> None: ...

    async def run(seconds_ago: float) -> Decision | None:
        metrics = Metrics("asya-ns-x-sink", "memory")
        health = Health(Silent(), metrics.stalled)
        runtime = RuntimeClient(Path("/nowhere"), 1000, 10, lambda: None, lambda _: None)
        account = Account("x-sink", metrics, None, None, Silent())
        actor = EndActor(SINK, Caller(runtime, metrics), account, health, metrics, None, asyncio.Event())
        job = Job(Delivery(body(), None, 1, False, 1, None, 0.0))
        job.envelope = envelope(SINK)
        job.started_at = asyncio.get_running_loop().time() - seconds_ago
        return await actor.wait(job, "the store is away")

    parked = asyncio.run(run(299.9))
    assert parked is not None
    assert [send.message_type for send in parked.sends] == ["parked"]
    assert asyncio.run(run(0)) is None
