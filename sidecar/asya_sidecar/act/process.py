"""The life of the process: everything is built here, started in order, watched, and ended in order.

Called by `__main__` once, inside the event loop. Wires and waits; what happens to a message is the consumer's.
"""

import asyncio
import os
import signal
from dataclasses import dataclass
from typing import Any, Final

from asya_sidecar.act.account import Account
from asya_sidecar.act.caller import Caller
from asya_sidecar.act.consumer import Actor, Consumer
from asya_sidecar.act.end_actor import EndActor
from asya_sidecar.act.gateway import Gateway
from asya_sidecar.act.health import Health
from asya_sidecar.act.metrics import Metrics
from asya_sidecar.act.ordinary_actor import OrdinaryActor
from asya_sidecar.act.runtime_client import RuntimeClient
from asya_sidecar.act.sender import Sender
from asya_sidecar.act.tracing import Tracing, open_tracing
from asya_sidecar.decide.decision import (
    EXIT_ACCESS_REFUSED,
    EXIT_ASKED,
    EXIT_FAULT,
    EXIT_RUNTIME_NOT_READY,
    EXIT_TIMEOUT,
    Rules,
    too_long_waits,
)
from asya_sidecar.decide.window import Window
from asya_sidecar.settings import Settings
from asya_transport.admin import TransportError
from asya_transport.choose import open_admin
from asya_transport.port import ACCESS_REFUSED, STARTING, Transport

REFUSED_FOR_S: Final = 30.0
"""Credentials refused for so long, before anything was ever consumed, end the process."""
DECLARE_AGAIN_S: Final = 1.0
FLUSH_S: Final = 1.0
LONGEST_RESERVE_S: Final = 5.0
RUNTIME_NOT_READY: Final = "runtime_not_ready"


@dataclass(frozen=True, slots=True)
class Exit:
    """Why the process ends; `sentence` is its last line, empty for code 0."""

    code: int
    sentence: str = ""


class Sidecar:
    """One actor's sidecar. Build it on the running loop, then `run`."""

    def __init__(self, settings: Settings, transport: Transport, log: Any, metrics: Metrics, health: Health) -> None:
        self._settings = settings
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._end: asyncio.Future[Exit] = self._loop.create_future()
        self._draining = asyncio.Event()
        self._metrics = metrics
        self._health = health
        self._transport = transport
        transport.on_change = self._transport_changed
        transport.on_lost = self._generation_lost
        metrics.consuming = lambda: transport.consuming
        metrics.connected = lambda: transport.connected
        self._rules = Rules.of(settings, self._transport.max_message_bytes, self._transport.max_delay_s)
        self._gateway = self._open_gateway()
        self._tracing = self._open_tracing()
        self._runtime = RuntimeClient(
            settings.socket_path, settings.max_result_bytes, settings.max_frames, self._runtime_changed, self._fault
        )
        self._sender = Sender(transport, health, metrics, log, self._rules)
        self._consumer = self._make_consumer()
        self._registered = False
        self._has_consumed = False
        self._refused_at: float | None = None
        self._refused_why = ""
        self._declaring: asyncio.Task[None] | None = None

    # building

    def _open_gateway(self) -> Gateway | None:
        settings = self._settings
        if settings.gateway is None:
            return None
        return Gateway(settings.gateway, settings.actor_name, self._metrics, self._log)

    def _open_tracing(self) -> Tracing | None:
        settings = self._settings
        if not settings.otel:
            return None
        return open_tracing(
            settings.otel, actor=settings.actor_name, namespace=settings.namespace, queue=settings.queue
        )

    def _make_consumer(self) -> Consumer:
        settings, rules, log = self._settings, self._rules, self._log
        window = Window(settings.prefetch, settings.prefetch_max)
        caller = Caller(self._runtime, self._metrics)
        account = Account(settings.actor_name, self._metrics, self._gateway, self._tracing, log)
        actor: Actor
        if settings.is_end_actor:
            actor = EndActor(rules, caller, account, self._health, self._metrics, self._gateway, self._draining)
        else:
            actor = OrdinaryActor(rules, caller, window, account, self._gateway)
        return Consumer(
            rules,
            self._transport,
            self._runtime,
            self._sender,
            actor,
            window,
            account,
            log,
            self._draining,
            self._exit,
            self._fault,
        )

    # the life

    async def run(self) -> Exit:
        """Until a signal or a reason to end; everything is closed when it returns."""
        for warning in (*self._settings.warnings, *too_long_waits(self._rules)):
            self._log.warning(warning)
        self._loop.set_exception_handler(self._callback_failed)
        self._listen_to_signals()
        self._health.start()
        self._health.set(RUNTIME_NOT_READY, self._runtime.why)
        self._transport.start()
        self._runtime.start()
        if self._gateway is not None:
            self._gateway.start()
        self._consumer.start()
        if self._settings.queue_auto_create:
            self._declaring = self._loop.create_task(self._declare_queues())
        if self._settings.runtime_ready_timeout_s:
            self._loop.call_later(self._settings.runtime_ready_timeout_s, self._check_runtime)
        end = await self._end
        if end.code == EXIT_ASKED:
            await self._drain()
        await self._close(end)
        return end

    async def _drain(self) -> None:
        """Steps 1 to 4 of contract: sidecar, Draining."""
        grace_s = self._settings.graceful_shutdown_s
        left_s = grace_s - min(LONGEST_RESERVE_S, grace_s / 4)
        self._health.set("draining")
        self._transport.pause()
        self._consumer.drain()
        try:
            async with asyncio.timeout(left_s):
                await self._consumer.settled()
        except TimeoutError:
            self._log.warning("the grace period is over; what is in hand is left to the broker")

    async def _close(self, end: Exit) -> None:
        """Connections last: closing them returns what is left. Then the line that says why, if somebody must know."""
        if self._declaring is not None:
            self._declaring.cancel()
        self._consumer.stop()
        self._runtime.close()
        await self._transport.close()
        closing = [part.close(FLUSH_S) for part in (self._gateway, self._tracing) if part is not None]
        await asyncio.gather(*closing)
        if end.code == EXIT_TIMEOUT:
            self._log.error(end.sentence)
        self._health.stop()

    async def _declare_queues(self) -> None:
        """`ASYA_QUEUE_AUTO_CREATE`, for use without a controller; a broker that is away is waited for."""
        while not self._end.done():
            try:
                await asyncio.to_thread(self._declare)
            except TransportError as error:
                self._log.warning("queues not declared yet", error=str(error))
                await asyncio.sleep(DECLARE_AGAIN_S)
            else:
                return

    def _declare(self) -> None:
        settings = self._settings
        path = settings.sqlite.path if settings.sqlite is not None else None
        admin = open_admin(settings.transport, sqlite_path=path, rabbitmq=settings.rabbitmq)
        for queue in (settings.queue, settings.sink_queue, settings.sump_queue):
            admin.declare(queue)
        admin.close()

    # what happens meanwhile

    def _listen_to_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self.stop, number.name)

    def stop(self, why: str) -> None:
        """Drain and end; asked a second time, end at once: whoever asks does not want to wait."""
        if self._end.done():
            os._exit(EXIT_ASKED)
        self._log.info("asked to stop", why=why)
        self._end.set_result(Exit(EXIT_ASKED))

    def _exit(self, code: int, sentence: str) -> None:
        if code == EXIT_TIMEOUT:
            sentence += " (context.DeadlineExceeded: deadline exceeded) - crashing pod to recover"
        if not self._end.done():
            self._end.set_result(Exit(code, sentence))

    def _fault(self, error: BaseException) -> None:
        """A task of ours has died: nothing says what else is broken, so the process is replaced, not repaired."""
        self._log.error("fault of the sidecar itself", exc_info=error)
        self._exit(EXIT_FAULT, f"fault of the sidecar itself: {type(error).__name__}: {error}")

    def _callback_failed(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What asyncio would only log. A callback that failed has left something half done; the rest is only told."""
        error = context.get("exception")
        if error is not None and "handle" in context:
            self._fault(error)
        else:
            self._log.error("asyncio", what=context.get("message"), exc_info=error)

    def _runtime_changed(self) -> None:
        if self._runtime.ready:
            self._health.clear(RUNTIME_NOT_READY)
            self._fetch()
        else:
            self._transport.pause()
            self._health.set(RUNTIME_NOT_READY, self._runtime.why)
        self._consumer.runtime_changed()
        self._observe()

    def _fetch(self) -> None:
        """Consume, for the first time or again."""
        if self._draining.is_set():
            return
        if self._registered:
            self._transport.resume()
        else:
            self._registered = True
            self._transport.consume(self._settings.queue, self._consumer.take, self._consumer.window)
            if STARTING not in self._transport.reasons:
                self._health.clear(STARTING)

    def _transport_changed(self, reason: str, sentence: str | None) -> None:
        if sentence is not None:
            self._health.set(reason, sentence)
            if reason == ACCESS_REFUSED:
                self._refused_why = sentence
            if reason == ACCESS_REFUSED and self._refused_at is None:
                self._refused_at = self._loop.time()
                self._loop.call_later(REFUSED_FOR_S, self._check_access, self._refused_at)
        else:
            if reason == ACCESS_REFUSED:
                self._refused_at = None
            if reason not in self._sender.troubles and (reason != STARTING or self._registered):
                self._health.clear(reason)
        self._observe()

    def _generation_lost(self, generation: int) -> None:
        self._metrics.reconnects += 1
        self._log.debug("connection lost", generation=generation)

    def _observe(self) -> None:
        self._has_consumed = self._has_consumed or self._transport.consuming

    def _check_runtime(self) -> None:
        if not self._registered:
            limit_s = self._settings.runtime_ready_timeout_s
            self._exit(EXIT_RUNTIME_NOT_READY, f"runtime not ready after {limit_s:g} s: {self._runtime.why}")

    def _check_access(self, refused_at: float) -> None:
        has_consumed = self._has_consumed or self._metrics.messages_received > 0
        if self._refused_at == refused_at and not has_consumed:
            self._exit(EXIT_ACCESS_REFUSED, f"the {self._transport.kind} broker refuses access: {self._refused_why}")
