"""The deliveries in hand: taken in order, decided one at a time, settled last and exactly once.

Called by act/process.py, fed by the transport. The handler is called for one delivery at a time while earlier ones are still being
sent and settled, as many as the window allows. Obeys decisions (decide/) and adds no condition of its own.
A little over the usual length: the way of a delivery from its arrival to its settlement is read in one place.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from asya_sidecar.act.account import Account
from asya_sidecar.act.job import Job
from asya_sidecar.act.lazy_timer import LazyTimer
from asya_sidecar.act.runtime_client import RuntimeClient
from asya_sidecar.act.sender import Sender
from asya_sidecar.act.tasks import Tasks
from asya_sidecar.decide import ends, outcome
from asya_sidecar.decide.admit import read
from asya_sidecar.decide.decision import HOLD_S, Decision, Rules, Settle
from asya_sidecar.decide.window import SLOW_CALL_S, Window
from asya_transport.port import Delivery, Transport

LAST_ACT_S: Final = 9.0
"""Publishing and acknowledging before an exit: with closing the connections not more than 10 s."""
LARGE_BODY_BYTES: Final = 262_144
"""From here on a body may change the window before the next call does."""
RETURNED: Final = Decision("returned", settle=Settle.RETURN)
FAULT: Final = Decision("returned", settle=Settle.COUNTED_RETURN, failed="internal_error")


class Actor(Protocol):
    """act/ordinary_actor.py or act/end_actor.py."""

    rules: Rules
    """Replaced when the broker turns out to take less."""

    async def decide(self, job: Job) -> Decision | Callable[[], Decision]:
        """Check, call, decide; or what makes the decision, when the next call need not wait for it."""
        ...

    async def report(self, job: Job, decision: Decision) -> Decision:
        """Tell the gateway what it must know before the settlement; the decision that holds then."""
        ...

    async def wait(self, job: Job, why: str) -> Decision | None:
        """After `Settle.AGAIN`: None when it is time to try again, else how to let go of the delivery."""
        ...


class Consumer:
    """Begins with `start`; `drain`, then `settled`, end it."""

    def __init__(
        self,
        rules: Rules,
        transport: Transport,
        runtime: RuntimeClient,
        sender: Sender,
        actor: Actor,
        window: Window,
        account: Account,
        log: Any,
        draining: asyncio.Event,
        on_exit: Callable[[int, str], None],
        on_fault: Callable[[BaseException], None],
    ) -> None:
        self._rules = rules
        self._transport = transport
        self._runtime = runtime
        self._sender = sender
        self._actor = actor
        self._window = window
        self._account = account
        self._log = log
        self._draining = draining
        self._on_exit = on_exit
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Job] = deque()
        self._jobs: set[Job] = set()
        self._tasks = Tasks(on_fault)
        self._moved = asyncio.Event()
        """Something arrived, the runtime's health changed, or the end has begun."""
        self._empty = asyncio.Event()
        self._empty.set()
        self._calling_since: float | None = None
        self._slow = LazyTimer(self._check_slow)
        self._size = 0

    def start(self) -> None:
        """Serve what the transport delivers."""
        self._apply_window()
        self._tasks.spawn(self._serve())

    @property
    def window(self) -> int:
        """Deliveries that may be in hand now."""
        return self._size

    # what arrives and what changes

    def take(self, delivery: Delivery) -> None:
        """The transport's callback."""
        job = Job(delivery)
        self._jobs.add(job)
        self._empty.clear()
        self._account.arrived(job, len(self._jobs))
        self._window.received(len(delivery.body))
        if len(delivery.body) > LARGE_BODY_BYTES:
            self._apply_window()
        if self._draining.is_set() or self._is_call_slow():
            self._tasks.spawn(self._finish(job, RETURNED))
            return
        self._waiting.append(job)
        self._moved.set()

    def runtime_changed(self) -> None:
        """It has become healthy, or was lost: then the window falls, and what waits is returned unless it can start within 1 s."""
        self._moved.set()
        if self._runtime.ready:
            return
        self._window.fall()
        self._apply_window()
        if self._runtime.draining:
            self._return_waiting()
        else:
            self._loop.call_later(SLOW_CALL_S, self._return_unless_ready)

    def drain(self) -> None:
        """Return what was not started; the rest goes on. The transport is paused by the caller."""
        self._draining.set()
        self._return_waiting()
        self._moved.set()

    def stop(self) -> None:
        """Drop whatever is still under way; nothing is settled after this."""
        self._tasks.cancel()

    async def settled(self) -> None:
        """Wait until nothing is in hand."""
        await self._empty.wait()

    def _return_unless_ready(self) -> None:
        if not self._runtime.ready:
            self._return_waiting()

    def _return_waiting(self) -> None:
        while self._waiting:
            self._tasks.spawn(self._finish(self._waiting.popleft(), RETURNED))

    def _is_call_slow(self) -> bool:
        """A call takes longer than a second: what waits behind it, or arrives before the broker knows, is better off elsewhere."""
        since = self._calling_since
        return since is not None and not self._window.is_fixed and self._loop.time() >= since + SLOW_CALL_S

    def _check_slow(self) -> None:
        if self._calling_since is None or self._window.is_fixed:
            return
        if not self._is_call_slow():
            self._slow.ask(self._calling_since + SLOW_CALL_S)
            return
        self._window.fall()
        self._apply_window()
        self._return_waiting()

    def _apply_window(self) -> None:
        size = self._window.size
        if size != self._size:
            self._size = size
            self._transport.set_window(size)
            self._account.window(size)

    # one at a time

    async def _serve(self) -> None:
        while True:
            while not self._waiting:
                self._moved.clear()
                await self._moved.wait()
            job = self._waiting.popleft()
            decision = await self._decide(job)
            if decision is None:
                self._gone(job)
            elif not isinstance(decision, Decision):
                self._tasks.spawn(self._finish(job, decision))
            elif decision.settle is Settle.HOLD:
                await self._hold(job)
            elif decision.settle is Settle.AGAIN:
                self._tasks.spawn(self._later(job, decision))
            elif decision.exit_code is not None:
                await self._last_act(job, decision, decision.exit_code)
                return
            else:
                self._tasks.spawn(self._finish(job, decision))

    async def _decide(self, job: Job) -> Decision | Callable[[], Decision] | None:
        """The actor's decision, or what makes it; None when the delivery is no longer ours (O21)."""
        if not self._transport.alive(job.delivery):
            return None
        self._calling_since = now = self._loop.time()
        self._slow.ask(now + SLOW_CALL_S)
        if job.started_at is None:
            job.started_at = now
            self._account.started(job)
        try:
            return await self._actor.decide(job)
        except Exception:  # noqa: BLE001 - a task boundary: a fault of our own must cost one delivery, not the process (P10)
            self._log.exception("fault while handling a delivery", **job.names())
            return FAULT
        finally:
            self._calling_since = None
            if job.handler_s is not None:
                self._window.called(job.handler_s)
                self._apply_window()

    async def _hold(self, job: Job) -> None:
        """Keep it until the runtime is healthy again, 30 s at most and not while draining; then return it."""
        if job.hold_until is None:
            job.hold_until = self._loop.time() + HOLD_S
        try:
            async with asyncio.timeout_at(job.hold_until):
                while not (self._runtime.ready or self._draining.is_set() or self._runtime.draining):
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            self._log.debug("held in vain", **job.names())
        in_time = self._loop.time() < job.hold_until
        if self._runtime.ready and in_time and not self._draining.is_set():
            self._waiting.appendleft(job)
        else:
            self._tasks.spawn(self._finish(job, outcome.UNAVAILABLE))

    async def _later(self, job: Job, decision: Decision) -> None:
        """An end actor's handler has not stored: again after a wait, or let go."""
        self._account.failed_step(job, decision)
        error = decision.error
        instead = await self._actor.wait(job, error.message if error is not None else "")
        if instead is None:
            self._waiting.append(job)
            self._moved.set()
        else:
            await self._finish(job, instead)

    async def _last_act(self, job: Job, decision: Decision, code: int) -> None:
        """The call ran past its limit: publish, acknowledge, then the process ends and takes the runtime's rest with it."""
        self._transport.pause()
        self.drain()
        end_by = self._loop.time() + LAST_ACT_S
        try:
            async with asyncio.timeout_at(end_by):
                await self._finish(job, decision)
        except TimeoutError:
            self._log.warning("not confirmed in time before the exit; the message comes again", **job.names())
        try:
            # A message sent on or given back, but not settled yet, would be there twice after the exit.
            async with asyncio.timeout_at(end_by):
                await self.settled()
        except TimeoutError:
            self._log.warning("not all is settled before the exit; it comes again", deliveries=len(self._jobs))
        error = decision.error
        self._on_exit(code, error.message if error is not None else "the call ran past its limit")

    # sends, settlement, log

    async def _finish(self, job: Job, decided: Decision | Callable[[], Decision]) -> None:
        decision = FAULT
        try:
            decision = decided if isinstance(decided, Decision) else decided()
            settled = await self._send_and_settle(job, decision)
        except Exception:  # noqa: BLE001 - a task boundary: see _decide (P10)
            self._log.exception("fault while settling a delivery", **job.names())
            await self._transport.release_counted(job.delivery)
            settled = FAULT
        self._gone(job)
        if settled is None:
            self._account.lost(job)
        else:
            self._account.finished(job, settled, decision.sends)

    async def _send_and_settle(self, job: Job, decision: Decision) -> Decision | None:
        """Report where the end depends on it, send all, confirmed, then settle, last and once.

        The decision that held in the end; None when the delivery is no longer ours (O21).
        """
        if decision.report is not None:
            decision = await self._actor.report(job, decision)
        left = decision.sends
        while left:
            given_up = await self._sender.send(job.delivery, left, job.span)
            if given_up is None:
                return None
            if any(map(self._sender.is_too_large, given_up)):
                decision = self._too_large(job)
            elif given_up:
                decision = outcome.undeliverable(self._rules, decision, given_up, datetime.now(UTC))
            left = decision.sends if given_up else ()
        return decision if await self._settlement(job.delivery, decision.settle) else None

    def _too_large(self, job: Job) -> Decision:
        """The broker has told a limit below ours, which holds from now on; the error envelope fits it (O14)."""
        limit = self._transport.max_message_bytes
        assert limit is not None, "what is too large is so for a limit"
        self._rules = self._actor.rules = self._rules.limited(limit)
        now, delivery = datetime.now(UTC), job.delivery
        if job.envelope is not None:
            return ends.too_large_output(self._rules, job.envelope, now)
        decision = read(self._rules, delivery.body, delivery.message_id, now)
        assert isinstance(decision, Decision), "it was malformed, and with a smaller limit it still is"
        return decision

    async def _settlement(self, delivery: Delivery, settle: Settle) -> bool:
        if settle is Settle.ACK:
            return await self._transport.ack(delivery)
        if settle is Settle.COUNTED_RETURN:
            return await self._transport.release_counted(delivery)
        return await self._transport.release(delivery)

    def _gone(self, job: Job) -> None:
        self._jobs.discard(job)
        self._account.in_hand(len(self._jobs))
        if not self._jobs:
            self._empty.set()
