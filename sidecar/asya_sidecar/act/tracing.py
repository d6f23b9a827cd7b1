"""Spans about messages, when somebody wants them (contract: sidecar, Logs and traces).

Called by the consumer around one delivery. OpenTelemetry (tracing_otel.py) is loaded only when an endpoint is
configured; otherwise every call here is an empty one. Exporting happens in OpenTelemetry's own thread from a bounded
queue and never delays a message.
"""

from collections.abc import Mapping
from typing import Protocol

from asya_sidecar.act import logs


class SendSpan(Protocol):
    """`actor.queue.send`: one message on its way."""

    @property
    def traceparent(self) -> str | None:
        """What goes into the message's `traceparent` header; None: leave the header as it is."""

    def end(self, confirmed: bool) -> None: ...


class CallSpan(Protocol):
    """`actor.runtime.call`: the handler is at work."""

    def end(self, error: str | None = None) -> None: ...


class ProcessSpan(Protocol):
    """`actor.process`: one delivery, from arrival to settlement."""

    def call(self) -> CallSpan: ...

    def send(self, destination_queue: str, message_type: str) -> SendSpan: ...

    def end(self, outcome: str) -> None:
        """`outcome`: the processed status."""


class Tracing(Protocol):
    """Where spans begin."""

    def process(
        self, envelope_id: str, attempt: int, traceparent: str | None, tracestate: str | None
    ) -> ProcessSpan: ...

    async def close(self, within_s: float) -> None:
        """Export what waits, for at most so long."""


def open_tracing(otel: Mapping[str, str], *, actor: str, namespace: str, queue: str) -> Tracing | None:
    """Tracing as configured; None when it is off. `otel` is Settings.otel, empty for off.

    An environment that names an endpoint where OpenTelemetry is not installed is a warning: spans are worth less than
    messages.
    """
    if not otel:
        return None
    try:
        from asya_sidecar.act.tracing_otel import OtelTracing  # here, not above: it costs 15 MB
    except ImportError as error:
        logs.logger().warning(
            "tracing is off: OpenTelemetry cannot be loaded, install asya-mesh[tracing]", error=str(error)
        )
        return None
    if otel.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf") != "http/protobuf":
        logs.logger().warning("OTEL_EXPORTER_OTLP_PROTOCOL is ignored: spans are sent by http/protobuf")
    return OtelTracing(actor=actor, namespace=namespace, queue=queue)
