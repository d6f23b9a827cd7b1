"""The SQL of the local broker: what each promise of the port means in tables.

Called by `worker` and `admin`, by one thread at a time. It knows no event loop, wakes nobody and decides nothing about retries.
Whoever calls a method that changes something does it inside `writing`, and afterwards rings the bells of `touched`.
Long because all statements stand together: they rely on the same rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from asya_schemas.names import dead_letter_queue
from asya_transport.admin import Unreachable
from asya_transport.port import DELIVERY_LIMIT, Outcome
from asya_transport.sqlite.bell import Turn, wake_folder
from asya_transport.sqlite.bodies import LARGE_BYTES, Bodies
from asya_transport.sqlite.schema import connect

MOST_ROWS: Final = 64
"""Of one statement."""
DEAD_LETTER_SUFFIX: Final = dead_letter_queue("")  # such a queue has no limit of its own


@dataclass(slots=True, eq=False)
class Message:
    """What a sender hands over."""

    queue: str
    body: bytes
    message_id: str | None
    trace_id: str | None
    sender: str | None
    due: int | None
    """Clock of the file, ms; None: at once."""
    due_wall: float | None
    """The same moment by the wall clock, for the case that the machine is restarted in between."""


@dataclass(slots=True, eq=False)
class Claimed:
    """A message that is ours now."""

    row: int
    deliveries: int
    redelivered: bool
    message_id: str | None
    body: bytes


class Uncertain(Exception):
    """The commit itself failed: what was written may or may not be there."""


class Store:
    """One connection to one mesh file."""

    def __init__(self, path: Path, *, create: bool = False, max_pages: int | None = None) -> None:
        self._path = path
        self.wake = wake_folder(path)
        self.db = connect(path, create=create, max_pages=max_pages)
        try:
            self._turn = Turn(self.wake)
        except OSError:
            self.db.close()
            raise
        self._identity = _identity(path)
        self._durable = True
        self.bodies = Bodies(path)
        self._written: list[str] = []
        self._deleted: list[str] = []
        self.touched: set[str] = set()
        """Queues in which something became ready, delayed, declared or deleted in the last transaction."""

    def close(self) -> None:
        """End the connection."""
        self.db.close()
        self._turn.close()
        self.bodies.close()

    def check_place(self) -> None:
        """The path still leads to the file we have open: a removed file would swallow messages without a word.

        Raises:
            Unreachable
        """
        if _identity(self._path) != self._identity:
            raise Unreachable(f"{self._path} was removed or replaced; it is opened again when it is there")

    @contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[None]:
        """A write transaction. Not `durable`: it survives the loss of every process at once, and of power with the next durable one.

        Raises:
            Uncertain: the commit failed and was not undone for certain.
            sqlite3.Error, OSError: nothing was changed.
        """
        self._turn.take()
        try:
            self.check_place()
            if durable != self._durable:
                self.db.execute("PRAGMA synchronous = FULL" if durable else "PRAGMA synchronous = NORMAL")
                self._durable = durable
            self.db.execute("BEGIN IMMEDIATE")
            self.touched = set()
            self._written, self._deleted = [], []
            try:
                yield
                self.bodies.sync()
                self._commit()
            except BaseException as error:
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                if not isinstance(error, Uncertain):  # else the rows may stand
                    self.bodies.free(self._written)
                raise
            self.bodies.free(self._deleted)
        finally:
            self._turn.give()

    def _commit(self) -> None:
        try:
            self.db.execute("COMMIT")
        except sqlite3.Error as error:
            if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY):
                raise
            raise Uncertain(str(error)) from error

    # Queues

    def queue_id(self, queue: str) -> int | None:
        """None: not declared."""
        row = self.db.execute("SELECT id FROM queue WHERE name = ?", (queue,)).fetchone()
        return row[0] if row else None

    def declare(self, queue: str) -> None:
        """The queue and its dead-letter queue; one that exists is left alone."""
        dead_letter = None if queue.endswith(DEAD_LETTER_SUFFIX) else dead_letter_queue(queue)
        for name, target in ((queue, dead_letter), (dead_letter, None)):
            if name:
                self.db.execute("INSERT OR IGNORE INTO queue (name, dead_letter) VALUES (?, ?)", (name, target))
        self.touched.add(queue)

    def delete(self, queue: str) -> int:
        """The queue with all its messages, also those in somebody's hands; says how many."""
        queue_id = self.queue_id(queue)
        if queue_id is None:
            return 0
        removed = self._delete_messages("queue = ?", queue_id)
        self.db.execute("DELETE FROM owner WHERE queue = ?", (queue_id,))
        self.db.execute("DELETE FROM queue WHERE id = ?", (queue_id,))
        self.touched.add(queue)
        return removed

    def purge(self, queue_id: int) -> int:
        """Destroy what nobody holds; says how many."""
        return self._delete_messages("queue = ? AND owner IS NULL", queue_id)

    def _delete_messages(self, which: str, queue_id: int) -> int:
        ids = f"id IN (SELECT id FROM message WHERE {which})"
        self._deleted += [name for (name,) in self.db.execute(f"SELECT file FROM large_body WHERE {ids}", (queue_id,))]
        self.db.execute(f"DELETE FROM large_body WHERE {ids}", (queue_id,))
        self.db.execute(f"DELETE FROM body WHERE {ids}", (queue_id,))
        return self.db.execute(f"DELETE FROM message WHERE {which}", (queue_id,)).rowcount

    def sweep(self) -> None:
        """Remove the files that processes left behind which were killed beside a commit."""
        self.bodies.sweep({name for (name,) in self.db.execute("SELECT file FROM large_body")})

    # Sending

    def put(self, messages: Sequence[Message]) -> list[Outcome]:
        """Store what has a queue."""
        if not messages:
            return []
        ids = {queue: self.queue_id(queue) for queue in {message.queue for message in messages}}
        (next_id,) = self.db.execute("SELECT coalesce(max(id), 0) + 1 FROM message").fetchone()
        rows: list[tuple[object, ...]] = []
        bodies: list[tuple[int, bytes]] = []
        files: list[tuple[int, str]] = []
        outcomes = []
        for message in messages:
            queue_id = ids[message.queue]
            if queue_id is None:
                outcomes.append(Outcome.UNROUTABLE)
                continue
            rows.append(
                (next_id, queue_id, message.due, message.due_wall, message.message_id, message.trace_id, message.sender)
            )
            if len(message.body) < LARGE_BYTES:
                bodies.append((next_id, message.body))
            else:
                self._written.append(self.bodies.write(message.body))
                files.append((next_id, self._written[-1]))
            outcomes.append(Outcome.CONFIRMED)
            next_id += 1
        into = "INSERT INTO message (id, queue, due, due_wall, message_id, trace_id, sender) VALUES"
        self._in_few(into, "(?, ?, ?, ?, ?, ?, ?)", rows)
        self._in_few("INSERT INTO body VALUES", "(?, ?)", bodies)
        if files:
            self.db.executemany("INSERT INTO large_body VALUES (?, ?)", files)
        self.touched.update(queue for queue, queue_id in ids.items() if queue_id is not None)
        return outcomes

    def _in_few(self, begin: str, row: str, rows: Sequence[tuple[object, ...]], end: str = "") -> None:
        """One statement for many rows: each one gives up the interpreter's lock, and the event loop keeps it for a while.

        Their numbers are powers of two, so that there are few different statements to keep compiled.
        """
        done = 0
        while left := len(rows) - done:
            size = min(MOST_ROWS, 1 << (left.bit_length() - 1))
            values = [value for each in rows[done : done + size] for value in each]
            self.db.execute(f"{begin} {', '.join([row] * size)}{end}", values)
            done += size

    # Consuming

    def has_ready(self, queue_id: int, owner: int, now: int) -> bool:
        """`claim` would give something. Reads only."""
        row = self.db.execute(
            "SELECT EXISTS (SELECT 1 FROM message WHERE queue = :queue AND owner IS NULL AND due IS NULL)"
            " OR EXISTS (SELECT 1 FROM message WHERE queue = :queue AND due <= :now)"
            " OR EXISTS (SELECT 1 FROM owner WHERE queue = :queue AND until <= :now AND id <> :owner)",
            {"queue": queue_id, "owner": owner, "now": now},
        ).fetchone()
        return bool(row[0])

    def next_time(self, queue_id: int, owner: int) -> int | None:
        """When something becomes ready without anybody's doing: a delay or a lease of another consumer ends."""
        row = self.db.execute(
            "SELECT min(at) FROM (SELECT min(due) AS at FROM message WHERE queue = :queue AND due IS NOT NULL UNION ALL"
            " SELECT min(until) FROM owner WHERE queue = :queue AND id <> :owner"
            " AND EXISTS (SELECT 1 FROM message WHERE message.owner = owner.id))",
            {"queue": queue_id, "owner": owner},
        ).fetchone()
        return row[0] if row else None

    def claim(self, queue_id: int, owner: int, limit: int, now: int) -> list[Claimed]:
        """The oldest ready messages, put under `owner`, each counted as delivered."""
        self.expire(queue_id, owner, now)
        self.db.execute("UPDATE message SET due = NULL, due_wall = NULL WHERE queue = ? AND due <= ?", (queue_id, now))
        rows = self.db.execute(
            "UPDATE message SET owner = ?, deliveries = deliveries + 1 WHERE id IN (SELECT id FROM message INDEXED BY ready"
            " WHERE queue = ? AND owner IS NULL AND due IS NULL ORDER BY id LIMIT ?) RETURNING id, deliveries, redelivered, message_id,"
            " (SELECT body FROM body WHERE body.id = message.id)",
            (owner, queue_id, limit),
        ).fetchall()
        rows.sort()  # RETURNING promises no order
        return [
            Claimed(row, count, again > 0, name, self._large_body(row) if body is None else body)
            for row, count, again, name, body in rows
        ]

    def _large_body(self, row: int) -> bytes:
        (name,) = self.db.execute("SELECT file FROM large_body WHERE id = ?", (row,)).fetchone()
        return self.bodies.read(name)

    def ack(self, messages: Iterable[int]) -> None:
        """Forget messages that are ours: whoever calls has seen in this transaction that the owner is not ended."""
        rows = [(message,) for message in messages]
        for table in ("message", "body"):
            self._in_few(f"DELETE FROM {table} WHERE id IN (", "?", rows, ")")
        if self.db.execute(
            "SELECT 1 FROM large_body LIMIT 1"
        ).fetchone():  # once for all: most queues know no large one
            for row in rows:
                self._deleted += [
                    name for (name,) in self.db.execute("DELETE FROM large_body WHERE id = ? RETURNING file", row)
                ]

    def release(self, queue: str, messages: Iterable[int], *, counted: bool) -> None:
        """Give messages that are ours back, to where they were. As with `ack`, the caller knows that they are."""
        rows = [(0 if counted else 1, message) for message in messages]
        if not rows:
            return
        self.db.executemany(
            "UPDATE message SET owner = NULL, redelivered = 1, deliveries = deliveries - ? WHERE id = ?", rows
        )
        if counted:
            self._bury(message for _, message in rows)
        self.touched.add(queue)

    def _bury(self, messages: Iterable[int]) -> None:
        """Of messages that came back counted, move those at the limit to the dead-letter queue, which is made if it is not there."""
        for message in messages:
            row = self.db.execute(
                "SELECT queue.dead_letter FROM message JOIN queue ON queue.id = message.queue"
                " WHERE message.id = ? AND message.deliveries >= ? AND queue.dead_letter IS NOT NULL",
                (message, DELIVERY_LIMIT),
            ).fetchone()
            if row is not None:
                self.declare(row[0])
                self.db.execute(
                    "UPDATE message SET queue = ?, deliveries = 0, redelivered = 0 WHERE id = ?",
                    (self.queue_id(row[0]), message),
                )

    # Owners: a lease on all that one consumer holds

    def owns(self, owner: int) -> bool:
        """Its lease was not taken away."""
        return self.db.execute("SELECT 1 FROM owner WHERE id = ?", (owner,)).fetchone() is not None

    def lease(self, owner: int, queue_id: int, bell: str, until: int) -> None:
        """Make the lease or lengthen it."""
        self.db.execute(
            "INSERT INTO owner VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET until = excluded.until",
            (owner, queue_id, bell, until),
        )

    def end_owner(self, owner: int) -> int:
        """End the lease; what it held goes back counted. Says how many."""
        ids = [row[0] for row in self.db.execute("SELECT id FROM message WHERE owner = ?", (owner,))]
        row = self.db.execute(
            "SELECT name FROM queue WHERE id = (SELECT queue FROM owner WHERE id = ?)", (owner,)
        ).fetchone()
        if row is not None:
            self.release(row[0], ids, counted=True)
        self.db.execute("DELETE FROM owner WHERE id = ?", (owner,))
        return len(ids)

    def expire(self, queue_id: int, but: int, now: int) -> None:
        """End the leases of a queue that are over."""
        for (owner,) in self.db.execute(
            "SELECT id FROM owner WHERE queue = ? AND until <= ? AND id <> ?", (queue_id, now, but)
        ).fetchall():
            self.end_owner(owner)

    def has_expired(self, now: int) -> bool:
        """`expire_all` would do something. Reads only."""
        return self.db.execute("SELECT 1 FROM owner WHERE until <= ? LIMIT 1", (now,)).fetchone() is not None

    def expire_all(self, now: int) -> int:
        """End the leases that are over, of all queues. Says how many messages that frees."""
        owners = self.db.execute("SELECT id FROM owner WHERE until <= ?", (now,)).fetchall()
        return sum(self.end_owner(owner) for (owner,) in owners)

    def end_bells(self, bells: Iterable[str]) -> int:
        """End all leases of dead consumers, given by their bells."""
        owners = [
            row[0]
            for bell in bells
            for row in self.db.execute("SELECT id FROM owner WHERE bell = ?", (bell,)).fetchall()
        ]
        return sum(self.end_owner(owner) for owner in owners)

    # Looking

    def probe(self) -> None:
        """Write something, to see whether one can."""
        self.db.execute("UPDATE meta SET probe = probe + 1")

    def version(self) -> int:
        """Differs from the last answer when another connection has written."""
        return int(self.db.execute("PRAGMA data_version").fetchone()[0])


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
