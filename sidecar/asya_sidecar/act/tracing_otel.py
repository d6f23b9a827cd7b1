"""Tracing by OpenTelemetry (contract: sidecar, Logs and traces).

Imported by tracing.py when an endpoint is configured, and only then. The exporter reads its `OTEL_*` variables
itself, as every program with OpenTelemetry does. Spans that the exporter cannot get rid of are dropped by its bounded
queue.
"""

import asyncio
import threading

from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

FAILED_OUTCOMES = frozenset({"error", "lost"})
_propagator = TraceContextTextMapPropagator()


class OtelTracing:
    """One provider per process, kept here: nothing of it is global."""

    def __init__(self, *, actor: str, namespace: str, queue: str) -> None:
        named = {"service.name": actor, "service.namespace": namespace}
        # What OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME say wins over the names made here.
        resource = Resource(named).merge(Resource.create()) if _service_is_named() else Resource.create(named)
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("asya_sidecar")
        self._attributes: dict[str, str | int] = {"asya.actor": actor, "asya.queue": queue}

    def process(
        self, envelope_id: str, attempt: int, traceparent: str | None, tracestate: str | None
    ) -> "_ProcessSpan":
        """Begin `actor.process`; without a valid `traceparent` it begins a trace."""
        carrier = {"traceparent": traceparent or "", "tracestate": tracestate or ""}
        span = self._tracer.start_span(
            "actor.process",
            context=_propagator.extract(carrier, context.Context()),
            kind=SpanKind.CONSUMER,
            attributes=self._attributes | {"asya.envelope_id": envelope_id, "asya.attempt": attempt},
        )
        return _ProcessSpan(self._tracer, span)

    async def close(self, within_s: float) -> None:
        """Export what waits, for at most so long: in a thread of its own, because an exporter may wait for 10 s."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        threading.Thread(target=self._shut_down, args=(loop, done), name="tracing-close", daemon=True).start()
        try:
            async with asyncio.timeout(within_s):
                await done.wait()
        except TimeoutError:
            return

    def _shut_down(self, loop: asyncio.AbstractEventLoop, done: asyncio.Event) -> None:
        self._provider.shutdown()
        try:
            loop.call_soon_threadsafe(done.set)
        except RuntimeError:
            return  # too late: the loop, and whoever waited, are gone


class _ProcessSpan:
    """A delivery's span, and the beginning of its children."""

    def __init__(self, tracer: trace.Tracer, span: Span) -> None:
        self._tracer = tracer
        self._span = span
        self._context = trace.set_span_in_context(span, context.Context())

    def call(self) -> "_CallSpan":
        return _CallSpan(self._tracer.start_span("actor.runtime.call", self._context, SpanKind.CLIENT))

    def send(self, destination_queue: str, message_type: str) -> "_SendSpan":
        attributes = {"asya.destination_queue": destination_queue, "asya.message_type": message_type}
        return _SendSpan(self._tracer.start_span("actor.queue.send", self._context, SpanKind.PRODUCER, attributes))

    def end(self, outcome: str) -> None:
        self._span.set_attribute("asya.outcome", outcome)
        if outcome in FAILED_OUTCOMES:
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


class _CallSpan:
    def __init__(self, span: Span) -> None:
        self._span = span

    def end(self, error: str | None = None) -> None:
        if error is not None:
            self._span.set_status(Status(StatusCode.ERROR, error))
        self._span.end()


class _SendSpan:
    def __init__(self, span: Span) -> None:
        self._span = span
        carrier: dict[str, str] = {}
        _propagator.inject(carrier, trace.set_span_in_context(span, context.Context()))
        self._traceparent = carrier.get("traceparent")

    @property
    def traceparent(self) -> str | None:
        return self._traceparent

    def end(self, confirmed: bool) -> None:
        if not confirmed:
            self._span.set_status(Status(StatusCode.ERROR, "not confirmed"))
        self._span.end()


def _service_is_named() -> bool:
    """Whether the environment names the service, by the rules of OpenTelemetry."""
    return not str(Resource.create().attributes["service.name"]).startswith("unknown_service")
