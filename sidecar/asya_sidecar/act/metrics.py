"""What the sidecar counts (contract: sidecar, Metrics).

Called by everything in act/ on the path of a message, so it holds plain numbers: no lock, no label look-up by text
where a name can be resolved once. exposition.py turns them into Prometheus text when somebody asks. Used by the event
loop's thread only; the status server's thread reads, which at worst sees one counter newer than another.
"""

from bisect import bisect_left
from collections.abc import Callable

from asya_transport.port import Connected

SECONDS_A = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
SECONDS_B = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
BYTES_C = tuple(100.0 * 10**k for k in range(8))
MAX_DESTINATIONS = 100
OTHER_DESTINATION = "other"

STATUSES = (
    "success",
    "empty_response",
    "retried",
    "policy_routed",
    "error",
    "expired",
    "canceled",
    "returned",
    "end_consumed",
    "paused",
)
FAILURES = (
    "parse_error",
    "validation_error",
    "route_mismatch",
    "hop_limit",
    "routed_to_sump",
    "unknown_actor",
    "runtime_error",
    "policy_exhausted",
    "timeout",
    "runtime_crashed",
    "protocol_error",
    "output_too_large",
    "deadline_expired",
    "transport_error",
    "internal_error",
)
MESSAGE_TYPES = ("routing", "sink", "sump", "retry", "on_exhausted", "parked", "dead_letter")
RUNTIME_ERRORS = ("exception", "timeout", "crash", "protocol", "unavailable")
STALL_REASONS = (
    "starting",
    "runtime_not_ready",
    "broker_unreachable",
    "access_refused",
    "queue_missing",
    "consumer_cancelled",
    "publish_blocked",
    "publish_refused",
    "destination_missing",
    "final_report_pending",
    "draining",
)
REPORT_KINDS = ("progress", "children", "partial", "paused", "final")
REPORT_RESULTS = ("sent", "dropped", "failed", "parked")


class Histogram:
    """Observations in buckets; `counts` has one more entry than `bounds`, for what is above the last."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Metrics:
    """All series of one sidecar. Gauges are plain members that their owner sets."""

    def __init__(self, queue: str, transport: str, namespace: str = "asya_actor") -> None:
        self.queue = queue
        self.transport = transport
        self.namespace = namespace
        self.messages_received = 0
        self.redeliveries = 0
        self.messages_processed = dict.fromkeys(STATUSES, 0)
        self.messages_failed = dict.fromkeys(FAILURES, 0)
        self.messages_sent = {(queue, "retry"): 0, (queue, "parked"): 0}
        """By destination queue and message type."""
        self.runtime_errors = dict.fromkeys(RUNTIME_ERRORS, 0)
        self.processing = Histogram(SECONDS_A)
        self.runtime_execution = Histogram(SECONDS_A)
        self.queue_receive = Histogram(SECONDS_B)
        self.queue_send: dict[str, Histogram] = {}
        """By destination queue."""
        self.queue_wait = Histogram(SECONDS_A)
        self.size_received = Histogram(BYTES_C)
        self.size_sent = Histogram(BYTES_C)
        self.active_messages = 0
        self.prefetch = 0
        self.consuming: Callable[[], bool] = bool
        """Asked when somebody looks; act/process.py puts the transport here."""
        self.connected: Callable[[], Connected] = lambda: Connected(consume=False, publish=False)
        """Asked when somebody looks; act/process.py puts the transport here."""
        self.stalls = dict.fromkeys(STALL_REASONS, 0)
        self.reconnects = 0
        self.gateway_reports = {(kind, result): 0 for kind in REPORT_KINDS for result in REPORT_RESULTS}
        self.gateway_reports_pending: Callable[[], int] = int
        """Asked when somebody looks; the reporter puts itself here."""
        self.log_lines_dropped: Callable[[], int] = int
        """Asked when somebody looks; `__main__` puts the log writer here."""

    def received(self, size_bytes: int, redelivered: bool) -> None:
        """A delivery arrived; `redelivered`: it is not the first of its message."""
        self.messages_received += 1
        self.redeliveries += redelivered
        self.size_received.observe(size_bytes)

    def processed(self, status: str) -> None:
        """A delivery is settled; one of STATUSES.

        Raises:
            KeyError: another word.
        """
        self.messages_processed[status] += 1

    def failed(self, reason: str) -> None:
        """One of FAILURES.

        Raises:
            KeyError: another word.
        """
        self.messages_failed[reason] += 1

    def sent(self, destination_queue: str, message_type: str, duration_s: float, size_bytes: int) -> None:
        """A send was confirmed; one of MESSAGE_TYPES. The 101st different destination and those after it are
        `other`.
        """
        histogram = self.queue_send.get(destination_queue)
        if histogram is None:
            if len(self.queue_send) >= MAX_DESTINATIONS:
                destination_queue = OTHER_DESTINATION
            histogram = self.queue_send.setdefault(destination_queue, Histogram(SECONDS_B))
        histogram.observe(duration_s)
        self.size_sent.observe(size_bytes)
        key = (destination_queue, message_type)
        self.messages_sent[key] = self.messages_sent.get(key, 0) + 1

    def runtime_error(self, error_type: str) -> None:
        """One of RUNTIME_ERRORS.

        Raises:
            KeyError: another word.
        """
        self.runtime_errors[error_type] += 1

    def stalled(self, reason: str) -> None:
        """Consumption stopped; one of STALL_REASONS.

        Raises:
            KeyError: another word.
        """
        self.stalls[reason] += 1

    def gateway_report(self, kind: str, result: str, count: int = 1) -> None:
        """`count` reports of one of REPORT_KINDS had one of REPORT_RESULTS.

        Raises:
            KeyError: another word.
        """
        self.gateway_reports[kind, result] += count
