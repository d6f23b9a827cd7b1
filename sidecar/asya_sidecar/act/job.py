"""One delivery on its way through the sidecar, and what is remembered of it for the one log line at its end.

Made by act/consumer.py when a delivery arrives, filled by the actors, gone when it is settled. Not frozen: it is the one thing here
that has a history.
"""

from typing import Any

from asya_schemas.envelope import Envelope
from asya_sidecar.act.tracing import ProcessSpan
from asya_transport.port import Delivery


class Job:
    """A delivery in hand. Times are of the event loop's clock, in seconds."""

    __slots__ = (
        "attempt",
        "delivery",
        "envelope",
        "failures",
        "handler_s",
        "hold_until",
        "queue_wait_s",
        "span",
        "started_at",
    )

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery
        self.envelope: Envelope | None = None
        self.attempt = 1
        self.started_at: float | None = None
        self.queue_wait_s: float | None = None
        self.handler_s: float | None = None
        self.hold_until: float | None = None
        self.failures = 0
        self.span: ProcessSpan | None = None

    def names(self) -> dict[str, Any]:
        """What every log line about it carries."""
        if self.envelope is not None:
            return {"envelope_id": self.envelope.id, "trace_id": self.envelope.trace_id}
        return {"envelope_id": self.delivery.message_id}

    @property
    def deliveries(self) -> int:
        """Which delivery of the message this is; a redelivery without a counter counts as the second."""
        if self.delivery.deliveries is None:
            return 2 if self.delivery.redelivered else 1
        return self.delivery.deliveries
