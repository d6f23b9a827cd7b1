"""The mesh's side of a broker in the network: what `queues.py` is for the embedded one. Made by `start.py`, used by `mesh.py`.

Such a broker may take its time or not answer at all, and it rings no bell. So a thread of its own looks at it again and again, and hands
over what it saw; on the loop nothing ever waits. A virtual host may hold queues of others: this mesh removes only queues that it has made
itself, which it notes in a file, and those only after they have been empty and unused for a while.
A little over the usual length: thread and loop share what was seen, and are read together.
"""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from asya_cli.local.folder import Folder
from asya_cli.local.queues import Trouble, dead_letters
from asya_transport.admin import Admin, Counts, QueueMissing, QueueNotEmpty, TransportError

HEARTBEAT_S: Final = 10


@dataclass(frozen=True, slots=True)
class Pace:
    """How often is looked, and for how long is waited; seconds."""

    quick_s: float = 0.2
    """Queues whose replicas follow their length, and sleeping ones: looked at several times a second (contract: cli, Scaling)."""
    usual_s: float = 1.0
    dead_letters_s: float = 3.0
    empty_for_s: float = 2.0
    """A queue is removed when it has been empty and without consumers in all looks of so long."""
    silent_s: float = 10.0
    """A look that takes longer says that the broker does not answer."""
    close_within_s: float = 1.0


USUAL_PACE: Final = Pace()


@dataclass(frozen=True, slots=True)
class Wish:
    """What the loop wants looked at."""

    wanted: tuple[str, ...] = ()
    retired: tuple[str, ...] = ()
    quick: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look has found."""

    counts: Mapping[str, Counts]
    declared: frozenset[str]
    gone: frozenset[str]
    """Of the retired: removed, or not ours to remove."""
    trouble: Trouble | None
    notes: tuple[str, ...]


class Made:
    """The queues that this mesh has made on this broker, kept in a file of the state folder from one `asya up` to the next."""

    def __init__(self, file: Path, home: str) -> None:
        self._file = file
        self._home = home
        self._all: dict[str, list[str]] = {}
        # Without the file nothing is known to be ours, and nothing is removed.
        with suppress(FileNotFoundError, ValueError):
            found = json.loads(file.read_text())
            self._all = found if isinstance(found, dict) else {}
        self.names = set(self._all.get(home, ()))

    def save(self) -> None:
        """Raises OSError."""
        self._all[self._home] = sorted(self.names)
        Folder.write(self._file, json.dumps(self._all, indent=1).encode())


@dataclass(slots=True)
class Looker:
    """Looks at the broker; lives in the thread alone."""

    admin: Admin
    made: Made
    pace: Pace = USUAL_PACE
    declared: set[str] = field(default_factory=set)
    counts: dict[str, Counts] = field(default_factory=dict)
    looked_at: dict[str, float] = field(default_factory=dict)
    empty_since: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def look(self, wish: Wish) -> Seen:
        """Declare, count, remove; trouble ends the look, and the next one goes on."""
        trouble, gone, self.notes = None, set[str](), []
        try:
            for queue in wish.wanted:
                if queue not in self.declared:
                    self._declare(queue)
            for queue in (*wish.wanted, *wish.retired):
                self._count(queue, self.pace.quick_s if queue in wish.quick else self.pace.usual_s)
                self._count(dead_letters(queue), self.pace.dead_letters_s)
            gone = {queue for queue in wish.retired if self._is_gone(queue)}
        except TransportError as error:
            trouble = Trouble.of(error)
        except OSError as error:  # the file of our own queues: without it nothing may be made or removed
            trouble = Trouble("QueueCreateFailed", f"{error.filename}: cannot be written: {error.strerror}")
        return Seen(dict(self.counts), frozenset(self.declared), frozenset(gone), trouble, tuple(self.notes))

    def _declare(self, queue: str) -> None:
        names = (queue, dead_letters(queue))
        missing = {name for name in names if not self.admin.exists(name)}
        self.admin.declare(queue)
        if queue not in missing and queue not in self.made.names:
            self.notes.append(
                f"queue {queue} was there before and is used as it is; whoever else consumes it takes part of the messages"
            )
        if missing:
            self.made.names |= missing
            self.made.save()
        self.declared.add(queue)

    def _count(self, name: str, every_s: float) -> None:
        now = time.monotonic()
        if now - self.looked_at.get(name, -every_s) < every_s:
            return
        try:
            self.counts[name] = self.admin.counts(name)
        except QueueMissing:
            self._is_missing(name)
        self.looked_at[name] = now
        if (self.counts[name].queued if name in self.counts else 0) == 0:
            self.empty_since.setdefault(name, now)
        else:
            self.empty_since.pop(name, None)

    def _is_missing(self, name: str) -> None:
        """Somebody has removed it: it is made again if it is wanted, with the next look."""
        self.counts.pop(name, None)
        queue = next((q for q in self.declared if name in (q, dead_letters(q))), None)
        if queue is not None:
            self.declared.discard(queue)
            self.notes.append(f"queue {name} has been removed by somebody else; it is made again")

    def _is_gone(self, queue: str) -> bool:
        """A retired queue is removed when it is ours and was empty for long enough; True when there is nothing more to do."""
        if queue not in self.made.names:
            return True
        if self.looked_at[queue] - self.empty_since.get(queue, self.looked_at[queue]) < self.pace.empty_for_s:
            return False
        # Dead letters last, and only with their queue: until then they may still come.
        if self._remove(queue):
            self._remove(dead_letters(queue))
        return queue not in self.made.names

    def _remove(self, name: str) -> bool:
        if name not in self.made.names:
            return False
        try:
            lost = self.admin.delete(name, only_empty=True)
        except QueueNotEmpty:  # a message or a consumer came meanwhile, or dead letters want to be looked at
            self.empty_since.pop(name, None)
            return False
        if lost:
            self.notes.append(f"queue {name}: {lost} messages came while it was being removed, and are lost")
        self._forget(name)
        return True

    def _forget(self, name: str) -> None:
        self.made.names.discard(name)
        self.made.save()
        self.declared.discard(name)
        for known in (self.counts, self.looked_at, self.empty_since):
            known.pop(name, None)


class PolledQueues:
    """The queues of one mesh. `on_ring` is called when what was seen should be acted on at once. Make it on the loop."""

    tells_what_is_in_work = False

    def __init__(
        self,
        admin: Admin,
        made: Made,
        place: str,
        on_ring: Callable[[], None],
        note: Callable[[str], None],
        pace: Pace = USUAL_PACE,
    ) -> None:
        self.trouble: Trouble | None = None
        self.retired: dict[str, None] = {}
        self._looker = Looker(admin, made, pace)
        self._pace = pace
        self._place = place
        self._on_ring = on_ring
        self._note = note
        self._wanted: dict[str, None] = {}
        self._sleeping: set[str] = set()
        self._wish = Wish()
        self._seen: Seen | None = None
        self._news = False
        self._loop = asyncio.get_running_loop()
        self._seen_at = self._loop.time()
        self._wake = threading.Event()
        self._closing = False
        self._fault: Exception | None = None
        # A daemon: a broker that answers nothing must not keep `asya up` from ending.
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)

    # --- on the loop --------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """What an earlier mesh of this folder has made is retired until it is declared again. The first `count` begins to look."""
        suffix = dead_letters("")
        self.retired = {name: None for name in sorted(self._looker.made.names) if not name.endswith(suffix)}

    def declare(self, queue: str) -> None:
        """The queue is to be there; `has` says when it is."""
        self.retired.pop(queue, None)
        self._wanted[queue] = None
        self._tell()

    def has(self, queue: str) -> bool:
        """It was there at the last look, or has been since the mesh began."""
        return self._seen is not None and queue in self._seen.declared

    def retire(self, queue: str) -> None:
        """The queue goes as soon as it has been empty for a while, if it is ours."""
        self._wanted.pop(queue, None)
        self.retired[queue] = None
        self._tell()

    def release_dead(self) -> None:
        """The broker notices by itself."""

    def count(self) -> Mapping[str, Counts] | None:
        """What the last look saw; None when it has been told already.

        Raises:
            Exception: a fault of our own in the thread, which has ended it.
        """
        if self._fault is not None:
            raise self._fault
        if not self._thread.is_alive() and not self._closing:
            self._thread.start()
        if self._loop.time() - self._seen_at > self._pace.silent_s:
            self.trouble = Trouble("BrokerUnreachable", f"{self._place} has not answered for {self._pace.silent_s:g} s")
        if not self._news or self._seen is None:
            return None
        self._news = False
        return self._seen.counts

    def listen(self, sleeping: set[str], scaled: set[str]) -> None:
        """Look at these more often: nobody consumes the first, and the replicas of the others follow their length."""
        if (quick := frozenset(sleeping | scaled)) != self._wish.quick or sleeping != self._sleeping:
            self._sleeping = set(sleeping)
            self._tell(quick)

    def close(self) -> None:
        """End the connection."""
        self._closing = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(self._pace.close_within_s)

    def _tell(self, quick: frozenset[str] | None = None) -> None:
        self._wish = Wish(tuple(self._wanted), tuple(self.retired), self._wish.quick if quick is None else quick)
        self._wake.set()

    def _took(self, seen: Seen) -> None:
        before, self._seen, self._seen_at = self._seen, seen, self._loop.time()
        for queue in seen.gone & self.retired.keys():
            del self.retired[queue]
            self._tell()
        for note in seen.notes:
            self._note(note)
        changed = before is None or (before.counts, before.declared) != (seen.counts, seen.declared)
        self._news = self._news or changed or bool(seen.gone)
        woken = any(queue in seen.counts and seen.counts[queue].queued for queue in self._sleeping)
        if woken or seen.trouble != self.trouble or before is None or before.declared != seen.declared:
            self._on_ring()
        self.trouble = seen.trouble

    # --- in the thread ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._closing:
            self._wake.clear()
            wish = self._wish
            try:
                seen = self._looker.look(wish)
            except Exception as fault:  # noqa: BLE001 - raised on the loop, which ends the mesh with its traceback
                self._fault = fault
                self._hand_over(self._on_ring)
                return
            self._hand_over(self._took, seen)
            self._wake.wait(self._pace.quick_s if wish.quick or wish.retired else self._pace.usual_s)
        with suppress(TransportError):
            self._looker.admin.close()

    def _hand_over(self, callback: Callable[..., None], *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody asks any more
            self._loop.call_soon_threadsafe(callback, *arguments)
