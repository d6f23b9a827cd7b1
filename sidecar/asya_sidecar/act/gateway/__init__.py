"""Everything the sidecar says to the gateway, and the one thing it asks (contract: sidecar, Gateway reports).

`Gateway` is the front of this package: the consumer calls its quick methods, which never wait; end actors await
`final`. reports.py holds what waits, client.py the connection, token.py the secret, cancellation.py the memory of
stopped runs. With `ASYA_GATEWAY_URL` unset there is no Gateway at all (None), and callers skip it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from asya_schemas.envelope import Envelope
from asya_sidecar.act.health import Log
from asya_sidecar.act.metrics import Metrics
from asya_sidecar.settings import GatewaySettings


class Gateway:
    """Reports of one sidecar to one gateway."""

    def __init__(self, settings: GatewaySettings, actor: str, metrics: Metrics, log: Log) -> None: ...

    def start(self) -> None:
        """Begin to send, on the running event loop."""

    async def close(self, within_s: float = 1.0) -> None:
        """Send what waits, for at most so long, and end."""

    def progress(
        self,
        envelope: Envelope,
        status: str,
        *,
        attempt: int = 1,
        message: str | None = None,
        queue_wait_ms: float | None = None,
        duration_ms: float | None = None,
        size_bytes: int | None = None,
    ) -> None:
        """`received`, `processing`, `completed` or `retrying`. Never waits; a newer one replaces an unsent older one
        of the same id.
        """

    def children(self, envelope: Envelope, frames: Sequence[Envelope], *, attempt: int = 1) -> None:
        """A result has several frames; `frames` are all of them, frame 0 first. Never waits."""

    def partial(self, envelope: Envelope, *, call: str, index: int, data: bytes, attempt: int = 1) -> None:
        """One `partial` event of a running call; `data` is raw JSON. Never waits."""

    async def final(
        self, envelope: Envelope, report: Mapping[str, Any], *, kind: str = "final", attempt: int = 1
    ) -> bool:
        """Post a final (or `paused`) report; True when the gateway has settled it.

        `report` holds the members of the kind (`status`, `reason`, `result`, `error`, `record`, ..); id, parent_id,
        actor, attempt, run, children_count, at and the position are added here. Raw JSON goes in as msgspec.Raw.
        After 413 it is sent once more without `result` and `record.envelope`. False: not delivered, the reason is in
        the log; the caller repeats.
        """
        raise NotImplementedError

    async def is_stopped(self, envelope: Envelope, *, window: int, mean_call_s: float | None) -> bool:
        """Whether this run of the envelope is known, or by asking (`ASYA_CANCEL_CHECK`) found, to be stopped; within
        0.5 s.
        """
        raise NotImplementedError

    def known_stopped(self, envelope: Envelope) -> bool:
        """The same from memory alone; asked again before frames are sent (O16)."""
        raise NotImplementedError
