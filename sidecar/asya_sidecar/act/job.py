"""One delivery on its way through the sidecar, and what is remembered of it for the one log line at its end.

Made by act/consumer.py when a delivery arrives, filled by the actors, gone when it is settled. Not frozen: it is the one thing here
that has a history.
"""

from asya_transport.port import Delivery

from asya_schemas.envelope import Envelope
from asya_sidecar.act.tracing import ProcessSpan


class Job:
    """A delivery in hand. Times are of the event loop's clock, in seconds."""

    __slots__ = ("attempt", "delivery", "envelope", "failures", "handler_s", "queue_wait_s", "span", "started_at", "task")

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery
        self.envelope: Envelope | None = None
        self.attempt = 1
        self.started_at: float | None = None
        self.queue_wait_s: float | None = None
        self.handler_s: float | None = None
        self.failures = 0
        self.span: ProcessSpan | None = None

    @property
    def deliveries(self) -> int:
        """Which delivery of the message this is; a redelivery without a counter counts as the second."""
        if self.delivery.deliveries is None:
            return 2 if self.delivery.redelivered else 1
        return self.delivery.deliveries
