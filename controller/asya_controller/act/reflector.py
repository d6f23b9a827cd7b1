"""Keeps a store like the API server: list, then watch, for ever, whatever happens to the connection.

One thread for each kind and namespace, started by controller.py. While the server is away the store keeps what it knows and the tries get
rarer. Must not lose a change: after anything unclear it lists again.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import structlog

from asya_controller.act import parts
from asya_controller.act.api import Api, Head
from asya_controller.act.api_errors import ApiError, Gone, NoAnswer
from asya_controller.act.kinds import Kind
from asya_controller.act.reach import Reach
from asya_controller.act.store import Kept, Store

log = structlog.get_logger()

SILENCE_S = 70.0
"""The server sends a bookmark a minute: after this long without one the connection is dead, whatever TCP thinks."""
LASTING_S = (280.0, 340.0)
"""How long a watch is asked to last: spread, so that not all of them end at once."""
FIRST_PAUSE_S = 0.8
LONGEST_PAUSE_S = 25.0
"""Leaves 5 s to reconnect and pass: half a minute after the server is back all is well (contract: controller, Situations, row 53)."""


@dataclass(slots=True)
class Backoff:
    """Pauses after failures in a row: 0.8 s doubling to 25 s, anything between nothing and the whole of it."""

    failures: int = 0

    def pause(self, asked_s: float | None = None) -> float:
        """Seconds to wait now; never less than the server asked for."""
        longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(self.failures, 10))
        self.failures += 1
        # Not below a tenth: full jitter that draws nearly nothing would hammer a server that refuses at once.
        return max(asked_s or 0.0, random.uniform(0.1, 1.0) * longest)


@dataclass(slots=True)
class Health:
    """When the reflector last got on, or tried to; times of the monotonic clock."""

    event_at: float = field(default_factory=time.monotonic)
    tried_at: float = field(default_factory=time.monotonic)
    synced: threading.Event = field(default_factory=threading.Event)


class Reflector:
    """One kind in one namespace, or in all of them."""

    def __init__(
        self,
        api: Api,
        kind: Kind,
        namespace: str | None,
        store: Store,
        reach: Reach,
        *,
        selector: str = "",
        metadata_only: bool = False,
        restarted: Callable[[str, str], None],
    ) -> None:
        self.kind = kind
        self.health = Health()
        self._api = api
        self._namespace = namespace
        self._store = store
        self._reach = reach
        self._answered = False
        self._selector = selector
        self._metadata_only = metadata_only
        self._restarted = restarted
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch-{kind.plural}-{namespace or 'all'}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def _found(self) -> None:
        """The server has answered this time."""
        self._answered = True
        self._reach.found()

    def stop(self) -> None:
        """Ask to end; a watch that is silent ends with its next line, which nobody waits for."""
        self._stop.set()
        self._reach.given_up(self)

    def _run(self) -> None:
        backoff, version = Backoff(), None
        while not self._stop.is_set():
            self.health.tried_at = time.monotonic()
            if not self._reach.may_try(self):
                continue
            pause, self._answered = None, False
            try:
                if version is None:
                    version = self._list()
                for reached in self._watch(version):
                    version, backoff.failures = reached, 0
            except Gone:
                # Too old to go on from: the list tells what was missed.
                version, reason = None, "gone"
            except NoAnswer as error:
                if not self._answered:  # a stream that breaks says nothing about the next one
                    self._reach.lost(self)
                pause, reason = backoff.pause(), "no answer"
                log.warning("watch interrupted", kind=self.kind.plural, problem=error.message)
            except ApiError as error:
                self._found()
                pause, reason = backoff.pause(error.retry_after_s), str(error.code)
                # A server that cannot serve this version any more may say so in other words than 410.
                version = None if error.code in (400, 500, 504) else version
                log.warning("watch refused", kind=self.kind.plural, code=error.code, problem=error.message)
            except Exception:  # a task's boundary: one object nobody understands must not end the watch for good
                version, pause, reason = None, backoff.pause(), "error"
                log.exception("watch failed", kind=self.kind.plural)
            else:
                reason = "ended"
                # An orderly end after changes goes on at once; a server that ends at once, again and again, is given time.
                pause = backoff.pause() if backoff.failures else None
                backoff.failures += 1
            self._restarted(self.kind.plural, reason)
            if pause is not None:
                self._stop.wait(pause)

    def _list(self) -> str:
        """Fill the store; the version to watch from."""
        items: list[Kept] = []
        reached = "0"
        # Pages are handed over together: half a list would look as if the rest were gone. What is not kept is dropped page by page.
        pages = self._api.pages(
            self.kind, self._namespace, self._selector, metadata_only=self._metadata_only, read=parts.read_list
        )
        for page, version in pages:
            self._found()
            items.extend(map(self._store.keep, page))
            reached = version
        self._store.replace(items, reached, self._namespace)
        self.health.event_at = time.monotonic()
        self.health.synced.set()
        return reached

    def _knows(self, head: Head) -> bool:
        """An echo of our own write."""
        self.health.event_at = time.monotonic()
        meta = head.object.metadata
        return head.type == "MODIFIED" and self._store.has((meta.namespace, meta.name), int(meta.resourceVersion))

    def _watch(self, version: str) -> Iterator[str]:
        """Follow the changes; yields the version reached after each."""
        lasting = random.uniform(*LASTING_S)
        events = self._api.watch(
            self.kind,
            self._namespace,
            version,
            self._selector,
            SILENCE_S,
            lasting,
            self._found,
            self._knows,
            self._metadata_only,
            parts.read_change,
        )
        for event, item in events:
            self.health.event_at = time.monotonic()
            self._store.changed(event, item)
            yield str(item["metadata"]["resourceVersion"])
            if self._stop.is_set():
                return
