"""The synchronous side of a broker: declare, count, look, put in. For those who are not a sidecar.

Called by the command line (`asya up`, `send`, `get`), the controller and tests, each from one thread.
It must not consume: taking messages out is the sidecar's right alone (`purge` and `delete` destroy, and say how many).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from asya_transport.port import Outcome


class TransportError(Exception):
    """Something about the broker; the text names it, the place, and the next step."""


class Unreachable(TransportError):
    """The broker did not answer, or its file cannot be read or written."""


class AccessRefused(Unreachable):
    """The broker answered and does not let us in: user, password or virtual host."""


class CredentialsMissing(TransportError):
    """A file with our own credentials is not there or cannot be read."""


class QueueMissing(TransportError):
    """No queue of this name is declared."""


class QueueNotEmpty(TransportError):
    """It holds messages, and nobody said that they may go."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many messages a queue holds."""

    queued: int
    """Ready to be handed out now (a delay that is over included)."""
    processing: int | None
    """In some consumer's hands; None: the broker does not say."""
    delayed: int | None = 0
    """Waiting for their time; they are neither queued nor processing. None: the broker does not say."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A message as it lies in a queue."""

    body: bytes
    message_id: str | None
    trace_id: str | None
    sender: str | None
    deliveries: int
    """How often it was handed out and counted so far."""


class Admin(Protocol):
    """One connection. Every method may raise Unreachable."""

    def declare(self, queue: str) -> None:
        """Make the queue and its dead-letter queue `<queue>-dlq`; one that exists is left as it is."""
        ...

    def delete(self, queue: str, *, only_empty: bool = False) -> int:
        """Remove the queue (not its dead-letter queue) and say how many messages went with it; a missing one is 0.

        Raises:
            QueueNotEmpty: `only_empty` and it holds something, delayed and processing included; where the broker does not tell
                what consumers hold, also when there are consumers.
        """
        ...

    def exists(self, queue: str) -> bool:
        """It is declared."""
        ...

    def queues(self) -> list[str]:
        """All names, sorted, dead-letter queues included."""
        ...

    def counts(self, queue: str) -> Counts:
        """Of one queue.

        Raises:
            QueueMissing
        """
        ...

    def all_counts(self) -> Mapping[str, Counts]:
        """Of every queue, in one call."""
        ...

    def changed(self) -> bool:
        """`all_counts` may differ from its last answer. Much cheaper than asking; never False when something has changed."""
        ...

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
        """Store one message; CONFIRMED when it is safe. Outcomes as in `port.py`."""
        ...

    def peek(self, queue: str, limit: int = 10) -> list[Stored]:
        """The oldest messages, in order, whatever their state; nothing changes.

        Raises:
            QueueMissing
        """
        ...

    def purge(self, queue: str) -> int:
        """Destroy what is queued or delayed, not what is in a consumer's hands, and say how many.

        Raises:
            QueueMissing
        """
        ...

    def release_dead(self) -> int:
        """Give back at once what dead consumers held, and say how many messages. 0 where the broker notices by itself."""
        ...

    def close(self) -> None:
        """End the connection."""
        ...
