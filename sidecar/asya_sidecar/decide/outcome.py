"""What follows from the runtime's answer?

Pure: the input and the reply in, the decision out: outcomes O1 to O14 and O19 (contract: sidecar, Outcomes). Called by
act/consumer.py after every call of an ordinary actor, which obeys and adds no condition of its own.
"""

from datetime import datetime
from typing import Final

from msgspec.structs import replace

from asya_schemas import durations, headers, strictjson
from asya_schemas.envelope import Envelope, encode
from asya_schemas.errors import ErrorInfo
from asya_schemas.frames import Frame, ProtocolError, made_of, read_answer, read_frame
from asya_sidecar.decide import ends, retry
from asya_sidecar.decide.admit import Call
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
    Whole,
    has_more_frames,
)
from asya_sidecar.decide.decision import EXIT_TIMEOUT, Decision, Rules, Send, Settle

HOLD: Final = Decision("returned", settle=Settle.HOLD)
"""O10, at first."""
UNAVAILABLE: Final = Decision("returned", settle=Settle.RETURN, runtime_error="unavailable")
"""O10, after HOLD_S in vain."""


def decide(rules: Rules, call: Call, reply: Reply, now: datetime, factor: float, stopped: bool = False) -> Decision:
    """The decision after a call; `factor` is the jitter of a retry, from 0.75 to 1.25.

    `stopped`: the task was cancelled meanwhile, so what the handler made or failed to make interests nobody (O16).
    """
    if stopped and isinstance(reply, (Whole, Streamed, Nothing, Raised)):
        return ends.canceled(rules, call.envelope, now)
    match reply:
        case Whole() | Streamed():
            return _frames(rules, call, reply, now)
        case Nothing():
            return ends.aborted(rules, call.envelope, now)
        case Raised(error):
            return _raised(rules, call, error, now, factor)
        case Refused(error):
            return ends.failure(rules, call.envelope, "ValidationError", "validation_error", error, now)
        case Late(limit_s):
            error = ends.late(limit_s)
            return ends.failure(
                rules, call.envelope, "Timeout", "timeout", error, now, runtime_error="timeout", exit_code=EXIT_TIMEOUT
            )
        case Ended(message):
            return ends.gone(message)
        case Broken(message):
            return _protocol_error(rules, call, message, now)
        case TooLarge(message):
            return _too_large(rules, call, message, now)
        case _:
            return HOLD


def _frames(rules: Rules, call: Call, reply: Whole | Streamed, now: datetime) -> Decision:
    """O1, with O13, O14 and the sump in a route (O19)."""
    allowed = rules.settings.max_frames
    if isinstance(reply, Whole) and has_more_frames(reply.body, allowed):
        return _too_large(rules, call, f"more than {allowed} frames", now)
    try:
        if isinstance(reply, Whole):
            frames = read_answer(reply.body, call.envelope)
        else:
            frames = [read_frame(raw, call.envelope) for raw in reply.frames]
    except ProtocolError as error:
        return _protocol_error(rules, call, str(error), now)
    if not frames:
        return ends.aborted(rules, call.envelope, now)
    if len(frames) > allowed:
        return _too_large(rules, call, f"more than {allowed} frames", now)
    made = made_of(ends.leaving(call.envelope), frames)
    sends = []
    routed_to_sump: ErrorInfo | None = None
    for index, (frame, envelope) in enumerate(zip(frames, made, strict=True)):
        if envelope.route.curr == rules.settings.sump:
            routed_to_sump = ErrorInfo("RoutedToSump", f"the route leads to {rules.settings.sump}")
            sends.append(ends.error_send(rules, envelope, "RoutedToSump", routed_to_sump, now))
            continue
        send = _onward(rules, envelope, now)
        problem = _size_problem(rules, frame, send)
        if problem:
            return _too_large(rules, call, f"frame {index} {problem}", now)
        sends.append(send)
    return Decision(
        processed="error" if routed_to_sump else "success",
        sends=tuple(sends),
        reason="RoutedToSump" if routed_to_sump else "Completed" if sends[0].message_type == "sink" else None,
        failed="routed_to_sump" if routed_to_sump else None,
        error=routed_to_sump,
        progress="completed",
        children=tuple(made) if len(made) > 1 else (),
        frames=len(made),
    )


def _onward(rules: Rules, envelope: Envelope, now: datetime) -> Send:
    """One frame to the next actor, or to the sink when its route is finished or names the sink."""
    settings = rules.settings
    to = envelope.route.curr
    if to in ("", settings.sink):
        done = replace(envelope, status=envelope.status.succeeded(settings.actor_name, now))
        return Send(rules.sink_queue, encode(done), done.id, done.trace_id, "sink", envelope=done)
    onward = replace(envelope, status=envelope.status.sent(to, now))
    return Send(settings.queue_of(to), encode(onward), onward.id, onward.trace_id, "routing", envelope=onward, actor=to)


def _size_problem(rules: Rules, frame: Frame, send: Send) -> str | None:
    if len(frame.payload) > rules.max_message_bytes:
        return f"has a payload of {len(frame.payload)} bytes, allowed are {rules.max_message_bytes}"
    if len(send.body) > rules.reader_bytes:
        return f"makes a message of {len(send.body)} bytes, allowed are {rules.reader_bytes}"
    return None


def _raised(rules: Rules, call: Call, error: ErrorInfo, now: datetime, factor: float) -> Decision:
    """O3 to O7."""
    envelope = call.envelope
    first = headers.first_attempt(envelope.headers) if call.attempt > 1 else None
    verdict = retry.after_error(
        rules.settings,
        error,
        attempt=call.attempt,
        first_attempt=first or call.began,
        deadline=envelope.status.deadline,
        now=now,
        factor=factor,
        max_delay_s=rules.max_delay_s,
    )
    match verdict:
        case retry.Again():
            decision = _again(rules, call, verdict, error, first or call.began, now)
        case retry.TooLate():
            decision = ends.expired(rules, envelope, error, now)
        case retry.Exhausted(policy) if policy.on_exhausted:
            decision = _recover(rules, envelope, verdict, error, now)
        case retry.Exhausted(policy):
            decision = ends.failure(
                rules, envelope, "PolicyExhausted", "policy_exhausted", error, now, max_attempts=policy.max_attempts
            )
        case _:
            decision = ends.failure(rules, envelope, "RuntimeError", "runtime_error", error, now)
    return replace(decision, runtime_error="exception")


def _again(
    rules: Rules, call: Call, verdict: retry.Again, error: ErrorInfo, first: datetime, now: datetime
) -> Decision:
    """O3: the input, delayed, to the own queue."""
    settings = rules.settings
    noted = strictjson.text(durations.format_time(first))
    envelope = replace(
        call.envelope,
        headers=headers.with_header(call.envelope.headers, headers.FIRST_ATTEMPT, noted),
        status=call.envelope.status.retrying(settings.actor_name, verdict.policy.max_attempts, error, now),
    )
    body = ends.fitting(rules, envelope, error)
    if body is None:
        return ends.too_large_input(rules, call.envelope, now)
    longest_s = verdict.policy.max_interval_s
    send = Send(
        settings.queue,
        body,
        envelope.id,
        envelope.trace_id,
        "retry",
        verdict.delay_s,
        envelope,
        longest_s=longest_s,
    )
    return Decision("retried", (send,), error=error, progress="retrying")


def _recover(rules: Rules, envelope: Envelope, verdict: retry.Exhausted, error: ErrorInfo, now: datetime) -> Decision:
    """O6: the input to the first actor of `onExhausted`."""
    settings = rules.settings
    first, *rest = verdict.policy.on_exhausted
    moved = replace(
        ends.leaving(envelope),
        route=envelope.route.redirect(first, tuple(rest)),
        status=envelope.status.routed(settings.actor_name, error, now, verdict.policy.max_attempts),
    )
    body = ends.fitting(rules, moved, error)
    if body is None:
        return ends.too_large_input(rules, envelope, now)
    queue = settings.queue_of(first)
    send = Send(queue, body, moved.id, moved.trace_id, "on_exhausted", envelope=moved, actor=first)
    return Decision("policy_routed", (send,), reason="PolicyRouted", error=error)


def undeliverable(rules: Rules, decision: Decision, given_up: tuple[Send, ...], now: datetime) -> Decision:
    """O19: these destinations have no queue; each of them as an error envelope to the sump."""
    sends = []
    error = decision.error
    for send in given_up:
        assert send.envelope is not None, "a send that may be given up carries its envelope"
        error = ErrorInfo("UnknownActor", f"no queue for actor {send.actor}")
        sends.append(ends.error_send(rules, send.envelope, "UnknownActor", error, now))
    return replace(
        decision,
        processed="error",
        sends=tuple(sends),
        reason="UnknownActor",
        failed="unknown_actor",
        error=error,
        progress=None,
    )


def _protocol_error(rules: Rules, call: Call, message: str, now: datetime) -> Decision:
    error = ErrorInfo("ProtocolError", message)
    return ends.failure(rules, call.envelope, "ProtocolError", "protocol_error", error, now, runtime_error="protocol")


def _too_large(rules: Rules, call: Call, message: str, now: datetime) -> Decision:
    error = ErrorInfo("OutputTooLarge", message)
    return ends.failure(rules, call.envelope, "OutputTooLarge", "output_too_large", error, now)
