"""The methods the message path calls (contract: sidecar, Gateway reports).

`progress`, `children` and `partial` put a report where it waits and return; `final` is awaited by end actors,
`is_stopped` before a slow call. See __init__.py for the parts.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from asya_schemas import durations, headers
from asya_schemas.envelope import Envelope
from asya_sidecar.act.gateway import reports
from asya_sidecar.act.gateway.cancellation import StoppedRuns, is_asked
from asya_sidecar.act.gateway.client import Answer, Client, Unreachable
from asya_sidecar.act.gateway.outbox import Outbox
from asya_sidecar.act.gateway.token import Token
from asya_sidecar.act.health import Log
from asya_sidecar.act.metrics import Metrics
from asya_sidecar.settings import GatewaySettings

FINAL_WITHIN_S = 10.0
ASK_WITHIN_S = 0.5
SILENT_S = 10.0
TOO_LARGE = 413


class Gateway:
    """Reports of one sidecar to one gateway."""

    def __init__(self, settings: GatewaySettings, actor: str, metrics: Metrics, log: Log) -> None:
        self._actor = actor
        self._metrics = metrics
        self._log = log
        self._check = settings.cancel_check
        self._client = Client(settings.url, Token(settings.token, settings.token_file))
        self._stopped = StoppedRuns()
        self._outbox = Outbox(self._client, self._stopped, metrics, log)
        self._ask_again_at = float("-inf")

    def start(self) -> None:
        """Begin to send, on the running event loop."""
        self._outbox.start()

    async def close(self, within_s: float = 1.0) -> None:
        """Send what waits, for at most so long, and end."""
        await self._outbox.close(within_s)
        self._client.close()
        await asyncio.sleep(0)  # sockets are closed in the loop's next turn, which the caller may not let it have

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
        own = {
            "status": status,
            "message": message,
            "queue_wait_ms": queue_wait_ms,
            "duration_ms": duration_ms,
            "size_bytes": size_bytes,
        }
        self._outbox.add(reports.report("progress", self._members(envelope, attempt), own))

    def children(self, envelope: Envelope, frames: Sequence[Envelope], *, attempt: int = 1) -> None:
        """A result has several frames; `frames` are all of them, frame 0 first. Never waits."""
        for report in reports.children(self._members(envelope, attempt), frames):
            self._outbox.add(report)

    def partial(self, envelope: Envelope, *, call: str, index: int, data: bytes, attempt: int = 1) -> None:
        """One `partial` event of a running call; `data` is raw JSON, above 1 MiB it is dropped. Never waits."""
        if len(data) > reports.MAX_PARTIAL_BYTES:
            self._metrics.gateway_report("partial", "dropped")
            return
        own = {"hop": envelope.route.hops, "call": call, "index": index, "data": msgspec.Raw(data)}
        self._outbox.add(reports.report("partial", self._members(envelope, attempt), own))

    async def final(
        self, envelope: Envelope, report: Mapping[str, Any], *, kind: str = "final", attempt: int = 1
    ) -> bool:
        """Post a final (or `paused`) report; True when the gateway has settled it.

        `report` holds the members of the kind (`status`, `reason`, `result`, `error`, `record`, ..); id, parent_id,
        actor, attempt, run, children_count, at and the position are added here. Raw JSON goes in as msgspec.Raw.
        After 413 it is sent once more without `result` and `record.envelope`. False: not delivered, the reason is in
        the log; the caller repeats.
        """
        told = {**self._members(envelope, attempt), **report}
        path = reports.task_path(envelope.id, kind)
        try:
            answer = await self._post(path, told)
            if answer.status == TOO_LARGE:
                answer = await self._post(path, reports.without_bulk(told))
                settled = _settles(answer) or answer.status == TOO_LARGE
            else:
                settled = _settles(answer)
            trouble = f"it answered {answer.status}"
        except Unreachable as unreachable:
            settled, trouble = False, str(unreachable)
        self._metrics.gateway_report(kind, "sent" if settled else "failed")
        if not settled:
            self._log.warning(
                "the gateway has not settled a final report",
                envelope_id=envelope.id,
                trace_id=envelope.trace_id,
                kind=kind,
                reason=trouble,
            )
        return settled

    async def is_stopped(self, envelope: Envelope, *, window: int, mean_call_s: float | None) -> bool:
        """Whether this run of the envelope is known, or by asking (`ASYA_CANCEL_CHECK`) found, to be stopped; within
        0.5 s.
        """
        if self.known_stopped(envelope):
            return True
        if not is_asked(self._check, window, mean_call_s) or time.monotonic() < self._ask_again_at:
            return False
        try:
            answer = await self._client.request("GET", reports.task_path(envelope.id, "active"), b"", ASK_WITHIN_S)
        except Unreachable as unreachable:
            return self._ask_later(str(unreachable))
        said = answer.object()
        if not isinstance(said.get("active"), bool) or answer.status not in (200, 410):
            return self._ask_later(f"it answered {answer.status}")
        if said["active"] or said.get("status") == "unknown":
            return False
        self._stopped.add(envelope.id, headers.replay_count(envelope.headers))
        return True

    def known_stopped(self, envelope: Envelope) -> bool:
        """The same from memory alone; asked again before frames are sent (O16)."""
        return self._stopped.holds(envelope.id, headers.replay_count(envelope.headers))

    def _ask_later(self, reason: str) -> bool:
        """No answer means go on; a gateway in trouble is left alone for a while."""
        self._ask_again_at = time.monotonic() + SILENT_S
        self._log.warning("cannot ask the gateway about cancelled tasks, going on", reason=reason, silent_s=SILENT_S)
        return False

    async def _post(self, path: str, report: Mapping[str, Any]) -> Answer:
        return await self._client.request("POST", path, reports.encode(report), FINAL_WITHIN_S)

    def _members(self, envelope: Envelope, attempt: int) -> dict[str, Any]:
        return reports.members(envelope, self._actor, attempt, durations.format_time(datetime.now(UTC)))


def _settles(answer: Answer) -> bool:
    """Delivered, or refused by the gateway itself for good; a proxy's page settles nothing."""
    return answer.is_ok or (answer.status in reports.SETTLED_STATUSES and answer.is_problem)
