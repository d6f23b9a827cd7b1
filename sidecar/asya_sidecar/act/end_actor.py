"""One delivery of an end actor (x-sink, x-sump, x-pause): stored by the handler, then reported to the gateway.

Called by act/consumer.py like an ordinary actor. Must not send anything onward: storing and reporting are repeated with growing waits
until both have worked, or the message is parked (decide/end_actor.py).
"""

import asyncio
from datetime import UTC, datetime
from typing import Final

from asya_sidecar.act.account import Account
from asya_sidecar.act.caller import Caller
from asya_sidecar.act.gateway import Gateway
from asya_sidecar.act.health import Health
from asya_sidecar.act.job import Job
from asya_sidecar.act.metrics import Metrics
from asya_sidecar.decide import end_actor
from asya_sidecar.decide.decision import Decision, Rules, Settle

RETURNED: Final = Decision("returned", settle=Settle.RETURN)


class EndActor:
    """The handler's turn (`decide`) and the gateway's (`report`)."""

    def __init__(
        self,
        rules: Rules,
        caller: Caller,
        account: Account,
        health: Health,
        metrics: Metrics,
        gateway: Gateway | None,
        draining: asyncio.Event,
    ) -> None:
        self.rules = rules
        self._caller = caller
        self._account = account
        self._health = health
        self._metrics = metrics
        self._gateway = gateway
        self._draining = draining
        self._loop = asyncio.get_running_loop()
        self._pending: set[Job] = set()

    async def decide(self, job: Job) -> Decision:
        """Call the handler once; `Settle.AGAIN` when it has not stored."""
        rules, delivery, now = self.rules, job.delivery, datetime.now(UTC)
        call = end_actor.admit(rules, delivery.body, delivery.message_id, job.deliveries, now)
        if isinstance(call, Decision):
            return call
        self._account.recognised(job, call.envelope, now)
        reply = await self._caller.call(job, call.body, call.limit_s)
        return end_actor.decide(rules, call, reply, job.deliveries)

    async def report(self, job: Job, decision: Decision) -> Decision:
        """Tell the gateway until it has settled the report; the decision that holds then (as given, parked, or returned)."""
        report = decision.report
        assert job.envelope is not None, "a report is made of an envelope"
        if report is None or self._gateway is None:
            self._done(job)
            return decision
        while not await self._gateway.final(job.envelope, report.members, kind=report.kind, attempt=job.attempt):
            instead = await self.wait(job, "the gateway has not settled the final report")
            if instead is not None:
                if instead.sends:
                    self._metrics.gateway_report(report.kind, "parked")
                return instead
        self._done(job)
        return decision

    async def wait(self, job: Job, why: str) -> Decision | None:
        """After a step that failed: None when it is time to try again, else how to let go of the delivery."""
        job.failures += 1
        assert job.envelope is not None, "only an envelope can fail to be stored or reported"
        assert job.started_at is not None, "a delivery that was never started cannot fail"
        pause_s = end_actor.pause_s(job.failures)
        if self._loop.time() + pause_s - job.started_at >= end_actor.PARK_AFTER_S:
            self._done(job)
            return end_actor.parked(self.rules, job.envelope)
        self._pending.add(job)
        self._health.set("final_report_pending", why)
        try:
            async with asyncio.timeout(pause_s):
                await self._draining.wait()
        except TimeoutError:
            return None
        self._done(job)
        return RETURNED

    def _done(self, job: Job) -> None:
        self._pending.discard(job)
        if not self._pending:
            self._health.clear("final_report_pending")
