"""The synchronous side of the local broker: for `asya up` and its sister verbs, and for tests.

Made by `choose.open_admin`, which also makes the file. Implements `asya_transport.admin.Admin`.
"""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from asya_transport.admin import Counts, QueueMissing, QueueNotEmpty, Stored, Unreachable
from asya_transport.port import Outcome
from asya_transport.sqlite import bell as bells
from asya_transport.sqlite import look
from asya_transport.sqlite.schema import now_ms
from asya_transport.sqlite.store import Message, Store, Uncertain
from asya_transport.sqlite.trouble import is_full, sentence


class SqliteAdmin:
    """One connection to one mesh file, made if it is not there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._store = Store(path, create=True)
            with self._store.writing(durable=False):
                self._store.sweep()
        self._counted_version = -1
        self._counts_change_at: int | None = None

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, Uncertain, OSError) as error:
            raise Unreachable(sentence(error, self._path)) from error

    @contextmanager
    def _writing(self) -> Iterator[Store]:
        """A transaction; consumers are woken after it."""
        self._counted_version = -1  # data_version does not show our own writes
        with self._explained():
            with self._store.writing():
                yield self._store
            for queue in self._store.touched:
                bells.ring(self._store.wake, queue)

    def _id(self, queue: str) -> int:
        queue_id = self._store.queue_id(queue)
        if queue_id is None:
            raise QueueMissing(f"no queue {queue} in {self._path}; `asya up` declares the queues of its actors")
        return queue_id

    def declare(self, queue: str) -> None:
        """The queue and its dead-letter queue."""
        with self._writing() as store:
            store.declare(queue)

    def delete(self, queue: str, *, only_empty: bool = False) -> int:
        """The queue and what it holds."""
        with self._writing() as store:
            queue_id = store.queue_id(queue)
            if queue_id is None:
                return 0
            if only_empty and not look.is_empty(store.db, queue_id):
                raise QueueNotEmpty(f"queue {queue} in {self._path} still holds messages; process or purge them first")
            return store.delete(queue)

    def exists(self, queue: str) -> bool:
        """It is declared."""
        with self._explained():
            return self._store.queue_id(queue) is not None

    def queues(self) -> list[str]:
        """All names."""
        with self._explained():
            return [str(name) for (name,) in self._store.db.execute("SELECT name FROM queue ORDER BY name")]

    def counts(self, queue: str) -> Counts:
        """Of one queue."""
        with self._explained():
            self._id(queue)
            return self.all_counts()[queue]

    def all_counts(self) -> Mapping[str, Counts]:
        """Of every queue; the cost grows with the number of queues, and slowly (1 ms per 100,000) with that of messages."""
        with self._explained():
            now = now_ms()
            self._counted_version = self._store.version()
            self._counts_change_at = look.next_change(self._store.db, now)
            counts = {name: [queued, 0, delayed] for name, queued, delayed in look.count_waiting(self._store.db, now)}
            for name, leased, number in look.count_held(self._store.db, now):
                counts[name][1 if leased else 0] += number
        return {name: Counts(*numbers) for name, numbers in counts.items()}

    def changed(self) -> bool:
        """Somebody has written, or a time has come."""
        with self._explained():
            self._store.check_place()
            due = self._counts_change_at is not None and now_ms() >= self._counts_change_at
            return due or self._store.version() != self._counted_version

    def publish(
        self,
        queue: str,
        body: bytes,
        *,
        message_id: str | None = None,
        trace_id: str | None = None,
        sender: str | None = None,
        delay_s: float = 0.0,
    ) -> Outcome:
        """Store one message."""
        due = due_wall = None
        if delay_s > 0:
            due, due_wall = now_ms() + math.ceil(delay_s * 1000) + 1, time.time() + delay_s
        message = Message(queue, body, message_id, trace_id, sender, due, due_wall)
        try:
            with self._writing() as store:
                (outcome,) = store.put([message])
        except Unreachable as error:
            if error.__cause__ is not None and is_full(error.__cause__):
                return Outcome.REFUSED
            raise
        return outcome

    def peek(self, queue: str, limit: int = 10) -> list[Stored]:
        """The oldest messages."""
        with self._explained():
            return look.peek(self._store.db, self._store.bodies, self._id(queue), limit)

    def purge(self, queue: str) -> int:
        """Destroy what nobody holds."""
        with self._writing() as store:
            return store.purge(self._id(queue))

    def release_dead(self) -> int:
        """Give back what is held by consumers whose process is gone or whose lease is over."""
        with self._explained():
            dead = [name for name in bells.all_bells(self._store.wake) if bells.is_dead(self._store.wake, name)]
            if not dead and not self._store.has_expired(now_ms()):
                return 0
        with self._writing() as store:
            released = store.end_bells(dead) + store.expire_all(now_ms())
        for name in dead:
            bells.remove(self._store.wake, name)
        return released

    def close(self) -> None:
        """End the connection."""
        self._store.close()
