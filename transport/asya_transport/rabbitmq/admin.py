"""The synchronous side of RabbitMQ: for the command line, for sidecars without a controller, and for tests.

Made by `choose.open_admin`. Implements `asya_transport.admin.Admin` on pika's blocking connection, which is opened again when it was lost.
AMQP itself cannot list queues and does not say what consumers hold: without a management interface `queues` are those that this object
has declared, and `Counts.processing` is None. Nothing says how many messages wait for their time: `Counts.delayed` is always None.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import pika
import pika.exceptions
import pika.spec
from pika.adapters.blocking_connection import BlockingChannel

from asya_schemas.names import dead_letter_queue
from asya_transport.admin import Counts, QueueMissing, QueueNotEmpty, Stored, Unreachable
from asya_transport.port import DELIVERY_LIMIT, Outcome
from asya_transport.rabbitmq import topology
from asya_transport.rabbitmq.address import RabbitmqAddress
from asya_transport.rabbitmq.blocking import Blocking, Conflict, Missing
from asya_transport.rabbitmq.connection import password_of
from asya_transport.rabbitmq.management import Management

MOST_LOOKS: Final = 2
"""Looking at a message counts as a delivery before RabbitMQ 4.3; so many are still far from the crash fence."""


class RabbitmqAdmin:
    """One connection to one virtual host."""

    def __init__(
        self,
        address: RabbitmqAddress,
        *,
        management_url: str | None = None,
        delivery_limit: int = DELIVERY_LIMIT,
        heartbeat_s: int = 0,
    ) -> None:
        """`heartbeat_s` is for a caller who calls more often than that: a broker that has stopped answering then ends a call."""
        self._address = address
        self._delivery_limit = delivery_limit
        self._link = Blocking(address, "asya admin", heartbeat_s)
        self._declared: set[str] = set()
        self._tiers_declared = False
        self._counted: Mapping[str, Counts] | None = None
        self._management: Management | None = None
        self._link.open()
        if management_url is not None:
            self._management = Management(management_url, address.username, password_of(address), address.vhost)

    # queues

    def declare(self, queue: str) -> None:
        """The queue, its dead-letter queue, and once the delay tiers."""
        self._declare_tiers()
        version = self._link.version()
        suffix = dead_letter_queue("")
        if not queue.endswith(suffix):
            dead_letters = dead_letter_queue(queue)
            self._declare(dead_letters, topology.dead_letter_queue(version))
            self._declare(queue, topology.work_queue(dead_letters, self._delivery_limit))
        else:
            self._declare(queue, topology.dead_letter_queue(version))

    def _declare_tiers(self) -> None:
        if self._tiers_declared:
            return
        for name, seconds in self._address.delay_tiers:
            self._declare_tier(topology.TIER_PREFIX + name, seconds)
        self._tiers_declared = True

    def _declare_tier(self, name: str, seconds: float) -> None:
        def bind(channel: BlockingChannel) -> None:
            channel.queue_bind(name, name)

        self._make(
            lambda channel: channel.exchange_declare(name, passive=True),
            lambda channel: channel.exchange_declare(name, exchange_type="fanout", durable=True),
        )
        arguments = topology.tier_queue(seconds)
        self._make(
            lambda channel: channel.queue_declare(name, passive=True),
            lambda channel: channel.queue_declare(name, durable=True, arguments=arguments),
        )
        self._link.do(bind)

    def _declare(self, queue: str, arguments: Mapping[str, Any]) -> None:
        self._make(
            lambda channel: channel.queue_declare(queue, passive=True),
            lambda channel: channel.queue_declare(queue, durable=True, arguments=dict(arguments)),
        )
        self._declared.add(queue)

    def _make(self, look: Callable[[BlockingChannel], object], make: Callable[[BlockingChannel], object]) -> None:
        """Make it unless it is there: one that exists with other arguments is used as it is (contract: sidecar, section 12)."""
        with contextlib.suppress(Missing):
            self._link.do(look)
            return
        try:
            self._link.do(make)
        except Conflict:
            self._link.do(look)  # somebody made it in between

    def delete(self, queue: str, *, only_empty: bool = False) -> int:
        """The queue and what it holds: as the broker counts it, or as was seen before (some versions count nothing)."""
        try:
            consumers = self._look(queue).consumer_count
            found = self.counts(queue)
        except QueueMissing:
            return 0
        if only_empty and (found.queued or found.processing):
            raise QueueNotEmpty(
                f"queue {queue} at {self._link.place} still holds messages; process or purge them first"
            )
        # What consumers hold is not told by AMQP, so where there are some the queue cannot be known to be empty.
        if only_empty and consumers:
            raise QueueNotEmpty(f"queue {queue} at {self._link.place} is still consumed; stop its consumers first")
        # Quorum queues know no conditional deletion in every version: the look above must do.
        answer = self._link.do(lambda channel: channel.queue_delete(queue))
        self._declared.discard(queue)
        return max(int(answer.method.message_count), found.queued + (found.processing or 0))

    def exists(self, queue: str) -> bool:
        """It is declared."""
        try:
            self._passive(queue)
        except QueueMissing:
            return False
        return True

    def queues(self) -> list[str]:
        """All names the management interface knows, the delay tiers left out; without it those declared here."""
        names = self._management.counts().keys() if self._management is not None else self._declared
        return sorted(name for name in names if not name.startswith(topology.TIER_PREFIX))

    # figures

    def counts(self, queue: str) -> Counts:
        """Of one queue."""
        queued = self._passive(queue)
        processing = None
        if self._management is not None and (found := self._management.counts().get(queue)) is not None:
            processing = found.processing
        return Counts(queued, processing, None)

    def all_counts(self) -> Mapping[str, Counts]:
        """Of every queue in `queues`."""
        self._counted = self._count()
        return self._counted

    def changed(self) -> bool:
        """Asks, because the broker does not tell."""
        return self._counted is None or self._count() != self._counted

    def _count(self) -> dict[str, Counts]:
        if self._management is not None:
            every = self._management.counts()
            return {queue: every[queue] for queue in sorted(every) if not queue.startswith(topology.TIER_PREFIX)}
        found: dict[str, Counts] = {}
        for queue in sorted(self._declared):
            with contextlib.suppress(QueueMissing):
                found[queue] = Counts(self._passive(queue), None, None)
        return found

    def _passive(self, queue: str) -> int:
        return int(self._look(queue).message_count)

    def _look(self, queue: str) -> pika.spec.Queue.DeclareOk:
        try:
            answer = self._link.do(lambda channel: channel.queue_declare(queue, passive=True))
        except Missing as missing:
            raise QueueMissing(
                f"no queue {queue} at {self._link.place}; `asya up` or the controller declares it"
            ) from missing
        assert isinstance(answer.method, pika.spec.Queue.DeclareOk)
        return answer.method

    # messages

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
        tier = topology.tier_for(self._address.delay_tiers, delay_s) if delay_s > 0 else None
        properties = pika.BasicProperties(  # type: ignore[no-untyped-call] # its __init__ alone has no return type
            content_type="application/json",
            headers=None if trace_id is None else {"trace_id": trace_id},
            delivery_mode=2,
            message_id=message_id,
            timestamp=int(time.time()),
            app_id=sender,
        )
        exchange = "" if tier is None else topology.TIER_PREFIX + tier[0]
        try:
            self._link.do(
                lambda channel: channel.basic_publish(exchange, queue, body, properties, mandatory=True), repeat=False
            )
        except (pika.exceptions.UnroutableError, Missing):
            return Outcome.UNROUTABLE
        except (pika.exceptions.NackError, Conflict):
            return Outcome.REFUSED
        except Unreachable:
            return Outcome.UNKNOWN
        return Outcome.CONFIRMED

    def peek(self, queue: str, limit: int = 10) -> list[Stored]:
        """The oldest messages that no consumer holds. AMQP cannot look without taking: they are taken and given back, which before
        RabbitMQ 4.3 counts as a delivery; so a work queue's message that was handed out before is not looked at, and ends the list.
        """
        self._passive(queue)

        def take(channel: BlockingChannel) -> list[Stored]:
            found: list[Stored] = []
            last = None
            while len(found) < limit:
                method, properties, body = channel.basic_get(queue)
                if method is None or properties is None:
                    break
                last = method.delivery_tag
                headers = properties.headers or {}
                deliveries = int(headers.get("x-delivery-count", 0))
                if deliveries > MOST_LOOKS and not queue.endswith(dead_letter_queue("")):
                    break
                trace_id = headers.get("trace_id")
                found.append(Stored(body or b"", properties.message_id, trace_id, properties.app_id, deliveries))
            if last is not None:
                channel.basic_nack(last, multiple=True, requeue=True)
            return found

        return self._link.do(take)

    def purge(self, queue: str) -> int:
        """Destroy what is queued."""
        self._passive(queue)
        answer = self._link.do(lambda channel: channel.queue_purge(queue))
        return int(answer.method.message_count)

    def release_dead(self) -> int:
        """The broker notices by itself."""
        return 0

    def close(self) -> None:
        """End the connection."""
        self._link.close()
        if self._management is not None:
            self._management.close()
