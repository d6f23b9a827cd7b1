"""A sidecar's way to the broker in memory, on which every publish, confirm and settlement is a point.

Made by world.py for each life of a sidecar. Everything that is not a fault is done by the shipped transport and broker.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from asya_transport.admin import Stored
from asya_transport.port import PUBLISH_TIMEOUT_S, Connected, Delivery, Outcome
from tests.faults.points import Fault
from tests.faults.virtual_time import Life, outside

if TYPE_CHECKING:
    from tests.faults.world import World


class PointedTransport:
    """`port.Transport` around the one in memory. Dead with its life: what is asked of it afterwards is never answered."""

    kind = "memory"
    max_delay_s: float | None = None
    max_message_bytes: int | None = None

    def __init__(self, world: World, life: Life) -> None:
        self.on_change: Callable[[str, str | None], None] = lambda _reason, _sentence: None
        self.on_lost: Callable[[int], None] = lambda _generation: None
        self._world = world
        self._life = life
        self._inner = world.broker.transport()
        self._inner.on_change = lambda reason, sentence: self._tell(self.on_change, reason, sentence)
        self._inner.on_lost = lambda generation: self._tell(self.on_lost, generation)
        self._open: dict[asyncio.Future[Outcome], str] = {}
        """Publishes without an answer, and the ids of their messages."""
        self._hand: dict[Delivery, str] = {}
        self._just_lost: list[str] = []
        """Ids lost in this round of the loop, which nobody can know before the next."""

    def _tell(self, callback: Callable[..., None], *arguments: object) -> None:
        if self._life.alive:
            self._life.run(callback, *arguments)

    @property
    def in_hand(self) -> list[str]:
        """Ids of the deliveries in hand."""
        return [found for delivery, found in self._hand.items() if self._inner.alive(delivery)]

    @property
    def reasons(self) -> frozenset[str]:
        return self._inner.reasons

    @property
    def consuming(self) -> bool:
        return self._inner.consuming

    @property
    def connected(self) -> Connected:
        return self._inner.connected

    def start(self) -> None:
        outside(self._inner.start)

    async def close(self) -> None:
        sent = {*self._open.values()}
        sent |= {parent for one in sent if (parent := self._world.record.parents.get(one))}
        for found in self.in_hand:
            self._world.left_unsettled(self._life, found, found in sent)
        self.die()

    def die(self) -> None:
        """The connection ends, at once."""
        with contextlib.suppress(StopIteration):  # it closes without waiting for anything, so one step is all of it
            outside(self._inner.close().send, None)

    def cut(self) -> None:
        """The connection ends, and there is another one at once."""
        unanswered, self._open = self._open, {}
        self._just_lost = self.in_hand
        self._world.loop.call_soon(self._just_lost.clear)
        outside(self._inner.lose)
        for future in unanswered:
            if not future.done():
                future.set_result(Outcome.UNKNOWN)

    def consume(self, queue: str, on_delivery: Callable[[Delivery], None], window: int = 1) -> None:
        def delivered(delivery: Delivery) -> None:
            found = self._hand[delivery] = self._world.record.recognise(delivery.body, delivery.message_id)
            self._life.run(on_delivery, delivery)
            self._world.point(self._life, "delivered", found)

        self._inner.consume(queue, delivered, window)

    def set_window(self, window: int) -> None:
        self._inner.set_window(window)

    def pause(self) -> None:
        self._inner.pause()

    def resume(self) -> None:
        self._inner.resume()

    def publish(self, queue: str, body: bytes, *, delay_s: float = 0.0, **about: Any) -> asyncio.Future[Outcome]:
        """Stored at once, and answered in the next round of the loop: so each message of a fan-out is a moment of its own."""
        loop, world = self._world.loop, self._world
        future: asyncio.Future[Outcome] = loop.create_future()
        if not self._life.alive:
            return future
        message = Stored(body, about["message_id"], about["trace_id"], about["sender"], 0)
        found = world.record.recognise(body, message.message_id)
        self._open[future] = found
        if {found, world.record.parents.get(found)}.isdisjoint([*self.in_hand, *self._just_lost]):
            world.record.complaints.append(f"{found} was sent for a delivery that is no longer ours")
        fault = world.point(self._life, "publish", found)
        if fault is Fault.REFUSED:
            loop.call_soon(self._answer, future, Outcome.REFUSED)
        elif fault is Fault.UNSENT:
            loop.call_soon(self._answer, future, Outcome.UNKNOWN)
        elif world.blocked:
            loop.call_later(PUBLISH_TIMEOUT_S, self._answer, future, Outcome.UNKNOWN)
        elif self._life.alive and not future.done():
            outcome = outside(world.broker.put, queue, message, delay_s)
            if outcome is not Outcome.CONFIRMED:
                loop.call_soon(self._answer, future, outcome)
            elif world.point(self._life, "stored", found) is Fault.UNCONFIRMED:
                loop.call_soon(self._answer, future, Outcome.UNKNOWN)
            elif world.confirm_after_s:
                loop.call_later(world.confirm_after_s, self._answer, future, outcome)
            else:
                loop.call_soon(self._answer, future, outcome)
        return future

    def _answer(self, future: asyncio.Future[Outcome], outcome: Outcome) -> None:
        found = self._open.pop(future, None)
        if found is None or future.done() or not self._life.alive:
            return
        future.set_result(outcome)
        if outcome is Outcome.CONFIRMED:
            self._world.point(self._life, "confirmed", found)

    def alive(self, delivery: Delivery) -> bool:
        return self._inner.alive(delivery)

    def ack(self, delivery: Delivery) -> Awaitable[bool]:
        return self._settle("ack", self._inner.ack, delivery)

    def release(self, delivery: Delivery) -> Awaitable[bool]:
        return self._settle("release", self._inner.release, delivery)

    def release_counted(self, delivery: Delivery) -> Awaitable[bool]:
        return self._settle("release_counted", self._inner.release_counted, delivery)

    def _settle(
        self, name: str, settle: Callable[[Delivery], Awaitable[bool]], delivery: Delivery
    ) -> asyncio.Future[bool]:
        future: asyncio.Future[bool] = self._world.loop.create_future()
        if not self._life.alive:
            return future
        found = self._hand.get(delivery, "")
        if delivery not in self._hand:
            self._world.record.complaints.append(f"{name} of a delivery that was settled before")
        self._world.point(self._life, name, found)
        if not self._life.alive:
            return future
        was_ours = self._inner.alive(delivery)
        outside(settle, delivery)
        self._hand.pop(delivery, None)
        self._world.settled(self._life, name, found, was_ours)
        future.set_result(was_ours)
        return future
