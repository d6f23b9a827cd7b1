"""What one consumer holds: its lease, its generation, its bell, and when it is worth looking for more.

Called by `worker`, in its thread; `write` runs inside the worker's transaction. The state of a hold changes only with a commit: `write`
works on a copy, which the worker puts in place when the transaction is safe.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from asya_transport.sqlite import bell as bells
from asya_transport.sqlite.store import Claimed, Store
from asya_transport.sqlite.work import Settle


@dataclass(frozen=True, slots=True)
class Hold:
    """A generation: everything under one owner row of the file."""

    generation: int
    owner: int
    held: int = 0
    until: int = 0
    """End of the lease, clock of the file, ms."""

    def next(self) -> Hold:
        """The generation after this one; what this one held is no longer ours."""
        # Random, so that no number is ever used twice and making one needs no row.
        return Hold(self.generation + 1, random.getrandbits(62))


class Consumer:
    """Takes messages from one queue, never more than `window` at a time."""

    def __init__(self, wake: Path, *, lease_ms: int, renew_ms: int) -> None:
        self._wake, self._lease_ms, self._renew_ms = wake, lease_ms, renew_ms
        # Written by the loop.
        self.queue: str | None = None
        self.window = 1
        self.paused = False
        # Written by the worker.
        self.stalled = False
        """The event loop does not take what we give it: claim nothing more and let the lease end (contract: sidecar, P6)."""
        # Ours.
        self.hold = Hold(0, random.getrandbits(62))
        self.ended: set[int] = set()
        """Owners that we have given up and whose rows still stand."""
        self.bell: bells.Bell | None = None
        self.missing = False
        """The queue is not declared."""
        self._maybe_more = True
        self._next_time: int | None = None

    def room(self) -> int:
        """How many more we may take."""
        return self._room(self.hold.held)

    def _room(self, held: int) -> int:
        return 0 if self.queue is None or self.paused or self.stalled else self.window - held

    def begin(self) -> list[str]:
        """Hang up the bell; give the bells of dead predecessors."""
        if self.bell is not None or self.queue is None:
            return []
        self.bell = bells.Bell(self._wake, self.queue)
        return bells.ring(self._wake, self.queue)

    def look_again(self) -> None:
        """There may be something after all."""
        self._maybe_more = True

    def hungry(self, store: Store, now: int) -> bool:
        """A claim would bring something. Looks without locking: of many consumers that one ring wakes, most find nothing."""
        if self.room() <= 0 or self.queue is None or not self._expects(now):
            return False
        queue_id = store.queue_id(self.queue)
        if queue_id is not None and store.has_ready(queue_id, self.hold.owner, now):
            return True
        self._nothing_left(store, queue_id)
        return False

    def _expects(self, now: int) -> bool:
        if not self._maybe_more:
            rung = self.bell is not None and self.bell.drain()
            self._maybe_more = rung or (self._next_time is not None and now >= self._next_time)
        return self._maybe_more

    def _nothing_left(self, store: Store, queue_id: int | None) -> None:
        """The bell or a known time wakes us."""
        self._maybe_more = False
        self.missing = queue_id is None
        self._next_time = None if queue_id is None else store.next_time(queue_id, self.hold.owner)

    def renew_due(self, now: int) -> bool:
        """We hold something and the lease is older than it should get."""
        return self.hold.held > 0 and not self.stalled and self._is_old(self.hold, now)

    def _is_old(self, hold: Hold, now: int) -> bool:
        return now >= hold.until - self._lease_ms + self._renew_ms

    def wake_at(self) -> int | None:
        """Clock of the file, ms, when there is something to do without a ring."""
        times = [self.hold.until - self._lease_ms + self._renew_ms] if self.hold.held and not self.stalled else []
        if self.room() > 0 and self._next_time is not None:
            times.append(self._next_time)
        return min(times, default=None)

    def write(self, store: Store, settles: Sequence[Settle], now: int) -> tuple[Hold, list[bool], list[Claimed]]:
        """In a transaction: settle, claim, keep the lease. Gives the hold after it, what became of each settlement, what we got."""
        for owner in self.ended:
            store.end_owner(owner)
        hold = self.hold
        owned = store.owns(hold.owner)
        if hold.held and not owned:
            hold = hold.next()
        results = self._settle(store, hold, settles)
        hold = replace(hold, held=hold.held - sum(results))
        claimed = self._claim(store, hold, now)
        hold = replace(hold, held=hold.held + len(claimed))
        if hold.held and self.bell is not None and not self.stalled and (not owned or self._is_old(hold, now)):
            queue_id = store.queue_id(self.queue or "")
            assert queue_id is not None
            hold = replace(hold, until=now + self._lease_ms)
            store.lease(hold.owner, queue_id, self.bell.name, hold.until)
        return hold, results, claimed

    def _settle(self, store: Store, hold: Hold, settles: Sequence[Settle]) -> list[bool]:
        ours = [settle for settle in settles if settle.generation == hold.generation]
        if ours and self.queue is not None:
            store.ack(settle.id for settle in ours if settle.how == "ack")
            store.release(self.queue, [settle.id for settle in ours if settle.how == "release"], counted=False)
            store.release(self.queue, [settle.id for settle in ours if settle.how == "counted"], counted=True)
        return [settle.generation == hold.generation for settle in settles]

    def _claim(self, store: Store, hold: Hold, now: int) -> list[Claimed]:
        room = self._room(hold.held)
        if self.queue is None or room <= 0 or self.bell is None or not self._expects(now):
            return []
        queue_id = store.queue_id(self.queue)
        claimed = [] if queue_id is None else store.claim(queue_id, hold.owner, room, now)
        self.missing = queue_id is None
        if len(claimed) < room:
            self._nothing_left(store, queue_id)
        return claimed

    def commit(self, hold: Hold) -> int | None:
        """The transaction is safe: this is what we hold now. Gives the generation that was found lost in it."""
        before, self.hold = self.hold, hold
        self.ended.clear()
        return before.generation if before.generation != hold.generation else None

    def give_up(self) -> int:
        """Our generation is over; its messages go back with the next transaction. Says which it was."""
        self.ended.add(self.hold.owner)
        self.hold = self.hold.next()
        return self.hold.generation - 1

    def close(self, store: Store) -> None:
        """In a transaction: give back what we hold."""
        for owner in (*self.ended, self.hold.owner):
            store.end_owner(owner)
