"""The mesh's side of the broker: declare, count, retire, listen for sleeping actors. Called by `mesh.py` on its loop.

`Queues` is for the embedded broker, which is a file and answers at once; `polled_queues.py` is the same for a broker in the network.
Takes no message out: that is the sidecars' right alone. A broker that cannot be used is a fact (`trouble`), not an error.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from asya_transport.admin import (
    AccessRefused,
    Admin,
    Counts,
    CredentialsMissing,
    QueueNotEmpty,
    TransportError,
    Unreachable,
)
from asya_transport.sqlite.bell import Bell, wake_folder

_EMPTY = Counts(0, 0, 0)


def dead_letters(queue: str) -> str:
    """The queue for messages that kill whoever takes them."""
    return f"{queue}-dlq"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the broker cannot be used: a reason of TransportReady (contract: controller, Queues), and one sentence without credentials."""

    reason: str
    sentence: str

    @classmethod
    def of(cls, error: TransportError) -> "Trouble":
        """What the controller would call it."""
        if isinstance(error, AccessRefused):
            return cls("AuthFailed", str(error))
        if isinstance(error, CredentialsMissing):
            return cls("CredentialsMissing", str(error))
        return cls("BrokerUnreachable" if isinstance(error, Unreachable) else "QueueCreateFailed", str(error))


class MeshQueues(Protocol):
    """What `mesh.py` and `observer.py` ask of either kind. Everything returns at once."""

    tells_what_is_in_work: bool
    trouble: Trouble | None
    retired: dict[str, None]

    def begin(self) -> None: ...
    def declare(self, queue: str) -> None: ...
    def has(self, queue: str) -> bool: ...
    def retire(self, queue: str) -> None: ...
    def release_dead(self) -> None: ...
    def count(self) -> Mapping[str, Counts] | None: ...
    def listen(self, sleeping: set[str], scaled: set[str], /) -> None: ...
    def close(self) -> None: ...


class Queues:
    """The queues of one mesh. `on_ring` is called when a message arrives for a queue that is listened to."""

    tells_what_is_in_work = True

    def __init__(self, admin: Admin, database: Path, on_ring: Callable[[], None]) -> None:
        self.trouble: Trouble | None = None
        self.retired: dict[str, None] = {}  # queues of actors that are gone, until they are empty
        self._admin = admin
        self._database = database
        self._on_ring = on_ring
        self._declared: set[str] = set()
        self._retired_lately = False
        self._bells: dict[str, Bell] = {}

    def begin(self) -> None:
        """Take over what an earlier mesh left: what its consumers held is free, queues that nobody declares are retired."""
        self._admin.release_dead()
        self._declared = set(self._admin.queues())
        self.retired = {q: None for q in sorted(self._declared) if not q.endswith("-dlq")}

    def declare(self, queue: str) -> None:
        """The queue of an actor, with its dead-letter queue."""
        self.retired.pop(queue, None)
        if queue not in self._declared:
            self._admin.declare(queue)
            self._declared.add(queue)

    def has(self, queue: str) -> bool:
        """It is there: its consumers may start."""
        return queue in self._declared

    def retire(self, queue: str) -> None:
        """The queue goes as soon as it is empty."""
        self.retired[queue] = None
        self._retired_lately = True

    def release_dead(self) -> None:
        """A consumer's process has ended: what it held is free at once instead of when its lease ends."""
        with suppress(TransportError):  # the next count says what is wrong
            self._admin.release_dead()

    def count(self) -> Mapping[str, Counts] | None:
        """How many messages each queue holds; None when nothing has changed since the last call, or nothing is known."""
        try:
            if not self._admin.changed() and not self._retired_lately:
                return None
            self._retired_lately = False
            counts = self._admin.all_counts()
            self._clear_retired(counts)
        except TransportError as error:
            self.trouble = Trouble.of(error)
            return None
        self.trouble = None
        return counts

    def _clear_retired(self, counts: Mapping[str, Counts]) -> None:
        for queue in [name for name in self.retired if counts.get(name, _EMPTY) == _EMPTY]:
            for name in (queue, dead_letters(queue)):
                with suppress(QueueNotEmpty):  # a message came meanwhile, or dead letters want to be looked at
                    self._admin.delete(name, only_empty=True)
                    self._declared.discard(name)
            if queue not in self._declared:
                del self.retired[queue]

    def listen(self, sleeping: set[str], _scaled: set[str]) -> None:
        """Hear of messages for exactly these queues: they have no consumer that a sender could wake."""
        for queue in sleeping - self._bells.keys():
            bell = self._bells[queue] = Bell(wake_folder(self._database), queue)
            asyncio.get_running_loop().add_reader(bell.fileno(), self._rung, bell)
            self._on_ring()  # a message may have come just before
        for queue in self._bells.keys() - sleeping:
            self._take_down(queue)

    def _rung(self, bell: Bell) -> None:
        bell.drain()
        self._on_ring()

    def _take_down(self, queue: str) -> None:
        bell = self._bells.pop(queue)
        asyncio.get_running_loop().remove_reader(bell.fileno())
        bell.close()

    def close(self) -> None:
        """Take down the bells and end the connection."""
        self.listen(set(), set())
        self._admin.close()
