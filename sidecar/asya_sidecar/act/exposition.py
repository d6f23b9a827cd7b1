"""Metrics as Prometheus reads them (contract: sidecar, Metrics).

Imported by status_server.py at the first scrape and not before: prometheus_client costs 40 ms and 4 MB, which a
sidecar that nobody scrapes (the local mesh) need not have. Runs in the status server's thread; copies what the event
loop may be changing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from asya_sidecar.act.metrics import Histogram, Metrics

Labels = dict[str, str]


class Exposition:
    """Renders one Metrics, and the process's own metrics beside it."""

    def __init__(self, metrics: Metrics) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Families(metrics))
        ProcessCollector(registry=self._registry)

    def render(self, accept: str) -> tuple[bytes, str]:
        """Body and content type; OpenMetrics when `accept` asks for it."""
        encode: Callable[[CollectorRegistry], bytes]
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


class _Families(Collector):
    """The contract's table, row by row."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._prefix = metrics.namespace

    def describe(self) -> Iterable[Metric]:
        """Nothing: what is registered once needs no check against others."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All series as they are now."""
        m = self._metrics
        queue = {"queue": m.queue}
        broker = queue | {"transport": m.transport}
        yield self._counter("messages_received", "Deliveries", [(broker, m.messages_received)])
        yield self._counter("redeliveries", "Deliveries that were not their message's first", [(queue, m.redeliveries)])
        yield self._counter(
            "messages_processed", "Settled deliveries by outcome", _each(queue, "status", m.messages_processed)
        )
        yield self._counter("messages_failed", "Failures by reason", _each(queue, "reason", m.messages_failed))
        sent = [
            ({"destination_queue": to, "message_type": kind}, n) for (to, kind), n in m.messages_sent.copy().items()
        ]
        yield self._counter("messages_sent", "Confirmed sends", sent)
        yield self._counter(
            "runtime_errors", "Calls of the runtime that went wrong", _each(queue, "error_type", m.runtime_errors)
        )
        yield from self._histograms(queue, broker)
        yield self._gauge("active_messages", "Deliveries in hand", [(queue, m.active_messages)])
        yield self._gauge("prefetch", "The window: how many may be in hand", [(queue, m.prefetch)])
        yield self._gauge("consuming", "1 while messages are fetched", [(queue, m.consuming())])
        yield self._gauge("connection_up", "1 while connected", _each(queue, "direction", m.connected()._asdict()))
        yield self._counter("stalls", "Stops of consumption by reason", _each(queue, "reason", m.stalls))
        yield self._counter("reconnects", "Connections made again", [(queue, m.reconnects)])
        reports = [({"kind": kind, "result": result}, n) for (kind, result), n in m.gateway_reports.items()]
        yield self._counter("gateway_reports", "Reports to the gateway", reports)
        yield self._gauge("gateway_reports_pending", "Reports that wait", [({}, m.gateway_reports_pending())])
        yield self._counter("log_lines_dropped", "Log lines no reader took in time", [({}, m.log_lines_dropped())])
        yield self._gauge("build_info", "The running version", [({"version": version("asya-mesh")}, 1)])

    def _histograms(self, queue: Labels, broker: Labels) -> Iterator[Metric]:
        m = self._metrics
        yield self._histogram("processing_duration_seconds", "Arrival to settled", [(queue, m.processing)])
        yield self._histogram(
            "runtime_execution_duration_seconds", "Request written to answer complete", [(queue, m.runtime_execution)]
        )
        yield self._histogram(
            "queue_receive_duration_seconds", "Arrival to start of processing", [(broker, m.queue_receive)]
        )
        sends = [
            ({"destination_queue": to, "transport": m.transport}, histogram)
            for to, histogram in m.queue_send.copy().items()
        ]
        yield self._histogram("queue_send_duration_seconds", "Publish to confirm", sends)
        yield self._histogram("queue_wait_seconds", "Sent to arrived, by the clocks of both", [(queue, m.queue_wait)])
        sizes = [(queue | {"direction": "received"}, m.size_received), (queue | {"direction": "sent"}, m.size_sent)]
        yield self._histogram("message_size_bytes", "Size of bodies", sizes)

    def _counter(self, name: str, help_text: str, series: Iterable[tuple[Labels, int]]) -> Metric:
        family = CounterMetricFamily(f"{self._prefix}_{name}", help_text)
        for labels, value in series:
            family.add_sample(f"{self._prefix}_{name}_total", labels, value)
        return family

    def _gauge(self, name: str, help_text: str, series: Iterable[tuple[Labels, int]]) -> Metric:
        family = GaugeMetricFamily(f"{self._prefix}_{name}", help_text)
        for labels, value in series:
            family.add_sample(f"{self._prefix}_{name}", labels, int(value))
        return family

    def _histogram(self, name: str, help_text: str, series: Iterable[tuple[Labels, Histogram]]) -> Metric:
        full = f"{self._prefix}_{name}"
        family = HistogramMetricFamily(full, help_text)
        for labels, histogram in series:
            count = 0
            for bound, n in zip((*map(str, histogram.bounds), "+Inf"), histogram.counts.copy(), strict=True):
                count += n
                family.add_sample(f"{full}_bucket", labels | {"le": bound}, count)
            family.add_sample(f"{full}_count", labels, count)
            family.add_sample(f"{full}_sum", labels, histogram.total)
        return family


def _each(fixed: Labels, label: str, values: Mapping[str, int]) -> list[tuple[Labels, int]]:
    return [(fixed | {label: word}, value) for word, value in values.items()]
