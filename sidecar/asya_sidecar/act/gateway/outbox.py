"""Sends the reports that wait, in batches, whatever the gateway does (contract: sidecar, Gateway reports).

Made by front.py. One task, one request at a time, asleep while nothing waits. What it does never comes back to the
message path but by the memory of stopped runs.
"""

import asyncio
import random

from asya_sidecar.act.gateway import reports
from asya_sidecar.act.gateway.cancellation import StoppedRuns
from asya_sidecar.act.gateway.client import Answer, Client, Unreachable
from asya_sidecar.act.gateway.reports import Report
from asya_sidecar.act.gateway.waiting import Waiting
from asya_sidecar.act.health import Log
from asya_sidecar.act.metrics import Metrics

BATCH_EVERY_S = 0.05
BATCH_WITHIN_S = 2.0
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
# The gateway has read the batch and will not read it differently another time.
REFUSED_STATUSES = reports.SETTLED_STATUSES | {413}


class Outbox:
    """The queue of progress, children and partials, and the task that empties it."""

    def __init__(self, client: Client, stopped: StoppedRuns, metrics: Metrics, log: Log) -> None:
        self._client = client
        self._stopped = stopped
        self._metrics = metrics
        self._log = log
        self._waiting = Waiting()
        self._in_flight = 0
        self._wanted = asyncio.Event()
        self._hurried = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        metrics.gateway_reports_pending = lambda: len(self._waiting) + self._in_flight

    def start(self) -> None:
        """Begin to send, on the running event loop."""
        self._task = asyncio.create_task(self._run(), name="gateway-reports")

    async def close(self, within_s: float) -> None:
        """Send what waits, for at most so long, and end."""
        if self._task is None:
            return
        self._hurried.set()
        self._wanted.set()
        await asyncio.wait((self._task,), timeout=within_s)
        self._task.cancel()
        await asyncio.wait((self._task,))

    def add(self, report: Report) -> None:
        """Let it wait; never blocks."""
        self._dropped(self._waiting.add(report))
        self._wanted.set()

    async def _run(self) -> None:
        pause_s = 0.0
        while not (self._hurried.is_set() and not self._waiting):
            if not self._waiting:
                self._wanted.clear()
                await self._wanted.wait()
                continue
            batch = self._waiting.take()
            self._in_flight = len(batch)
            trouble = await self._try_to_post(batch)
            self._in_flight = 0
            pause_s = self._after(batch, trouble, pause_s)
            if self._hurried.is_set() and trouble is not None:
                return
            await self._pause(pause_s * random.uniform(0.9, 1.1) or BATCH_EVERY_S)

    def _after(self, batch: list[Report], trouble: str | None, pause_s: float) -> float:
        """How long to leave the gateway alone; 0 when it is well. One line at the beginning and at the end of
        trouble.
        """
        if trouble is None:
            if pause_s:
                self._log.info("reports reach the gateway again")
            return 0.0
        if not pause_s:
            self._log.warning("reports do not reach the gateway", reason=trouble)
        self._dropped(self._waiting.put_back(batch))
        return longer(pause_s)

    async def _try_to_post(self, batch: list[Report]) -> str | None:
        try:
            return await self._post(batch)
        except Exception:  # noqa: BLE001 - the boundary of this task: a fault in one batch must not end all reports
            self._log.warning("fault while sending reports, the batch is dropped", exc_info=True)
            self._dropped(batch)
            return None

    async def _pause(self, pause_s: float) -> None:
        try:
            async with asyncio.timeout(pause_s):
                await self._hurried.wait()
        except TimeoutError:
            return

    async def _post(self, batch: list[Report]) -> str | None:
        """Why the batch has to be sent again; None when it is done with."""
        body = b'{"reports":[' + b",".join(report.body for report in batch) + b"]}"
        try:
            answer = await self._client.request("POST", "/reports", body, BATCH_WITHIN_S)
        except Unreachable as unreachable:
            self._count(batch, "failed")
            return str(unreachable)
        if answer.is_ok:
            self._count(batch, "sent")
            self._learn(answer, batch)
            return None
        self._count(batch, "failed")
        if answer.status in REFUSED_STATUSES and answer.is_problem:
            detail = str(answer.object().get("detail", ""))
            self._log.warning("the gateway refused reports", status=answer.status, detail=detail, count=len(batch))
            return None
        return f"it answered {answer.status}"

    def _learn(self, answer: Answer, batch: list[Report]) -> None:
        for report in reports.stopped(answer.object().get("results"), batch):
            self._stopped.add(report.id, report.run)

    def _dropped(self, dropped: list[Report]) -> None:
        self._count(dropped, "dropped")

    def _count(self, counted: list[Report], result: str) -> None:
        for report in counted:
            self._metrics.gateway_report(report.kind, result)


def longer(pause_s: float) -> float:
    """The pause after another failure: 1, 2, 4 .. 30 s."""
    return min(LONGEST_PAUSE_S, pause_s * 2 or FIRST_PAUSE_S)
