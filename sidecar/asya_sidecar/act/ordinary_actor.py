"""One delivery of an ordinary actor: checked, handed to the runtime, decided.

Called by act/consumer.py, one delivery at a time. Reads clocks and dice for the pure rules of decide/ and asks the gateway whether the
task is stopped. Must not send and must not settle.
"""

import random
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final

from asya_schemas.envelope import Envelope
from asya_sidecar.act.account import Account
from asya_sidecar.act.caller import Caller
from asya_sidecar.act.gateway import Gateway
from asya_sidecar.act.job import Job
from asya_sidecar.decide import ends, outcome
from asya_sidecar.decide.admit import Call, admit, read
from asya_sidecar.decide.answer import Nothing, Raised, Refused, Reply, Streamed, Whole
from asya_sidecar.decide.decision import Decision, Rules
from asya_sidecar.decide.window import Window

ANSWERED: Final = (Whole, Streamed, Nothing, Raised, Refused)
"""After these the runtime is as it was before the call."""


class OrdinaryActor:
    """Steps 1 to 9 of the order of checks, the call, the outcome."""

    def __init__(self, rules: Rules, caller: Caller, window: Window, account: Account, gateway: Gateway | None) -> None:
        self.rules = rules
        self._caller = caller
        self._window = window
        self._account = account
        self._gateway = gateway

    async def decide(self, job: Job) -> Decision | Callable[[], Decision]:
        """What becomes of this delivery; after an answer to the end of the call, what says so: the runtime is free for the next one."""
        rules = self.rules
        now = datetime.now(UTC)
        envelope = read(rules, job.delivery.body, job.delivery.message_id, now)
        if isinstance(envelope, Decision):
            return envelope
        if self._account.recognised(job, envelope, now) and self._gateway is not None:
            self._tell_received(self._gateway, job, envelope)
        call = admit(rules, envelope, job.deliveries, now)
        if isinstance(call, Decision):
            return call
        gateway = self._gateway
        if gateway is not None:
            window, mean_s = self._window.size, self._window.mean_s
            if await gateway.is_stopped(envelope, window=window, mean_call_s=mean_s):
                return ends.canceled(rules, call.envelope, now)
            gateway.progress(envelope, "processing", attempt=call.attempt)
        reply = await self._caller.call(job, call.body, call.limit_s, self._partials(call))
        if isinstance(reply, ANSWERED):
            return partial(self._conclude, call, reply)
        return self._conclude(call, reply)

    def _conclude(self, call: Call, reply: Reply) -> Decision:
        stopped = self._gateway is not None and self._gateway.known_stopped(call.envelope)
        return outcome.decide(self.rules, call, reply, datetime.now(UTC), random.uniform(0.75, 1.25), stopped)

    async def report(self, job: Job, decision: Decision) -> Decision:  # noqa: ARG002 - the end actors' part of the port
        """Nothing must be reported before the settlement."""
        return decision

    async def wait(self, job: Job, why: str) -> Decision | None:
        """Never asked: no outcome of an ordinary actor is "again"."""
        raise AssertionError(f"an ordinary actor never waits with a delivery: {job.names()}, {why}")

    def _tell_received(self, gateway: Gateway, job: Job, envelope: Envelope) -> None:
        wait_ms = None if job.queue_wait_s is None else job.queue_wait_s * 1000
        size = len(job.delivery.body)
        gateway.progress(envelope, "received", attempt=job.attempt, queue_wait_ms=wait_ms, size_bytes=size)

    def _partials(self, call: Call) -> "_Partials | None":
        return None if self._gateway is None else _Partials(self._gateway, call)


class _Partials:
    """Hands the `partial` events of one call to the gateway, numbered."""

    __slots__ = ("_attempt", "_call", "_envelope", "_gateway", "_index")

    def __init__(self, gateway: Gateway, call: Call) -> None:
        self._gateway = gateway
        self._envelope = call.envelope
        self._attempt = call.attempt
        self._call = uuid.uuid4().hex
        self._index = 0

    def __call__(self, data: bytes) -> None:
        self._gateway.partial(self._envelope, call=self._call, index=self._index, data=data, attempt=self._attempt)
        self._index += 1
