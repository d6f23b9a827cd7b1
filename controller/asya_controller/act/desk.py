"""Where a broker is asked: one thread for each transport, so that a broker that hangs never holds up a pass.

Passes leave wishes and read what was found last; whoever's facts changed is woken. A broker that does not answer is left alone for a
while, however many actors ask: the wait is the desk's, not theirs. Must not decide what facts mean for a status.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import structlog

from asya_controller.act.metrics import Metrics
from asya_controller.act.store import Name
from asya_controller.decide.world import QueueFacts
from asya_transport.admin import AccessRefused, CredentialsMissing, TransportError, Unreachable
from asya_transport.provision import Look, Provisioner, Wish

log = structlog.get_logger()

FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 60.0
SECOND_LOOK_S = 10.0
"""An empty queue is removed when it is still empty after this time."""
BATCH = 200
"""Wishes of one call: results of a start with many actors come in portions."""


@dataclass(slots=True)
class Asked:
    """A wish of an actor and what became of it. `facts` is None until the first look."""

    wish: Wish
    read_only: bool
    facts: QueueFacts | None = None
    new: bool = True


@dataclass(slots=True)
class Removal:
    """A queue that shall go. `trouble` says why it has not been decided yet."""

    queue: str
    owner: str
    only_empty: bool
    actor: Name
    due_at: float = 0.0
    empty_once: bool = False
    pause_s: float = FIRST_PAUSE_S
    trouble: str = ""
    result: Literal["deleted", "kept", "missing", "foreign"] | None = None
    messages: int = 0


@dataclass(slots=True)
class Health:
    """Why the broker is not asked now, and until when."""

    reason: str = ""
    message: str = ""
    until: float = 0.0
    pause_s: float = FIRST_PAUSE_S


@dataclass(slots=True)
class Desk:
    """One transport. `extra` gives the wishes that no actor makes: sink and sump of every namespace in use."""

    name: str
    provisioner: Provisioner
    interval_s: float
    wake: Callable[[Name], None]
    extra: Callable[[Sequence[Name]], Sequence[Wish]]
    metrics: Metrics
    _asked: dict[Name, Asked] = field(default_factory=dict)
    _removals: dict[str, Removal] = field(default_factory=dict)
    _extra_made: set[Wish] = field(default_factory=set)
    _health: Health = field(default_factory=Health)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _stopped: bool = False
    _check_at: float = field(default_factory=time.monotonic)

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._run, name=f"broker-{self.name}", daemon=True).start()

    def stop(self) -> None:
        """End after the present call; nothing waits for a broker that hangs."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    # asked by passes

    def facts(self, actor: Name, wish: Wish, read_only: bool) -> QueueFacts | None:
        """What was found last; None when nobody has looked yet, in which case the actor is woken when somebody has."""
        with self._changed:
            self._removals.pop(wish.queue, None)  # it was to go, and is wanted again
            asked = self._asked.get(actor)
            if asked is None or asked.wish != wish:
                self._asked[actor] = asked = Asked(wish, read_only)
                self._changed.notify()
            if asked.read_only and not read_only:
                asked.new = True  # what was only looked at may be made now
                self._changed.notify()
            asked.read_only = read_only
            return asked.facts

    def told(self, actor: Name) -> None:
        """The pass has said that a queue was created: it is not said twice."""
        with self._changed:
            asked = self._asked.get(actor)
            if asked is not None and asked.facts is not None and asked.facts.created:
                asked.facts = replace(asked.facts, created=False)

    def refresh(self, actor: Name) -> None:
        """Look again soon."""
        with self._changed:
            asked = self._asked.get(actor)
            if asked is not None:
                asked.new = True
                self._changed.notify()

    def forget(self, actor: Name) -> None:
        """The actor has no queue here any more."""
        with self._changed:
            self._asked.pop(actor, None)

    def remove(self, actor: Name, wish: Wish, only_empty: bool) -> Removal:
        """Ask for a removal, or see how it goes; the actor is woken when it is decided. `settled` forgets it."""
        with self._changed:
            removal = self._removals.get(wish.queue)
            if removal is None or removal.owner != wish.owner or removal.only_empty != only_empty:
                removal = self._removals[wish.queue] = Removal(wish.queue, wish.owner, only_empty, actor)
                self._changed.notify()
            return replace(removal)

    def settled(self, queue: str) -> None:
        """The removal's result has been read."""
        with self._changed:
            self._removals.pop(queue, None)

    # the thread

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._stopped and (wait := self._wait_s()) > 0:
                    self._changed.wait(wait)
                if self._stopped:
                    break
            try:
                self._look()
                self._remove()
            except Exception:  # a task's boundary: a desk that ends would leave its transport without eyes
                log.exception("looking at queues failed", transport=self.name)
                self._failed("QueueCreateFailed", "an internal error; the controller's log has it")
                self._publish_failure(list(self._asked))
        self.provisioner.close()

    def _wait_s(self) -> float:
        """Seconds until there is something to do."""
        now = time.monotonic()
        if any(asked.new for asked in self._asked.values()):
            # While the broker is down newcomers are told so at once.
            if now >= self._health.until or any(asked.facts is None for asked in self._asked.values()):
                return 0.0
            return self._health.until - now
        dues = [max(r.due_at, self._health.until) for r in self._removals.values() if r.result is None]
        return min([max(self._check_at, self._health.until), *dues]) - now

    def _look(self) -> None:
        """Verify the new wishes, or all of them when it is time."""
        now = time.monotonic()
        with self._changed:
            every = now >= self._check_at
            batch = {actor: asked for actor, asked in self._asked.items() if every or asked.new}
            if every:
                self._check_at = now + self.interval_s
            for asked in batch.values():
                asked.new = False
        if now < self._health.until:
            self._publish_failure([actor for actor, asked in batch.items() if asked.facts is None])
            return
        if every:
            self._extra_made.clear()
        for some in portions(list(batch), BATCH):
            if not self._look_at(some, batch):
                self._publish_failure(list(batch))
                return

    def _look_at(self, actors: Sequence[Name], batch: dict[Name, Asked]) -> bool:
        """One portion; False when the broker cannot be used."""
        writable = [actor for actor in actors if not batch[actor].read_only]
        frozen = [actor for actor in actors if batch[actor].read_only]
        extra = [wish for wish in self.extra(writable) if wish not in self._extra_made]
        owned = {batch[actor].wish.queue for actor in writable}
        looks: dict[str, Look] = {}
        try:
            if writable:
                wishes = [batch[actor].wish for actor in writable]
                looks |= self.provisioner.ensure([*(wish for wish in extra if wish.queue not in owned), *wishes])
                self._extra_made.update(extra)
            if frozen:
                looks |= self.provisioner.ensure([batch[actor].wish for actor in frozen], read_only=True)
        except AccessRefused as error:
            return self._failed("AuthFailed", str(error))
        except CredentialsMissing as error:
            return self._failed("CredentialsMissing", str(error))
        except Unreachable as error:
            return self._failed("BrokerUnreachable", str(error))
        except TransportError as error:
            return self._failed("QueueCreateFailed", str(error))
        self._health = Health()
        self.metrics.transport_up.labels(self.name).set(1)
        for actor in actors:
            self._publish(actor, batch[actor].wish, facts_of(looks[batch[actor].wish.queue]))
        return True

    def _failed(self, reason: str, message: str) -> bool:
        self.metrics.transport_up.labels(self.name).set(0)
        self.metrics.transport_errors.labels(self.name, reason).inc()
        pause = min(self._health.pause_s, self.interval_s, LONGEST_PAUSE_S)
        if self._health.reason != reason:
            log.warning("broker cannot be used", transport=self.name, reason=reason, problem=message)
        self._health = Health(reason, message, time.monotonic() + pause, self._health.pause_s * 2)
        self._check_at = min(self._check_at, self._health.until)
        return False

    def _publish_failure(self, actors: Sequence[Name]) -> None:
        facts = QueueFacts(self._health.reason, self._health.message)
        for actor in actors:
            asked = self._asked.get(actor)
            if asked is not None:
                self._publish(actor, asked.wish, facts)

    def _publish(self, actor: Name, wish: Wish, facts: QueueFacts) -> None:
        """Keep the facts, and wake the actor if they are news."""
        with self._changed:
            self._removals.pop(wish.queue, None)  # it was to go, and is wanted again
            asked = self._asked.get(actor)
            if asked is None or asked.wish != wish:
                return
            if asked.facts is not None and asked.facts.created:
                facts = replace(facts, created=True)  # not told yet
            news, asked.facts = asked.facts != facts, facts
        if news:
            self.wake(actor)

    # removals

    def _remove(self) -> None:
        now = time.monotonic()
        with self._changed:
            due = [r for r in self._removals.values() if r.result is None and r.due_at <= now >= self._health.until]
        for removal in due:
            try:
                self._remove_one(removal)
                removal.trouble = ""
            except TransportError as error:
                removal.trouble, removal.due_at = str(error), time.monotonic() + removal.pause_s
                removal.pause_s = min(removal.pause_s * 2, LONGEST_PAUSE_S)
            if removal.result is not None or removal.trouble:
                self.wake(removal.actor)

    def _remove_one(self, removal: Removal) -> None:
        found = self.provisioner.contents(removal.queue)
        if found is None:
            removal.result = "missing"
        elif found.owner not in (None, removal.owner):
            removal.result = "foreign"
        elif removal.only_empty and (found.messages or found.consumers):
            removal.result, removal.messages = "kept", found.messages
        elif removal.only_empty and not removal.empty_once:
            removal.empty_once, removal.due_at = True, time.monotonic() + SECOND_LOOK_S
        else:
            removal.messages = self.provisioner.remove(removal.queue)
            removal.result = "deleted"


def facts_of(look: Look) -> QueueFacts:
    """What a pass needs of a look."""
    return QueueFacts(look.reason, look.message, look.url, look.queued, look.processing, look.dead, look.created)


def portions(items: Sequence[Name], size: int) -> Iterator[Sequence[Name]]:
    """The items in portions."""
    return (items[start : start + size] for start in range(0, len(items), size))
