"""RabbitMQ's queues as the controller wants them (contract: controller, Queues).

Implements `asya_transport.provision.Provisioner`. Declaring goes over AMQP, because only there an existing queue with other arguments is
told from a new one without touching it; arguments, owners and messages in work are read from the management interface where there is
one. No difference ever deletes a queue that holds messages.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from pika.adapters.blocking_connection import BlockingChannel

from asya_schemas.names import dead_letter_queue
from asya_transport.admin import AccessRefused, CredentialsMissing, TransportError, Unreachable
from asya_transport.port import DELIVERY_LIMIT
from asya_transport.provision import Contents, Look, Wish
from asya_transport.rabbitmq import topology
from asya_transport.rabbitmq.address import RabbitmqAddress
from asya_transport.rabbitmq.blocking import Blocking, Conflict, Missing
from asya_transport.rabbitmq.connection import password_of, tls_context
from asya_transport.rabbitmq.management import Found, Management

T = TypeVar("T")

OWNER: Final = "x-asya-owner"
MANY: Final = 20
"""From so many queues on, one list of all is cheaper than a look at each."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator asks of queues. `classic` counts no deliveries; `exchange` is a topic exchange to bind main queues to."""

    delivery_limit: int = DELIVERY_LIMIT
    auto_create: bool = True
    force_recreate: bool = False
    classic: bool = False
    exchange: str | None = None


class RabbitmqProvisioner:
    """One virtual host. `address` is read again at each connection, so that changed credentials are found."""

    def __init__(self, address: Callable[[], RabbitmqAddress], management_url: str | None, rules: Rules) -> None:
        self._read_address = address
        self._management_url = management_url
        self._rules = rules
        self._link: Blocking | None = None
        self._management: Management | None = None
        self._blind = False
        """The management interface did not answer this time: the queues themselves do, and say less."""
        self._tiers: tuple[tuple[str, float], ...] = ()
        self._tiers_made = False

    # provision.Provisioner

    def ensure(self, wishes: Sequence[Wish], *, read_only: bool = False) -> Mapping[str, Look]:
        """Verify or make main and dead-letter queues, delay tiers first."""
        with self._connected():
            if not (read_only or not self._rules.auto_create or self._tiers_made):
                self._make_tiers()
            listed = self._listed(wishes)
            return {wish.queue: self._one(wish, read_only, listed) for wish in wishes}

    def contents(self, queue: str) -> Contents | None:
        """Messages, consumers and owner of one queue."""
        with self._connected():
            answer = self._passive(queue)
            if answer is None:
                return None
            found = self._seen(queue)
            ready, consumers = answer
            unsettled = found.processing or 0 if found else 0
            return Contents(ready + unsettled, consumers, found.owner if found else None)

    def remove(self, queue: str) -> int:
        """Delete it with what it holds."""
        with self._connected() as link:
            found = self._seen(queue)
            unsettled = found.processing or 0 if found else 0
            try:
                answer = link.do(lambda channel: channel.queue_delete(queue))
            except Missing:
                return 0
            return int(answer.method.message_count) + unsettled

    def close(self) -> None:
        """End the connection."""
        link, self._link = self._link, None
        if link is not None:
            link.close()
        if self._management is not None:
            self._management.close()

    # one queue

    def _one(self, wish: Wish, read_only: bool, listed: Mapping[str, Found] | None) -> Look:
        dead = dead_letter_queue(wish.queue)
        try:
            found = self._look_up(wish.queue, listed)
            # A new queue's dead letters are not looked for: declaring them tells whether they are there with other arguments.
            found_dead = self._look_up(dead, listed) if found is not None or listed is not None else None
            if found is not None and found.owner not in (None, wish.owner):
                return Look("QueueConflict", f"queue '{wish.queue}' belongs to {found.owner}")
            if read_only or not self._rules.auto_create:
                return self._verified(wish, found, found_dead)
            version = self._connection.version()
            dead_made, dead_drift = self._made(dead, self._dead_arguments(version, wish.owner), found_dead)
            made, drift = self._made(wish.queue, self._main_arguments(dead, wish.owner), found)
            if self._rules.exchange:
                exchange, queue = self._rules.exchange, wish.queue
                self._connection.do(lambda channel: channel.queue_bind(queue, exchange, queue))
            look = self._counted(wish.queue, dead, found, found_dead)
            notes = [note for note in (drift, dead_drift) if note]
            if notes:
                look = replace(look, reason="QueueDrift", message="; ".join(notes))
            return replace(look, created=made or dead_made)
        except (Unreachable, CredentialsMissing):
            raise
        except (TransportError, Missing, Conflict) as error:
            return Look("QueueCreateFailed", str(error))

    def _verified(self, wish: Wish, found: Found | None, found_dead: Found | None) -> Look:
        """A queue that we may look at only."""
        dead = dead_letter_queue(wish.queue)
        for name in (wish.queue, dead):
            if self._passive(name) is None:
                why = "" if self._rules.auto_create else " and autoCreate is off"
                return Look("QueueMissing", f"queue '{name}' does not exist{why}")
        return self._counted(wish.queue, dead, found, found_dead)

    def _made(self, queue: str, wanted: Mapping[str, Any], found: Found | None) -> tuple[bool, str]:
        """Whether the queue had to be made, and how it differs from what is wanted."""
        if found is not None:
            drift = difference(queue, found.arguments, wanted)
            if drift and self._rules.force_recreate and found.unused:
                self._recreate(queue, wanted)
                return True, ""
            return False, drift
        if not self._sees and self._passive(queue) is not None:
            return False, self._probed(queue, wanted)
        try:
            self._connection.do(lambda channel: channel.queue_declare(queue, durable=True, arguments=dict(wanted)))
        except Conflict as error:
            return False, self._drift(queue, error)  # somebody made it in between
        return True, ""

    def _drift(self, queue: str, error: Conflict) -> str:
        """How a queue differs that is there with other arguments.

        Raises:
            TransportError: it is not there. A full virtual host refuses with the same code.
        """
        said = without_prefix(str(error))
        if self._passive(queue) is None:
            raise TransportError(f"{self._connection.place}: {said}") from error
        return said

    def _recreate(self, queue: str, wanted: Mapping[str, Any]) -> None:
        """Replace an empty queue nobody reads. Looked at once more, since the figures of the interface are seconds old."""
        now = self._passive(queue)
        if now is not None and now == (0, 0):
            self._connection.do(lambda channel: channel.queue_delete(queue))
        self._connection.do(lambda channel: channel.queue_declare(queue, durable=True, arguments=dict(wanted)))

    def _probed(self, queue: str, wanted: Mapping[str, Any]) -> str:
        """Without the management interface the broker's refusal of another declaration is the only word about arguments."""
        try:
            self._connection.do(lambda channel: channel.queue_declare(queue, durable=True, arguments=dict(wanted)))
        except Conflict as error:
            return without_prefix(str(error))
        return ""

    def _counted(self, queue: str, dead: str, found: Found | None, found_dead: Found | None) -> Look:
        """The look with its figures."""
        ready, processing = self._figures(queue, found)
        return Look("QueueReady", queued=ready, processing=processing, dead=self._figures(dead, found_dead)[0])

    def _figures(self, queue: str, found: Found | None) -> tuple[int | None, int | None]:
        """Messages that wait and that are in work; None is not known. A queue that was just made is empty."""
        if found is None and self._sees:
            return 0, 0
        if found is not None and found.ready is not None:
            return found.ready, found.processing
        # The interface's figures of a new queue come seconds later. Nobody reads it: then nothing is in work.
        answer = self._passive(queue)
        if answer is None:
            return None, None
        return answer[0], 0 if self._sees and answer[1] == 0 else None

    # looking

    def _listed(self, wishes: Sequence[Wish]) -> Mapping[str, Found] | None:
        """Every queue at once, where that is cheaper."""
        if len(wishes) < MANY or not self._sees:
            return None
        return self._asked(lambda management: management.every())

    def _look_up(self, queue: str, listed: Mapping[str, Found] | None = None) -> Found | None:
        """One queue as the management interface sees it; None when it does not, or when there is no such interface."""
        if listed is not None:
            return listed.get(queue)
        return self._asked(lambda management: management.one(queue)) if self._sees else None

    def _seen(self, queue: str) -> Found | None:
        """The same, for who is about to remove it.

        Raises:
            Unreachable: there is an interface and it does not answer. Whose the queue is and what consumers hold is not known then.
        """
        found = self._look_up(queue)
        if self._blind:
            raise Unreachable(f"{self._management_url} does not answer: whose queue '{queue}' is cannot be known")
        return found

    @property
    def _sees(self) -> bool:
        return self._management is not None and not self._blind

    def _asked(self, question: Callable[[Management], T]) -> T | None:
        """The interface's answer; None, and no further question this time, when it does not answer: queues work without it."""
        assert self._management is not None, "asked only where there is one"
        try:
            return question(self._management)
        except AccessRefused:
            raise
        except Unreachable:
            self._blind = True
            return None

    def _passive(self, queue: str) -> tuple[int, int] | None:
        """Ready messages and consumers of a queue, asked of the queue itself; None when there is none."""
        try:
            answer = self._connection.do(lambda channel: channel.queue_declare(queue, passive=True))
        except Missing:
            return None
        return int(answer.method.message_count), int(answer.method.consumer_count)

    # what is wanted

    def _main_arguments(self, dead: str, owner: str) -> dict[str, Any]:
        wanted = topology.work_queue(dead, self._rules.delivery_limit) | {OWNER: owner}
        if not self._rules.classic:
            return wanted
        only_quorum = ("x-delivery-limit", "x-dead-letter-strategy")
        return {key: value for key, value in wanted.items() if key not in only_quorum} | {"x-queue-type": "classic"}

    def _dead_arguments(self, version: tuple[int, int], owner: str) -> dict[str, Any]:
        return topology.dead_letter_queue(version) | {OWNER: owner}

    def _make_tiers(self) -> None:
        for name, seconds in self._tiers:
            tier, arguments = topology.TIER_PREFIX + name, topology.tier_queue(seconds)

            def make(channel: BlockingChannel, tier: str = tier, arguments: Mapping[str, Any] = arguments) -> None:
                channel.exchange_declare(tier, exchange_type="fanout", durable=True)
                channel.queue_declare(tier, durable=True, arguments=dict(arguments))
                channel.queue_bind(tier, tier)

            try:
                self._connection.do(make)
            except Conflict as error:
                self._drift(tier, error)  # one that exists with other arguments is used as it is
        self._tiers_made = True

    # the connection

    @property
    def _connection(self) -> Blocking:
        assert self._link is not None, "used within _connected only"
        return self._link

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Blocking]:
        """A link with the credentials of its connection; dropped after any trouble with the broker, so that they are read again."""
        if self._link is None:
            self._open()
        self._blind = False
        try:
            yield self._connection
        except Unreachable:
            self.close()
            raise

    def _open(self) -> None:
        try:
            address = self._read_address()
            password = password_of(address)
        except OSError as error:
            raise CredentialsMissing(
                f"{error.filename}: {error.strerror}; mount the transport's credentials there"
            ) from error
        self._link = Blocking(address, "asya controller")
        self._tiers, self._tiers_made = address.delay_tiers, False
        if self._management_url is not None:
            self._management = Management(
                self._management_url,
                address.username,
                password,
                address.vhost,
                tls_context(address) if address.tls else None,
            )


def difference(queue: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """How the arguments differ, in words; empty when they do not. A missing owner is no difference: the queue is adopted."""
    told = [
        f"{key} is {found.get(key, 'absent')!r}, wanted {wanted.get(key, 'absent')!r}"
        for key in sorted(found.keys() | wanted.keys())
        if found.get(key) != wanted.get(key) and not (key == OWNER and key not in found)
    ]
    return f"queue '{queue}': {', '.join(told)}" if told else ""


def without_prefix(text: str) -> str:
    """The broker's sentence without its code."""
    return text.removeprefix("PRECONDITION_FAILED - ")
