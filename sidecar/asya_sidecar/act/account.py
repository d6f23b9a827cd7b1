"""What is counted, logged and reported of a delivery; nothing here changes what happens to it.

Called by act/consumer.py at arrival, start and end of each delivery (contract: sidecar, Metrics, Logs and traces).
"""

import asyncio
from datetime import datetime
from typing import Any, Final

from asya_schemas import durations, headers
from asya_schemas.envelope import Envelope
from asya_sidecar.act.gateway import Gateway
from asya_sidecar.act.job import Job
from asya_sidecar.act.metrics import Metrics
from asya_sidecar.act.tracing import Tracing
from asya_sidecar.decide.decision import Decision, Send

MAX_DESTINATIONS: Final = 5


class Account:
    """One per process."""

    def __init__(
        self, actor: str, metrics: Metrics, gateway: Gateway | None, tracing: Tracing | None, log: Any
    ) -> None:
        self._actor = actor
        self._metrics = metrics
        self._gateway = gateway
        self._tracing = tracing
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._no_counter_told = False

    def window(self, size: int) -> None:
        """The window has this size now."""
        self._metrics.prefetch = size

    def in_hand(self, count: int) -> None:
        """So many deliveries are unsettled."""
        self._metrics.active_messages = count

    def arrived(self, job: Job, in_hand: int) -> None:
        """A delivery came."""
        delivery = job.delivery
        self._metrics.received(len(delivery.body), delivery.redelivered)
        self._metrics.active_messages = in_hand
        if delivery.redelivered and delivery.deliveries is None and not self._no_counter_told:
            self._no_counter_told = True
            self._log.warning(
                "this queue does not count deliveries: a message that kills its pod is noticed only by its redelivered flag"
            )

    def started(self, job: Job) -> None:
        """Its turn has come."""
        assert job.started_at is not None, "set by the caller"
        self._metrics.queue_receive.observe(job.started_at - job.delivery.received_at)

    def recognised(self, job: Job, envelope: Envelope, now: datetime) -> bool:
        """The body is this envelope. True the first time; a held delivery is looked at again."""
        first = job.envelope is None
        job.envelope = envelope
        if not first:
            return False
        status = envelope.status
        job.attempt = status.attempt_at(self._actor)
        for warning in status.warnings:
            self._log.warning("status ignored in part", **job.names(), why=warning)
        if status.updated_at is not None and status.phase != "retrying":
            self._measure_wait(job, status.updated_at, now)
        if self._tracing is not None:
            parent = headers.text_of(envelope.headers, headers.TRACEPARENT)
            state = headers.text_of(envelope.headers, headers.TRACESTATE)
            job.span = self._tracing.process(envelope.id, job.attempt, parent, state)
        return True

    def _measure_wait(self, job: Job, updated_at: str, now: datetime) -> None:
        sent = durations.parse_time(updated_at)
        if sent is not None:
            waited_s = (now - sent).total_seconds() - (self._loop.time() - job.delivery.received_at)
            job.queue_wait_s = max(0.0, waited_s)
            self._metrics.queue_wait.observe(job.queue_wait_s)

    def failed_step(self, job: Job, decision: Decision) -> None:
        """An end actor's handler has not stored; it will be called again."""
        self._count_failure(decision)
        error = decision.error
        self._log.warning(
            "not stored yet",
            **job.names(),
            error_type=None if error is None else error.type,
            error_message=None if error is None else error.message,
            failures=job.failures + 1,
        )

    def lost(self, job: Job) -> None:
        """The delivery is no longer ours; the broker hands it out again."""
        self._log.debug("delivery lost, results dropped", **job.names())
        if job.span is not None:
            job.span.end("lost")

    def finished(self, job: Job, decision: Decision, sends: tuple[Send, ...] = ()) -> None:
        """Settled."""
        metrics = self._metrics
        total_s = self._loop.time() - job.delivery.received_at
        metrics.processed(decision.processed)
        metrics.processing.observe(total_s)
        self._count_failure(decision)
        self._write(job, decision, sends, total_s)
        if job.span is not None:
            job.span.end(decision.processed)
        if self._gateway is not None and job.envelope is not None:
            self._report(self._gateway, job, decision)

    def _count_failure(self, decision: Decision) -> None:
        if decision.failed is not None:
            self._metrics.failed(decision.failed)
        if decision.runtime_error is not None:
            self._metrics.runtime_error(decision.runtime_error)

    def _write(self, job: Job, decision: Decision, sends: tuple[Send, ...], total_s: float) -> None:
        members: dict[str, Any] = job.names()
        if job.envelope is None and sends:  # malformed: the name it was given on its way to the sump
            members |= {"envelope_id": sends[0].id, "trace_id": sends[0].trace_id}
        members["attempt"] = job.attempt
        members["outcome"] = decision.processed
        if decision.reason is not None:
            members["reason"] = decision.reason
        members["destinations"] = [send.queue for send in sends[:MAX_DESTINATIONS]]
        members["frames"] = decision.frames
        if job.queue_wait_s is not None:
            members["queue_wait_ms"] = _ms(job.queue_wait_s)
        if job.handler_s is not None:
            members["handler_ms"] = _ms(job.handler_s)
        members["total_ms"] = _ms(total_s)
        if decision.error is not None:
            members["error_type"] = decision.error.type
            members["error_message"] = decision.error.message
        if decision.processed == "returned":
            self._log.warning("envelope done", **members)
        elif decision.failed is not None:
            self._log.error("envelope done", **members)
        else:
            self._log.info("envelope done", **members)

    def _report(self, gateway: Gateway, job: Job, decision: Decision) -> None:
        assert job.envelope is not None, "checked by the caller"
        if decision.children:
            gateway.children(job.envelope, decision.children, attempt=job.attempt)
        if decision.progress is not None:
            duration_ms = None if job.handler_s is None else job.handler_s * 1000
            message = None if decision.error is None else decision.error.message
            gateway.progress(
                job.envelope, decision.progress, attempt=job.attempt, message=message, duration_ms=duration_ms
            )


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
