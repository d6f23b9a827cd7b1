"""One delivery of an ordinary actor: checked, handed to the runtime, decided.

Called by act/consumer.py, one delivery at a time. Reads clocks and dice for the pure rules of decide/ and asks the gateway whether the
task is stopped. Must not send and must not settle.
"""

import asyncio
import random
import uuid
from datetime import UTC, datetime
from typing import Any

from asya_schemas import durations, headers
from asya_schemas.envelope import Envelope
from asya_sidecar.act.gateway import Gateway
from asya_sidecar.act.job import Job
from asya_sidecar.act.metrics import Metrics
from asya_sidecar.act.runtime_client import RuntimeClient
from asya_sidecar.act.tracing import Tracing
from asya_sidecar.decide import ends, outcome
from asya_sidecar.decide.admit import Call, admit, read
from asya_sidecar.decide.answer import Reply, Unavailable, Unreachable
from asya_sidecar.decide.decision import Decision, Rules
from asya_sidecar.decide.window import Window


class OrdinaryActor:
    """Steps 1 to 9 of the order of checks, the call, the outcome."""

    def __init__(
        self,
        rules: Rules,
        runtime: RuntimeClient,
        window: Window,
        metrics: Metrics,
        gateway: Gateway | None,
        tracing: Tracing | None,
        log: Any,
    ) -> None:
        self._rules = rules
        self._runtime = runtime
        self._window = window
        self._metrics = metrics
        self._gateway = gateway
        self._tracing = tracing
        self._log = log
        self._loop = asyncio.get_running_loop()

    async def decide(self, job: Job) -> Decision:
        """What becomes of this delivery."""
        rules = self._rules
        now = datetime.now(UTC)
        envelope = read(rules, job.delivery.body, job.delivery.message_id, now)
        if isinstance(envelope, Decision):
            return envelope
        began_before = job.envelope is not None  # it was held: it has been counted, traced and reported already
        job.envelope = envelope
        if not began_before:
            self._begin(job, envelope, now)
        call = admit(rules, envelope, job.deliveries, now)
        if isinstance(call, Decision):
            return call
        gateway = self._gateway
        if gateway is not None:
            window, mean_s = self._window.size, self._window.mean_s
            if await gateway.is_stopped(envelope, window=window, mean_call_s=mean_s):
                return ends.canceled(rules, call.envelope, now)
            gateway.progress(envelope, "processing", attempt=call.attempt)
        reply = await self._call(job, call)
        stopped = gateway is not None and gateway.known_stopped(envelope)
        return outcome.decide(rules, call, reply, datetime.now(UTC), random.uniform(0.75, 1.25), stopped)

    async def report(self, job: Job, decision: Decision) -> Decision:  # noqa: ARG002 - the end actors' part of the port
        """Nothing must be reported before the settlement."""
        return decision

    async def wait(self, job: Job, why: str) -> Decision | None:
        """Never asked: no outcome of an ordinary actor is "again"."""
        raise AssertionError(f"an ordinary actor never waits with a delivery: {job.names()}, {why}")

    def _begin(self, job: Job, envelope: Envelope, now: datetime) -> None:
        """Measure, trace and report the arrival."""
        own = self._rules.settings.actor_name
        status = envelope.status
        job.attempt = status.attempt_at(own)
        for warning in status.warnings:
            self._log.warning(
                "status ignored in part", envelope_id=envelope.id, trace_id=envelope.trace_id, why=warning
            )
        if status.updated_at is not None and status.phase != "retrying":
            sent = durations.parse_time(status.updated_at)
            if sent is not None:
                waited_s = (now - sent).total_seconds() - (self._loop.time() - job.delivery.received_at)
                job.queue_wait_s = max(0.0, waited_s)
                self._metrics.queue_wait.observe(job.queue_wait_s)
        if self._tracing is not None:
            job.span = self._tracing.process(
                envelope.id,
                job.attempt,
                headers.text_of(envelope.headers, headers.TRACEPARENT),
                headers.text_of(envelope.headers, headers.TRACESTATE),
            )
        if self._gateway is not None:
            wait_ms = None if job.queue_wait_s is None else job.queue_wait_s * 1000
            size = len(job.delivery.body)
            self._gateway.progress(envelope, "received", attempt=job.attempt, queue_wait_ms=wait_ms, size_bytes=size)

    async def _call(self, job: Job, call: Call) -> Reply:
        span = None if job.span is None else job.span.call()
        began = self._loop.time()
        reply = await self._runtime.call(call.body, call.limit_s, self._partials(call))
        if not isinstance(reply, (Unreachable, Unavailable)):
            job.handler_s = self._loop.time() - began
            self._metrics.runtime_execution.observe(job.handler_s)
        if span is not None:
            error = getattr(reply, "message", None)
            span.end(error)
        return reply

    def _partials(self, call: Call) -> "_Partials | None":
        return None if self._gateway is None else _Partials(self._gateway, call)


class _Partials:
    """Hands the `partial` events of one call to the gateway, numbered."""

    __slots__ = ("_attempt", "_call", "_envelope", "_gateway", "_index")

    def __init__(self, gateway: Gateway, call: Call) -> None:
        self._gateway = gateway
        self._envelope = call.envelope
        self._attempt = call.attempt
        self._call = uuid.uuid4().hex
        self._index = 0

    def __call__(self, data: bytes) -> None:
        self._gateway.partial(self._envelope, call=self._call, index=self._index, data=data, attempt=self._attempt)
        self._index += 1
