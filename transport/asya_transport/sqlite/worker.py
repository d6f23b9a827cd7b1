"""The one thread of a process that talks to the mesh file.

Made by `transport`, which hands work over in `inbox` and gets a `Report` per transaction back on the event loop. Everything that
arrives while a transaction is being made durable goes together into the next (group commit), acknowledgements and new claims included;
with many messages in hand it also waits a little for more, because a transaction costs as much as two hops.
With nothing to do the thread sleeps in poll on its bell and on the kick of its own loop: the file is not polled.
It must not touch a future or call a user: that belongs to the loop.
A little over the usual length: what one transaction holds together, and how long it waits for more, is read in one place.
"""

from __future__ import annotations

import contextlib
import math
import os
import random
import select
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from asya_transport.admin import TransportError
from asya_transport.port import BROKER_UNREACHABLE, PUBLISH_REFUSED, QUEUE_MISSING, STARTING, Outcome
from asya_transport.sqlite import bell as bells
from asya_transport.sqlite.consumer import Consumer
from asya_transport.sqlite.schema import now_ms
from asya_transport.sqlite.store import Store, Uncertain
from asya_transport.sqlite.trouble import is_full, sentence
from asya_transport.sqlite.work import Abandon, Flush, Report, Send, Settle, Work

WATCH_S: Final = 6.0
"""A sleeper looks up so often: is the file still ours, is there a lease that will end? Below the lease, so no end is missed; at whole
multiples of the clock, where the process looks at other things, too, so that it wakes once for all."""
GATHER_S: Final = 0.005
GATHERED: Final = 8
GATHER_LONG_S: Final = 0.02
"""While more is coming, transactions begin at least GATHER_S apart, and GATHER_LONG_S where fewer than GATHERED have come by then: a large
body or a handler of some milliseconds would else pay for a transaction each."""
GATHER_FROM: Final = 8
"""With fewer messages in hand (a handler of 12 ms and more) waiting gathers nothing worth the delay."""
RETRY_FIRST_S: Final = 0.05
RETRY_LAST_S: Final = 1.0
CLOSE_WITHIN_S: Final = 1.0
STALLED_AFTER_S: Final = 3.0
"""A loop that has not taken a report for so long is stalled. With the lease after it, its messages are elsewhere within 13 s."""


class Worker:
    """Owns the connection; `consumer` decides what is taken."""

    def __init__(self, path: Path, post: Callable[[Report], bool], consumer: Consumer, max_pages: int | None) -> None:
        self._path, self._hand_over, self._max_pages = path, post, max_pages
        self.consumer = consumer
        self.inbox: deque[Work] = deque()
        self._stop_at: float | None = None
        self._kick_read, self._kick_write = os.pipe()
        os.set_blocking(self._kick_read, False)
        os.set_blocking(self._kick_write, False)
        self._asleep = self._kicked = self._gathering = False
        self._began_at = 0.0
        """When the last transaction began."""
        self._unseen_since: float | None = None
        """When the loop was given a report that it has not taken yet."""
        self._store: Store | None = None
        self._dead: set[str] = set()
        self._waiting: list[Work] = []
        self._trouble: dict[str, str] = {STARTING: f"{path} is not open yet"}
        self._told = dict(self._trouble)
        self._failures = 0
        self._retry_at = self._watch_at = 0.0

    # Called by the loop

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._run, name="asya-sqlite", daemon=True).start()

    def kick(self) -> None:
        """There is something new in the inbox or the consumer's settings."""
        self._kicked = True
        if self._asleep and not (self._gathering and self._more_is_coming()):
            with contextlib.suppress(BlockingIOError):  # full of kicks: it will wake
                os.write(self._kick_write, b"\0")

    def seen(self) -> None:
        """The loop has taken a report."""
        self._unseen_since = None
        if self.consumer.stalled:
            self.kick()

    def stop(self) -> None:
        """Finish what is in the inbox, give back what is held, end with a last report."""
        self._stop_at = time.monotonic() + CLOSE_WITHIN_S
        self.consumer.paused = True
        self.kick()

    # The thread

    def _run(self) -> None:
        while not self._finished():
            try:
                self._turn()
            except (sqlite3.Error, Uncertain, TransportError, OSError) as error:
                self._fail(error)
            # Boundary of the thread: a mistake of ours must not end it silently. The loop's exception handler tells the traceback.
            except Exception as error:  # noqa: BLE001
                self._fail(error)
                self._post(Report(fault=error))
        self._shut()

    def _finished(self) -> bool:
        return self._stop_at is not None and (time.monotonic() >= self._stop_at or not (self.inbox or self._waiting))

    def _turn(self) -> None:
        if time.monotonic() < self._retry_at:
            self._sleep(self._retry_at)
            return
        store = self._store or self._open()
        self._dead.update(self.consumer.begin())
        if self._more_is_coming() and (begin_at := self._gathered_at()) > time.monotonic():
            self._sleep(begin_at, gathering=True)
            return
        now = now_ms()
        self._check_loop()
        waiting = self.inbox or self._waiting or self._dead or self._failures or self.consumer.ended
        if waiting or self.consumer.renew_due(now) or self.consumer.hungry(store, now):
            self._transact(store)
        else:
            self._rest(store)

    def _more_is_coming(self) -> bool:
        """Many are in hand, and for some of them nothing is asked for yet: the loop is at work."""
        held = self.consumer.hold.held
        return held >= GATHER_FROM and len(self.inbox) + len(self._waiting) < held and self._stop_at is None

    def _gathered_at(self) -> float:
        """When the next transaction has been waited for long enough, as far as is known now."""
        soon = self._began_at + GATHER_S
        few = 0 < len(self.inbox) < GATHERED and time.monotonic() >= soon
        return self._began_at + GATHER_LONG_S if few else soon

    def _check_loop(self) -> None:
        since = self._unseen_since
        self.consumer.stalled = since is not None and time.monotonic() > since + STALLED_AFTER_S

    def _post(self, report: Report) -> None:
        if self._unseen_since is None:
            self._unseen_since = time.monotonic()
        if not self._hand_over(report):  # the loop is closed and nobody has closed us
            self.stop()

    def _open(self) -> Store:
        self._store = store = Store(self._path, max_pages=self._max_pages)
        self.consumer.look_again()
        if self.consumer.bell is not None:
            self.consumer.bell.mend()
        if not self._failures:
            self._trouble = {}
        return store

    def _transact(self, store: Store) -> None:
        """Everything that waits, in one transaction."""
        self._began_at = time.monotonic()
        work = self._take()
        sends = [item for item in work if type(item) is Send and not item.withdrawn()]
        settles = [item for item in work if type(item) is Settle]
        dead = set(self._dead)
        # A claim alone need not survive a power cut: nobody has seen it then. So it does not wait for the disk.
        with self._undone(work), store.writing(durable=bool(work or self._failures)):
            if self._failures:
                store.probe()
            if dead:
                store.end_bells(dead)
            outcomes = store.put([send.message for send in sends])
            hold, results, claimed = self.consumer.write(store, settles, now_ms())
        lost = self.consumer.commit(hold)
        self._failures, self._trouble = 0, {}
        self._ring(store)
        self._bury(dead)
        self._tell(
            Report(
                sent=[(send.key, outcome) for send, outcome in zip(sends, outcomes, strict=True)],
                settled=[
                    *((settle.key, result) for settle, result in zip(settles, results, strict=True)),
                    *((item.key, True) for item in work if type(item) is Flush),
                ],
                lost=lost,
                lease_until_s=hold.until / 1000,
                claimed=claimed,
                generation=hold.generation,
            )
        )

    def _take(self) -> list[Work]:
        inbox = self.inbox
        work = [*self._waiting, *(inbox.popleft() for _ in range(len(inbox)))]
        self._waiting = []
        for item in work:
            if type(item) is Abandon and item.generation == self.consumer.hold.generation:
                self.consumer.give_up()
        return work

    @contextlib.contextmanager
    def _undone(self, work: list[Work]) -> Iterator[None]:
        """When the transaction fails, say what became of its work, or keep it for the next one."""
        try:
            yield
        except Uncertain:
            self._answer(work, Outcome.UNKNOWN)
            raise
        except (sqlite3.Error, OSError) as error:
            if is_full(error):
                self._answer(work, Outcome.REFUSED)
            else:
                self._waiting = work
            raise
        except BaseException:
            self._waiting = work
            raise

    def _answer(self, work: list[Work], outcome: Outcome) -> None:
        self._waiting = [item for item in work if type(item) is not Send]
        self._post(Report(sent=[(item.key, outcome) for item in work if type(item) is Send]))

    def _ring(self, store: Store) -> None:
        for queue in store.touched:
            self._dead.update(bells.ring(store.wake, queue))

    def _bury(self, dead: set[str]) -> None:
        """What they held is back in its queues: their bells may go."""
        for name in dead:
            bells.remove(bells.wake_folder(self._path), name)
        self._dead -= dead

    def _rest(self, store: Store) -> None:
        """Nothing to do until a ring, a kick or a known time."""
        self._tell(Report())
        now = time.monotonic()
        if now >= self._watch_at:
            self._watch_at = (now // WATCH_S + 1) * WATCH_S
            store.check_place()
            if self.consumer.bell is not None:
                self.consumer.bell.mend()
            self.consumer.look_again()
            return
        wake_at = self.consumer.wake_at()
        self._sleep(self._watch_at if wake_at is None else min(self._watch_at, wake_at / 1000))

    def _sleep(self, until_s: float, gathering: bool = False) -> None:
        """Until a ring, a kick or a time; `gathering`: until all that is in hand waits for us, or the time."""
        poll = select.poll()
        poll.register(self._kick_read, select.POLLIN)
        # A full window must not be woken: the bell waits, unread, until there is room.
        deaf = gathering or self._retry_at > time.monotonic()
        if self.consumer.bell is not None and self.consumer.room() > 0 and not deaf:
            poll.register(self.consumer.bell.fileno(), select.POLLIN)
        self._gathering, self._asleep = gathering, True
        events = []
        if self._more_is_coming() if gathering else not self._kicked:
            events = poll.poll(max(0, math.ceil((until_s - time.monotonic()) * 1000)))
        self._asleep = self._gathering = self._kicked = False
        if (self._kick_read, select.POLLIN) in events:
            os.read(self._kick_read, 4096)

    # Trouble

    def _fail(self, error: BaseException) -> None:
        """Close, wait a little longer each time, open again. What waits goes on waiting; a lease that is ours stays ours."""
        if not isinstance(error, sqlite3.Error | TransportError | OSError):
            # The commit may have happened, or our books may be wrong: begin a new generation rather than guess what we hold.
            self._post(Report(lost=self.consumer.give_up()))
        if self._store is not None:
            self._store.close()
            self._store = None
        reason = PUBLISH_REFUSED if is_full(error) else BROKER_UNREACHABLE
        self._trouble = {reason: sentence(error, self._path)}
        self._tell(Report())
        # The lower half of the range would be a spin when the disk is full.
        self._retry_at = time.monotonic() + random.uniform(0.5, 1) * min(
            RETRY_LAST_S, RETRY_FIRST_S * 2 ** min(self._failures, 10)
        )
        self._failures += 1

    def _tell(self, report: Report) -> None:
        """Post it, with the reasons when they have changed; an empty one with nothing new is not worth waking the loop."""
        reasons = dict(self._trouble)
        if self.consumer.missing and not reasons:
            reasons[QUEUE_MISSING] = f"queue {self.consumer.queue} is not declared in {self._path}; waiting for it"
        if reasons != self._told:
            self._told = report.reasons = reasons
        if (
            report.reasons is not None
            or report.sent
            or report.settled
            or report.claimed
            or report.lost is not None
            or report.lease_until_s
        ):
            self._post(report)

    def _shut(self) -> None:
        left = [*self._waiting, *self.inbox]
        # A lease that cannot be given back now ends by itself.
        with contextlib.suppress(sqlite3.Error, Uncertain, TransportError, OSError):
            store = self._store or Store(self._path)
            with store.writing():
                self.consumer.close(store)
            self._ring(store)
            store.close()
        if self.consumer.bell is not None:
            self.consumer.bell.close()
        os.close(self._kick_read)
        self._post(
            Report(
                sent=[(item.key, Outcome.UNKNOWN) for item in left if type(item) is Send],
                settled=[(item.key, False) for item in left if type(item) is Settle or type(item) is Flush],
                ended=True,
            )
        )
