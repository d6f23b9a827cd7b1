"""Everything that goes out: two lanes, delay tiers, time limits, and a broker that blocks.

Used by transport.py, fed by the publishing link. Many messages are in flight at once; each future gets its outcome whatever happens
(contract: sidecar, P3, P4, P8, sections 6 and 12).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from pika.channel import Channel

from asya_transport.port import DESTINATION_MISSING, PUBLISH_BLOCKED, Outcome
from asya_transport.rabbitmq import topology
from asya_transport.rabbitmq.address import Tier
from asya_transport.rabbitmq.connection import Connection
from asya_transport.rabbitmq.lane import Lane
from asya_transport.rabbitmq.sending import Sending

BLOCKED_FOR_S: Final = 15.0
"""A blocked connection is then replaced (contract: sidecar, P8)."""
QUIET_S: Final = 2.0
"""A fresh connection that was not blocked for so long, with nothing to send, says that all is well."""
LONGEST_HOLD_S: Final = 30.0
"""A message whose tier is missing is held for its wait, at most so long (contract: sidecar, section 6)."""
LOOK_FOR_TIER_EVERY_S: Final = 2.0


class Publisher:
    """`reasons` says what is wrong with publishing; `check` is called every half second."""

    def __init__(
        self,
        tiers: Sequence[Tier],
        timeout_s: float,
        on_change: Callable[[], None],
        on_limit: Callable[[int], None],
        patience: Callable[[], int],
    ) -> None:
        """`on_limit` is told the largest body that the broker takes, once it has complained about one; `patience` as for a lane."""
        self.reasons: dict[str, str] = {}
        self._tiers = tiers
        self._timeout_s = timeout_s
        self._on_change = on_change
        self._straight = Lane(self._missing, on_limit, patience)
        self._delayed = Lane(self._missing, on_limit, patience)
        self._connection: Connection | None = None
        self._up_at = self._blocked_at = 0.0
        self._blocked = False
        self._missing_tiers: set[str] = set()
        self._look_at = 0.0
        self._open: deque[tuple[float, Sending]] = deque()
        self._held: dict[Sending, asyncio.TimerHandle] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> bool:
        """Everything has its outcome."""
        return self._straight.idle and self._delayed.idle

    def serves(self, now: float) -> bool:
        """The broker confirms what is sent, as far as anything is."""
        if self._connection is None or self._blocked:
            return False
        return self._straight.confirmed or self._delayed.confirmed or (self.idle and now - self._up_at > QUIET_S)

    # the connection

    def up(self, connection: Connection) -> None:
        """It is open."""
        self._connection, self._blocked = connection, False
        self._up_at = connection.received_at
        connection.add_on_connection_blocked_callback(lambda _connection, method: self._block(method))
        connection.add_on_connection_unblocked_callback(lambda _connection, _method: self._unblock())
        self._straight.up(connection)
        self._delayed.up(connection)

    def down(self) -> None:
        """It is gone."""
        self._connection = None
        self._straight.down()
        self._delayed.down()

    def _block(self, method: Any) -> None:
        self._blocked, self._blocked_at = True, asyncio.get_running_loop().time()
        self._straight.blocked = self._delayed.blocked = True
        self._set(PUBLISH_BLOCKED, f"the broker takes no messages: {method.method.reason}")

    def _unblock(self) -> None:
        self._blocked = False
        self._clear(PUBLISH_BLOCKED)
        self._straight.unblock()
        self._delayed.unblock()

    def check(self, now: float) -> str | None:
        """Why the connection must be replaced; None when it need not."""
        if self._connection is None:
            return None
        if self._blocked:
            return "blocked by the broker" if now - self._blocked_at > BLOCKED_FOR_S else None
        if PUBLISH_BLOCKED in self.reasons and self.serves(now):
            self._clear(PUBLISH_BLOCKED)
        if self._missing_tiers and now >= self._look_at:
            self._look_at = now + LOOK_FOR_TIER_EVERY_S
            self._look_for(next(iter(self._missing_tiers)))
        return None

    # messages

    def send(
        self, queue: str, head: bytes, body: bytes, delay_s: float, longest_s: float | None
    ) -> asyncio.Future[Outcome]:
        """One message on its way."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        tier = topology.tier_for(self._tiers, delay_s, longest_s) if delay_s > 0 else None
        if tier is None:
            sending = Sending(future, "", queue, head, body, 0.0)
            self._watch(sending, self._timeout_s)
            self._straight.send(sending)
        else:
            sending = Sending(future, topology.TIER_PREFIX + tier[0], queue, head, body, delay_s)
            self._watch(sending, self._timeout_s)
            self._delayed.send(sending)
        return future

    def withdraw(self) -> None:
        """What has not left must not leave any more: the deliveries it follows from are no longer ours (contract: sidecar, P5)."""
        for handle in self._held.values():
            handle.cancel()
        for sending in (*self._straight.waiting, *self._delayed.waiting, *self._held):
            sending.end(Outcome.UNKNOWN)
        self._held.clear()
        self._straight.waiting.clear()
        self._delayed.waiting.clear()

    def close(self) -> None:
        """Nothing is sent any more."""
        self.withdraw()
        self.down()
        if self._timer is not None:
            self._timer.cancel()

    def _watch(self, sending: Sending, for_s: float) -> None:
        """One timer for all: the oldest open publish is the first to run out of time."""
        sends, loop = self._open, asyncio.get_running_loop()
        while sends and sends[0][1].over:
            sends.popleft()
        sends.append((loop.time() + for_s, sending))
        if self._timer is None:
            self._timer = loop.call_at(sends[0][0], self._end_sends)

    def _end_sends(self) -> None:
        sends, loop = self._open, asyncio.get_running_loop()
        now = loop.time()
        while sends and (sends[0][1].over or sends[0][0] <= now):
            sending = sends.popleft()[1]
            if sending in self._held:
                continue  # its tier is missing: its time begins when it is sent again
            if not sending.over and self._connection is not None and not self._blocked:
                self._unanswered(sending)
            sending.end(Outcome.UNKNOWN)
        self._timer = loop.call_at(sends[0][0], self._end_sends) if sends else None

    def _unanswered(self, sending: Sending) -> None:
        """An open connection and no confirm: whatever it is that the broker waits for, we are not doing our work."""
        self._straight.confirmed = self._delayed.confirmed = False
        text = (
            f"the broker has not confirmed a message for {sending.key} within {self._timeout_s:g} s; it is sent again"
        )
        self._set(PUBLISH_BLOCKED, text)

    # delay tiers that are not there

    def _missing(self, sending: Sending) -> None:
        """Hold the message for its wait, then send it straight to its queue."""
        if sending.over:
            return
        loop = asyncio.get_running_loop()
        if sending.exchange not in self._missing_tiers:
            self._missing_tiers.add(sending.exchange)
            self._look_at = loop.time() + LOOK_FOR_TIER_EVERY_S
            self._tell_missing()
        sending.exchange, sending.returned = "", False
        self._held[sending] = loop.call_later(min(sending.delay_s, LONGEST_HOLD_S), self._send_held, sending)

    def _send_held(self, sending: Sending) -> None:
        self._held.pop(sending).cancel()
        self._watch(sending, self._timeout_s)
        self._straight.send(sending)

    def _look_for(self, exchange: str) -> None:
        """Ask for it on a channel of its own, which a "no" closes. Passive: needs no right and changes nothing."""
        connection = self._connection
        if connection is None or not connection.is_open:
            return

        def opened(channel: Channel) -> None:
            def found(_ok: object) -> None:
                channel.close()
                self._missing_tiers.discard(exchange)
                self._tell_missing()

            def found_exchange(_ok: object) -> None:
                channel.queue_declare(exchange, passive=True, callback=found)

            channel.exchange_declare(exchange, passive=True, callback=found_exchange)

        connection.channel(on_open_callback=opened)

    def _tell_missing(self) -> None:
        if self._missing_tiers:
            names = ", ".join(sorted(self._missing_tiers))
            self._set(
                DESTINATION_MISSING, f"there is no delay tier {names}; retries wait here and go straight to their queue"
            )
        else:
            self._clear(DESTINATION_MISSING)

    def _set(self, reason: str, sentence: str) -> None:
        self.reasons[reason] = sentence
        self._on_change()

    def _clear(self, reason: str) -> None:
        if self.reasons.pop(reason, None) is not None:
            self._on_change()
