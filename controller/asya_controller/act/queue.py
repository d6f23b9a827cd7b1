"""Which actors have to be looked at, and when: one key per actor, never two passes of one key at once.

Filled by listeners of the stores, brokers and timers; emptied by workers. A key that changes during its pass is looked at once more
afterwards. Live changes go before the backlog of a start or a resync. Thread-safe. Knows nothing about actors but their keys.

Of the workers that have nothing to do one minds the clock, the others sleep until they are called: if each of them woke for every key that
is due, looking at an idle actor would cost three times as much.
"""

import heapq
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar

K = TypeVar("K", bound=Hashable)

FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 60.0
JITTER = 0.2
"""Contract: controller, Watching and queueing."""


class Watcher(Protocol):
    """Who measures the queue."""

    def added(self) -> None:
        """A key was put in that was not there."""
        ...

    def retried(self) -> None:
        """A failed pass will be repeated."""
        ...

    def waited(self, seconds: float) -> None:
        """A key lay so long before a worker took it."""
        ...


class Nobody:
    """Measures nothing."""

    def added(self) -> None:
        """Ignored."""

    def retried(self) -> None:
        """Ignored."""

    def waited(self, seconds: float) -> None:
        """Ignored."""


class Queue(Generic[K]):
    """The keys to be looked at."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, watcher: Watcher | None = None) -> None:
        self._clock = clock
        self._watcher = watcher or Nobody()
        self._lock = threading.Lock()
        self._earlier = threading.Condition(self._lock)
        """Waited for by the worker that minds the clock."""
        self._called = threading.Condition(self._lock)
        self._minding = False
        """A worker minds the clock."""
        self._idle = 0
        """Workers that sleep and have not been called."""
        self._ready: deque[K] = deque()
        self._backlog: deque[K] = deque()
        self._dirty: dict[K, tuple[float, bool]] = {}
        """Key -> since when it waits, and whether it waits behind live changes."""
        self._processing: set[K] = set()
        self._due: dict[K, float] = {}
        self._later: list[tuple[float, int, K]] = []
        self._count = 0
        self._failures: dict[K, int] = {}
        self._closed = False

    def add(self, key: K, *, backlog: bool = False) -> None:
        """Look at it soon. A key that waits in the backlog is moved forward by a live change."""
        with self._lock:
            if self._add(key, backlog):
                self._call()

    def _add(self, key: K, backlog: bool) -> bool:
        """Whether there is a key more to be taken."""
        known = self._dirty.get(key)
        if known is None:
            self._dirty[key] = (self._clock(), backlog)
            self._watcher.added()
        elif known[1] and not backlog:
            self._dirty[key] = (known[0], False)
        else:
            return False
        if key in self._processing:
            return False
        (self._backlog if backlog else self._ready).append(key)
        return True

    def _call(self) -> None:
        """Somebody is to look. Nobody sleeps: whoever comes next looks anyway."""
        if self._idle:
            self._idle -= 1
            self._called.notify()
        elif self._minding:
            self._earlier.notify()

    def add_at(self, key: K, when: float) -> None:
        """Look at it at this time of the clock. A key has one such time, the earliest asked for; `done` clears it."""
        with self._lock:
            if when < self._due.get(key, float("inf")):
                self._set(key, when)

    def _set(self, key: K, when: float) -> None:
        self._due[key] = when
        self._count += 1
        heapq.heappush(self._later, (when, self._count, key))
        if self._later[0][0] == when and self._minding:
            self._earlier.notify()
        elif not self._minding:
            self._call()

    def take(self) -> K | None:
        """The next key, waited for; None when the queue is closed. Every key taken must be given to `done`."""
        with self._lock:
            while not self._closed:
                wait = self._release_due()
                key = self._next()
                if key is not None:
                    since, _ = self._dirty.pop(key)
                    self._processing.add(key)
                    self._due.pop(key, None)
                    self._watcher.waited(self._clock() - since)
                    if self._ready or self._backlog or (self._later and not self._minding):
                        self._call()
                    return key
                if wait is not None and not self._minding:
                    self._minding = True
                    self._earlier.wait(wait)
                    self._minding = False
                else:
                    self._idle += 1
                    self._called.wait()
            return None

    def _release_due(self) -> float | None:
        """Move what is due to the ready ones; seconds until the next is due."""
        now = self._clock()
        while self._later:
            when, _, key = self._later[0]
            if self._due.get(key) != when:
                heapq.heappop(self._later)  # withdrawn, or replaced by an earlier one
            elif when <= now:
                heapq.heappop(self._later)
                del self._due[key]
                self._add(key, False)
            else:
                return when - now
        return None

    def _next(self) -> K | None:
        for line in (self._ready, self._backlog):
            while line:
                key = line.popleft()
                if key in self._dirty and key not in self._processing:
                    return key  # else it was taken through the other line
        return None

    def done(self, key: K, *, again_at: float | None = None, failed: bool = False) -> None:
        """The pass is over. A failed one is repeated after 1, 2, 4 .. 60 s; success forgets the failures."""
        with self._lock:
            self._processing.discard(key)
            if failed:
                number = self._failures.get(key, 0)
                self._failures[key] = number + 1
                wait = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(number, 10)) * random.uniform(
                    1 - JITTER, 1 + JITTER
                )
                again_at = min(self._clock() + wait, again_at if again_at is not None else float("inf"))
                self._watcher.retried()
            else:
                self._failures.pop(key, None)
            if key in self._dirty:
                (self._backlog if self._dirty[key][1] else self._ready).append(key)
                self._call()
            if again_at is not None and again_at < self._due.get(key, float("inf")):
                self._set(key, again_at)

    def forget(self, key: K) -> None:
        """The actor is gone: no timers, no failures."""
        with self._lock:
            self._due.pop(key, None)
            self._failures.pop(key, None)

    def close(self) -> None:
        """Workers get None from now on."""
        with self._lock:
            self._closed = True
            self._earlier.notify_all()
            self._called.notify_all()

    @property
    def depth(self) -> int:
        """Keys that wait."""
        return len(self._dirty.keys() - self._processing)
