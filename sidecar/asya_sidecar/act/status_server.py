"""Answers /healthz, /health, /readyz and /metrics (contract: sidecar, Start and health).

A thread of its own with its own event loop, because `/healthz` has to say 503 exactly when the sidecar's loop no
longer turns, and because a scrape must not wait for messages nor messages for a scrape. Reads Health and Metrics,
changes nothing.
"""

from asya_sidecar.act.health import Health
from asya_sidecar.act.metrics import Metrics
from asya_sidecar.settings import Address


class StatusServer:
    """The HTTP server on `ASYA_METRICS_ADDR`."""

    def __init__(self, address: Address, health: Health, metrics: Metrics) -> None: ...

    def start(self) -> Address:
        """Bind and serve; the address as bound (port 0 has become a real one).

        Raises:
            OSError: the address cannot be had; the text names it and `ASYA_METRICS_ADDR`.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Stop serving, within 1 s."""
        raise NotImplementedError
