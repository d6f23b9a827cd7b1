"""The ends of a task at this actor that do not depend on what the handler made.

Pure: an input and a finding in, the decision out. Called by admit.py (before the call) and outcome.py (after it).
Everything to the sink is the input with a status; everything to the sump is an error envelope, which always fits.
"""

from datetime import datetime

from msgspec.structs import replace

from asya_schemas import failure as failures
from asya_schemas import headers, salvage
from asya_schemas.envelope import Envelope, encode
from asya_schemas.errors import ErrorInfo
from asya_schemas.refusal import Refused
from asya_schemas.status import Status
from asya_sidecar.decide.decision import Decision, Rules, Send, Settle


def failure(
    rules: Rules,
    envelope: Envelope,
    reason: str,
    failed: str,
    error: ErrorInfo,
    now: datetime,
    *,
    max_attempts: int | None = None,
    runtime_error: str | None = None,
    exit_code: int | None = None,
) -> Decision:
    """An error envelope to the sump, `status` failed with `reason`."""
    return Decision(
        processed="error",
        sends=(error_send(rules, envelope, reason, error, now, max_attempts),),
        reason=reason,
        failed=failed,
        runtime_error=runtime_error,
        error=error,
        exit_code=exit_code,
    )


def error_send(
    rules: Rules, envelope: Envelope, reason: str, error: ErrorInfo, now: datetime, max_attempts: int | None = None
) -> Send:
    """The error envelope of `envelope`, on its way to the sump."""
    body = failures.error_envelope(
        leaving(envelope),
        reason,
        error,
        actor=rules.settings.actor_name,
        now=now,
        max_bytes=rules.reader_bytes,
        max_attempts=max_attempts,
    )
    return Send(rules.sump_queue, body, envelope.id, envelope.trace_id, "sump")


def expired(rules: Rules, envelope: Envelope, error: ErrorInfo | None, now: datetime) -> Decision:
    """O7, O15: the input to the sink; `error` is that of the last attempt, if there was one."""
    status = envelope.status.expired(rules.settings.actor_name, now, error)
    if error is None:
        error = ErrorInfo("DeadlineExceeded", "the deadline passed before the call")
    return to_sink(
        rules, envelope, status, Decision("expired", reason="Timeout", failed="deadline_expired"), error, now
    )


def canceled(rules: Rules, envelope: Envelope, now: datetime) -> Decision:
    """O16: the input to the sink."""
    status = envelope.status.canceled(rules.settings.actor_name, now)
    return to_sink(rules, envelope, status, Decision("canceled", reason="Canceled"), None, now)


def aborted(rules: Rules, envelope: Envelope, now: datetime) -> Decision:
    """O2: the handler made nothing; the input, route as received, to the sink."""
    status = envelope.status.aborted(rules.settings.actor_name, now)
    decision = Decision("empty_response", reason="Aborted", progress="completed")
    return to_sink(rules, envelope, status, decision, None, now)


def to_sink(
    rules: Rules, envelope: Envelope, status: Status, decision: Decision, error: ErrorInfo | None, now: datetime
) -> Decision:
    """`decision` with the input on its way to the sink; where it no longer fits, the failure that says so."""
    body = fitting(rules, replace(leaving(envelope), status=status), error)
    if body is None:
        return too_large_input(rules, envelope, now)
    return replace(
        decision,
        sends=(Send(rules.sink_queue, body, envelope.id, envelope.trace_id, "sink", envelope=envelope),),
        error=error,
    )


def fitting(rules: Rules, envelope: Envelope, error: ErrorInfo | None) -> bytes | None:
    """The encoded input, its error cut where needed; None when it cannot be sent."""
    if error is not None and envelope.status.error is not None:
        return failures.encode_fitting(envelope, error, rules.reader_bytes)
    body = encode(envelope)
    return body if len(body) <= rules.reader_bytes else None


def too_large_input(rules: Rules, envelope: Envelope, now: datetime) -> Decision:
    """The input plus what the mesh adds exceeds the limit of a message."""
    error = ErrorInfo("OutputTooLarge", f"the envelope no longer fits a message of {rules.reader_bytes} bytes")
    return failure(rules, envelope, "OutputTooLarge", "output_too_large", error, now)


def too_large_output(rules: Rules, envelope: Envelope, now: datetime) -> Decision:
    """O14, found by the broker: it refused a message that was within our own limits."""
    error = ErrorInfo("OutputTooLarge", f"makes a message above the {rules.reader_bytes} bytes that the broker takes")
    return failure(rules, envelope, "OutputTooLarge", "output_too_large", error, now)


def malformed(rules: Rules, body: bytes, message_id: str | None, refusal: Refused, now: datetime) -> Decision:
    """O17: what was refused, wrapped, to the sump."""
    found = salvage.salvage(body, message_id, refusal)
    wrapped = failures.refused_envelope(
        body,
        refusal,
        actor=rules.settings.actor_name,
        transport_message_id=message_id,
        now=now,
        max_bytes=rules.reader_bytes,
    )
    trace_id = headers.trace_id(found.headers, found.id)
    return Decision(
        processed="error",
        sends=(Send(rules.sump_queue, wrapped, found.id, trace_id, "sump"),),
        reason=refusal.type,
        failed=refusal.verdict,
        error=ErrorInfo(refusal.type, refusal.message, code=refusal.code, path=refusal.path),
    )


def late(limit_s: float) -> ErrorInfo:
    """The error of a call that ran past its limit."""
    return ErrorInfo("DeadlineExceeded", f"Runtime timeout exceeded after {round(limit_s, 3):g}s")


def gone(message: str) -> Decision:
    """O11: the runtime went away during the call."""
    error = ErrorInfo("RuntimeGone", message)
    return Decision("returned", settle=Settle.COUNTED_RETURN, runtime_error="crash", error=error)


def leaving(envelope: Envelope) -> Envelope:
    """The envelope without what is only known at this actor."""
    if headers.FIRST_ATTEMPT not in envelope.headers:
        return envelope
    return replace(envelope, headers=headers.with_header(envelope.headers, headers.FIRST_ATTEMPT, None))
