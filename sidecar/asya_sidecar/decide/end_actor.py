"""What an end actor does with an envelope: store it, report it, never send it on.

Pure: an envelope and the handler's answer in, a decision or a report out (contract: sidecar, End actors; gateway, Crew). Called by
act/end_actor.py. A handler that fails means "not stored yet", so nothing here ever leads to the sump.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from asya_schemas import envelope as envelopes
from asya_schemas import headers, names, strictjson
from asya_schemas.envelope import Envelope
from asya_schemas.errors import ErrorInfo
from asya_schemas.frames import ProtocolError, payload_of, payloads_of
from asya_schemas.refusal import Refused as BodyRefused
from asya_sidecar.decide import ends
from asya_sidecar.decide.answer import Broken, Ended, Late, Nothing, Raised, Refused, Reply, Streamed, TooLarge, Whole
from asya_sidecar.decide.decision import EXIT_TIMEOUT, Decision, Report, Rules, Send, Settle

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
PARK_AFTER_S: Final = 300.0
"""So long on one delivery, then it makes room for others."""
PARKED_S: Final = 300.0
HOLD: Final = Decision("returned", settle=Settle.HOLD)


@dataclass(frozen=True, slots=True)
class EndCall:
    """The handler of an end actor may be called. The runtime gets the status as received."""

    envelope: Envelope
    body: bytes
    limit_s: float


def admit(rules: Rules, body: bytes, message_id: str | None, deliveries: int, now: datetime) -> EndCall | Decision:
    """Malformed goes to the sump, or is wrapped in place where this is the sump; beyond the fence to the dead letters."""
    settings = rules.settings
    try:
        envelope = envelopes.parse(body, rules.reader_bytes)
    except BodyRefused as refusal:
        decision = ends.malformed(rules, body, message_id, refusal, now)
        if settings.actor_name != settings.sump:
            return decision
        body = decision.sends[0].body
        envelope = envelopes.parse(body, rules.reader_bytes)
    if deliveries > settings.max_deliveries:
        return _dead(rules, envelope, body, deliveries)
    if headers.TRACE_ID not in envelope.headers:
        envelope = envelopes.stamped(envelope)
        body = envelopes.encode(envelope)
    return EndCall(envelope, body, settings.actor_timeout_s)


def _dead(rules: Rules, envelope: Envelope, body: bytes, deliveries: int) -> Decision:
    error = ErrorInfo("Crashed", f"runtime died while handling this envelope, {deliveries} deliveries")
    queue = names.dead_letter_queue(rules.settings.queue)
    send = Send(queue, body, envelope.id, envelope.trace_id, "dead_letter")
    return Decision("error", (send,), reason="Crashed", failed="runtime_crashed", error=error)


def decide(rules: Rules, call: EndCall, reply: Reply, deliveries: int) -> Decision:
    """What follows from the handler's answer; the report it asks for is part of the decision."""
    match reply:
        case Whole() | Streamed() | Nothing():
            try:
                answer = _answer(reply)
            except (ProtocolError, BodyRefused) as problem:
                return _again(ErrorInfo("ProtocolError", str(problem)), "protocol_error")
            report = report_of(rules, call.envelope, answer, deliveries)
            return Decision(
                "paused" if report.kind == "paused" else "end_consumed", report=report, frames=int(answer is not None)
            )
        case Raised(error):
            return replace(_again(error, "runtime_error"), runtime_error="exception")
        case Refused(error):
            return _again(error, "validation_error")
        case Broken(message):
            return replace(_again(ErrorInfo("ProtocolError", message), "protocol_error"), runtime_error="protocol")
        case TooLarge(message):
            return _again(ErrorInfo("OutputTooLarge", message), "output_too_large")
        case Late(limit_s):
            error = ends.late(limit_s)
            return Decision(
                "returned", settle=Settle.COUNTED_RETURN, runtime_error="timeout", error=error, exit_code=EXIT_TIMEOUT
            )
        case Ended(message):
            return ends.gone(message)
        case _:
            return HOLD


def _again(error: ErrorInfo, failed: str) -> Decision:
    return Decision("returned", settle=Settle.AGAIN, failed=failed, error=error)


def _answer(reply: Whole | Streamed | Nothing) -> bytes | None:
    """Payload of the first frame; None when there is none, or it is null or `{}`."""
    if isinstance(reply, Nothing):
        return None
    payload = bytes(payloads_of(reply.body)[0] if isinstance(reply, Whole) else payload_of(reply.frames[0]))
    return None if payload == b"null" or (payload[:1] == b"{" and not strictjson.members(payload)) else payload


def report_of(rules: Rules, envelope: Envelope, answer: bytes | None, deliveries: int) -> Report:
    """The final (or paused) report: made from the envelope, overruled by the handler's answer."""
    members = _from_envelope(rules, envelope, deliveries)
    if answer is not None:
        given = strictjson.members(answer).get("asya_report") if answer[:1] == b"{" else None
        if given is None:
            members["result"] = msgspec.Raw(answer)
        else:
            members.update({name: msgspec.Raw(value) for name, value in _members(given).items()})
    status = members["status"]
    if isinstance(status, msgspec.Raw):
        members["status"] = status = _text(status)
    if status == "failed":
        members.setdefault("record", _record(rules, envelope, deliveries))
    return Report("paused" if status == "paused" else "final", members)


def _from_envelope(rules: Rules, envelope: Envelope, deliveries: int) -> dict[str, Any]:
    status = envelope.status
    known = status.phase in ("failed", "canceled", "paused")
    phase = status.phase if known else "failed" if _is_sump(rules) else "succeeded"
    members: dict[str, Any] = {"status": phase, "result": msgspec.Raw(envelope.payload)}
    if status.reason is not None and (known or phase == "succeeded"):
        members["reason"] = status.reason
    error = status.error if status.error is not None else _members(bytes(envelope.payload)).get("details")
    if phase == "failed":
        if error is not None:
            members["error"] = msgspec.Raw(error)
        members["record"] = _record(rules, envelope, deliveries)
    return members


def _record(rules: Rules, envelope: Envelope, deliveries: int) -> Mapping[str, Any]:
    return {
        "kind": "sump" if _is_sump(rules) else "expired",
        "envelope": msgspec.Raw(envelopes.encode(envelope)),
        "queue": rules.settings.queue,
        "deliveries": deliveries,
    }


def _is_sump(rules: Rules) -> bool:
    return rules.settings.actor_name == rules.settings.sump


def _members(raw: bytes) -> Mapping[str, bytes]:
    """Members of an object; none of anything else."""
    return strictjson.members(raw) if raw[:1] == b"{" else {}


def _text(raw: msgspec.Raw) -> str:
    value = msgspec.json.decode(raw)
    return value if isinstance(value, str) else "failed"


def pause_s(failures: int) -> float:
    """How long to wait after so many failures (>= 1) of a step on this delivery: 0.5, 1, 2 .. 30 s."""
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * float(1 << min(failures - 1, 10)))


def parked(rules: Rules, envelope: Envelope) -> Decision:
    """Five minutes are over: to the own queue with a wait, attempt and status unchanged."""
    count = headers.count_of(envelope.headers, headers.PARKED) + 1
    later = replace(envelope, headers=headers.with_header(envelope.headers, headers.PARKED, b"%d" % count))
    body = envelopes.encode(later)
    send = Send(rules.settings.queue, body, later.id, later.trace_id, "parked", PARKED_S, later)
    return Decision("returned", (send,))
