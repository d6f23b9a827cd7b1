"""Publishes until the broker has confirmed, whatever it takes.

Called by act/consumer.py with the sends of one decision. Many are in flight at once; only a send that was not confirmed is waited for
and repeated, same id, same body (contract: sidecar, P3 to P5, O19 to O21). Must not settle and must not decide where a message goes.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from asya_sidecar.act.health import Health
from asya_sidecar.act.metrics import Metrics
from asya_sidecar.act.tracing import ProcessSpan, SendSpan
from asya_sidecar.decide.decision import Rules, Send
from asya_sidecar.decide.traced import with_traceparent
from asya_transport.port import DESTINATION_MISSING, PUBLISH_REFUSED, Delivery, Outcome, Transport

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 5.0
LONGEST_MISSING_PAUSE_S: Final = 1.0
"""A queue that appears is used within a second."""


class Sender:
    """One per process."""

    def __init__(
        self,
        transport: Transport,
        health: Health,
        metrics: Metrics,
        log: Any,
        rules: Rules,
    ) -> None:
        self._transport = transport
        self._health = health
        self._metrics = metrics
        self._log = log
        self._sender = f"asya/{rules.settings.actor_name}"
        self._unknown_actor_wait_s = rules.settings.unknown_actor_wait_s
        self._max_bytes = rules.reader_bytes
        self._loop = asyncio.get_running_loop()
        self._absent: dict[str, tuple[float, float]] = {}
        """Queues of actors seen missing: since when, and when last."""
        self._missing: set[str] = set()
        self._refused: set[str] = set()

    @property
    def troubles(self) -> frozenset[str]:
        """Reasons for not being ready that hold because of sends under way."""
        known = ((self._missing, DESTINATION_MISSING), (self._refused, PUBLISH_REFUSED))
        return frozenset(reason for queues, reason in known if queues)

    async def send(
        self, delivery: Delivery, sends: Sequence[Send], span: ProcessSpan | None = None
    ) -> tuple[Send, ...] | None:
        """All confirmed but those returned, whose actor has no queue or which the broker takes for too large; None when the delivery is
        no longer ours.
        """
        if not self._transport.alive(delivery):
            return None
        began = self._loop.time()
        spans: list[SendSpan] = []
        if span is not None:
            sends, spans = self._traced(sends, span)
        if len(sends) == 1:
            outcomes = [(sends[0], await self._publish(sends[0]))]
        else:
            futures = [self._publish(send) for send in sends]
            outcomes = [(send, await future) for send, future in zip(sends, futures, strict=True)]
        for index, sending in enumerate(spans):
            sending.end(outcomes[index][1] is Outcome.CONFIRMED)
        given_up: list[Send] = []
        for send, outcome in outcomes:
            if outcome is not Outcome.CONFIRMED:
                verdict = await self._insist(delivery, send, outcome, began)
                if verdict is None:
                    return None
                if not verdict:
                    given_up.append(send)
                    continue
            if self._absent:
                self._absent.pop(send.queue, None)
            self._metrics.sent(send.queue, send.message_type, self._loop.time() - began, len(send.body))
        return tuple(given_up)

    def _traced(self, sends: Sequence[Send], span: ProcessSpan) -> tuple[list[Send], list[SendSpan]]:
        traced: list[Send] = []
        spans: list[SendSpan] = []
        for send in sends:
            sending = span.send(send.queue, send.message_type)
            spans.append(sending)
            parent = sending.traceparent
            traced.append(send if parent is None else with_traceparent(send, parent, self._max_bytes))
        return traced, spans

    def _publish(self, send: Send) -> asyncio.Future[Outcome]:
        return self._transport.publish(
            send.queue,
            send.body,
            message_id=send.id,
            trace_id=send.trace_id,
            sender=self._sender,
            delay_s=send.delay_s,
            longest_s=send.longest_s,
        )

    async def _insist(self, delivery: Delivery, send: Send, outcome: Outcome, began: float) -> bool | None:
        """Publish again until confirmed (True), given up (False), or the delivery is not ours any more (None)."""
        pause_s = FIRST_PAUSE_S
        while outcome is not Outcome.CONFIRMED:
            missing = outcome is Outcome.UNROUTABLE
            if outcome is Outcome.REFUSED and self.is_too_large(send):
                return False
            if missing and send.actor is not None:
                if self._absent_for_s(send.queue, began) >= self._unknown_actor_wait_s:
                    return False
            else:
                self._report(send, outcome)
            if outcome is not Outcome.UNKNOWN:  # nothing was stored; after UNKNOWN the transport itself has waited
                await asyncio.sleep(min(pause_s, LONGEST_MISSING_PAUSE_S if missing else LONGEST_PAUSE_S))
                pause_s *= 2
            if not self._transport.alive(delivery):
                return None
            outcome = await self._publish(send)
        self._healed(send)
        return True

    def is_too_large(self, send: Send) -> bool:
        """The broker takes less than we thought when it was made, and will never take it."""
        limit = self._transport.max_message_bytes
        return limit is not None and len(send.body) > limit

    def _absent_for_s(self, queue: str, began: float) -> float:
        """How long this queue has been seen missing without a gap as long as the wait; the first send waits for all."""
        now = self._loop.time()
        wait_s = self._unknown_actor_wait_s
        self._absent = {name: seen for name, seen in self._absent.items() if now - seen[1] <= wait_s}
        since = min(began, self._absent.get(queue, (began, now))[0])
        self._absent[queue] = (since, now)
        return now - since

    def _report(self, send: Send, outcome: Outcome) -> None:
        self._metrics.failed("transport_error")
        self._log.debug("send not confirmed", destination=send.queue, outcome=outcome.value, envelope_id=send.id)
        if outcome is Outcome.UNROUTABLE:
            self._missing.add(send.queue)
            self._health.set(DESTINATION_MISSING, f"there is no queue {send.queue}; a message for it is held")
        elif outcome is Outcome.REFUSED:
            self._refused.add(send.queue)
            self._health.set(PUBLISH_REFUSED, f"the broker refuses a message for {send.queue}; it is held")

    def _healed(self, send: Send) -> None:
        for queues, reason in ((self._missing, DESTINATION_MISSING), (self._refused, PUBLISH_REFUSED)):
            if send.queue in queues:
                queues.discard(send.queue)
                if not queues and reason not in self._transport.reasons:
                    self._health.clear(reason)
