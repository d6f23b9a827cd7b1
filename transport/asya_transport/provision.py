"""What the controller asks of a broker: that queues exist, are ours and hold so many messages; and to remove them.

One object for each configured transport, called from one thread of its own, because every call may take until its timeout. Implemented by
modules named by their technology. Must not destroy a message unless `remove` says so, and must not know what an actor is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Wish:
    """A main queue, with its dead-letter queue, that shall exist and belong to `owner` (`<cluster>/<namespace>/<name>`)."""

    queue: str
    owner: str


@dataclass(frozen=True, slots=True)
class Look:
    """How a wished queue was found, or made. `reason` and `message` in the words of TransportReady (contract: crd, Conditions)."""

    reason: Literal[
        "QueueReady", "QueueDrift", "QueueMissing", "QueueConflict", "QueueCreateFailed", "QueueDeletedRecently"
    ]
    message: str = ""
    url: str | None = None
    queued: int | None = None
    processing: int | None = None
    dead: int | None = None
    created: bool = False


@dataclass(frozen=True, slots=True)
class Contents:
    """What a queue holds and who reads it; None where the broker does not say."""

    messages: int
    consumers: int | None
    owner: str | None


class Provisioner(Protocol):
    """One transport. Every method may raise a TransportError: Unreachable, AccessRefused or CredentialsMissing among them."""

    def ensure(self, wishes: Sequence[Wish], *, read_only: bool = False) -> Mapping[str, Look]:
        """Verify the queues and make those that are missing (not with `read_only`); a look for every wished queue.

        A refusal that concerns one queue is its look, not an error.
        """
        ...

    def contents(self, queue: str) -> Contents | None:
        """What one queue holds now; None when there is none of that name."""
        ...

    def remove(self, queue: str) -> int:
        """Delete the queue with what it holds; the number of messages that went with it, 0 for one that is not there."""
        ...

    def close(self) -> None:
        """End the connections."""
        ...
