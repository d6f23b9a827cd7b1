"""Count and show: what people and the autoscaler want to know of a mesh file.

Called by `admin` alone. It only reads. Counting costs about 1 ms per 100,000 messages: it walks indexes, not bodies.
"""

from __future__ import annotations

from sqlite3 import Connection

from asya_transport.admin import Stored
from asya_transport.sqlite.bodies import Bodies


def count_waiting(db: Connection, now: int) -> list[tuple[str, int, int]]:
    """(queue, ready, delayed) of all."""
    return db.execute(
        "SELECT name, (SELECT count(*) FROM message INDEXED BY ready WHERE queue = queue.id AND owner IS NULL AND due IS NULL)"
        " + (SELECT count(*) FROM message INDEXED BY delayed WHERE queue = queue.id AND due <= :now),"
        " (SELECT count(*) FROM message INDEXED BY delayed WHERE queue = queue.id AND due > :now) FROM queue",
        {"now": now},
    ).fetchall()


def count_held(db: Connection, now: int) -> list[tuple[str, bool, int]]:
    """(queue, under a lease that runs, messages) of all that hold something."""
    return db.execute(
        "SELECT queue.name, owner.until > ?, count(*) FROM message INDEXED BY held JOIN owner ON owner.id = message.owner"
        " JOIN queue ON queue.id = message.queue WHERE message.owner IS NOT NULL GROUP BY 1, 2",
        (now,),
    ).fetchall()


def next_change(db: Connection, now: int) -> int | None:
    """When counts change without anybody's writing."""
    row = db.execute(
        "SELECT min(at) FROM (SELECT min(due) AS at FROM message INDEXED BY delayed WHERE due > :now"
        " UNION ALL SELECT min(until) FROM owner WHERE until > :now)",
        {"now": now},
    ).fetchone()
    return row[0] if row else None


def is_empty(db: Connection, queue_id: int) -> bool:
    """It holds nothing, in whatever state."""
    return db.execute("SELECT 1 FROM message WHERE queue = ? LIMIT 1", (queue_id,)).fetchone() is None


def peek(db: Connection, bodies: Bodies, queue_id: int, limit: int) -> list[Stored]:
    """The oldest messages, whatever their state."""
    rows = db.execute(
        "SELECT body, file, message_id, trace_id, sender, deliveries FROM message LEFT JOIN body USING (id)"
        " LEFT JOIN large_body USING (id) WHERE queue = ? ORDER BY id LIMIT ?",
        (queue_id, limit),
    )
    return [Stored(bodies.read(file) if body is None else body, *rest) for body, file, *rest in rows]
