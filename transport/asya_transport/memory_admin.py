"""The synchronous side of the broker in memory: for tests of whatever speaks to `asya_transport.admin.Admin`.

Called on the broker's loop, like everything of `memory`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from asya_transport.admin import Counts, QueueMissing, QueueNotEmpty, Stored, Unreachable
from asya_transport.memory import MemoryBroker, Queue
from asya_transport.port import Outcome


class MemoryAdmin:
    """Implements `admin.Admin`; called on the broker's loop."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self._seen = -1
        self._change_at_s = float("inf")

    def _queue(self, queue: str) -> Queue:
        self._check()
        found = self._broker.queues.get(queue)
        if found is None:
            raise QueueMissing(f"no queue {queue} in memory; declare it first")
        return found

    def _check(self) -> None:
        if not self._broker.up:
            raise Unreachable("the broker in memory is switched off; switch it on")

    def declare(self, queue: str) -> None:
        """The queue and its dead-letter queue."""
        self._check()
        self._broker.declare(queue)

    def delete(self, queue: str, *, only_empty: bool = False) -> int:
        """The queue and what it holds."""
        self._check()
        if only_empty and queue in self._broker.queues and self._broker.queues[queue].messages:
            raise QueueNotEmpty(f"queue {queue} in memory still holds messages; process or purge them first")
        return self._broker.delete(queue)

    def exists(self, queue: str) -> bool:
        """It is declared."""
        self._check()
        return queue in self._broker.queues

    def queues(self) -> list[str]:
        """All names."""
        self._check()
        return sorted(self._broker.queues)

    def counts(self, queue: str) -> Counts:
        """Of one queue."""
        now, messages = asyncio.get_running_loop().time(), self._queue(queue).messages
        held = sum(message.owner is not None for message in messages)
        delayed = sum(message.due_s > now for message in messages)
        return Counts(len(messages) - held - delayed, held, delayed)

    def all_counts(self) -> Mapping[str, Counts]:
        """Of every queue."""
        self._seen, now = self._broker.changes, asyncio.get_running_loop().time()
        dues = (message.due_s for queue in self._broker.queues.values() for message in queue.messages)
        self._change_at_s = min((due_s for due_s in dues if due_s > now), default=float("inf"))
        return {queue: self.counts(queue) for queue in self.queues()}

    def changed(self) -> bool:
        """Something happened, or a time has come."""
        return self._broker.changes != self._seen or asyncio.get_running_loop().time() >= self._change_at_s

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
        self._check()
        return self._broker.put(queue, Stored(body, message_id, trace_id, sender, 0), delay_s)

    def peek(self, queue: str, limit: int = 10) -> list[Stored]:
        """The oldest messages."""
        return [
            Stored(
                found.stored.body, found.stored.message_id, found.stored.trace_id, found.stored.sender, found.deliveries
            )
            for found in self._queue(queue).messages[:limit]
        ]

    def purge(self, queue: str) -> int:
        """Destroy what nobody holds."""
        found = self._queue(queue)
        before = len(found.messages)
        found.messages = [message for message in found.messages if message.owner is not None]
        self._broker.changed()
        return before - len(found.messages)

    def release_dead(self) -> int:
        """A consumer in this process cannot die alone."""
        return 0

    def close(self) -> None:
        """Nothing to end."""
