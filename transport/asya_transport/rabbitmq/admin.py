"""The synchronous side of RabbitMQ: for the command line, for sidecars without a controller, and for tests.

Made by `choose.open_admin`. Implements `asya_transport.admin.Admin` on pika's blocking connection, which is opened again when it was lost.
AMQP itself cannot list queues and does not say what consumers hold: without a management interface `queues` are those that this object
has declared, and `Counts.processing` is None. Nothing says how many messages wait for their time: `Counts.delayed` is always None.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar

import pika
import pika.exceptions
from pika.adapters.blocking_connection import BlockingChannel

from asya_schemas.names import dead_letter_queue
from asya_transport.admin import Counts, QueueMissing, QueueNotEmpty, Stored, TransportError, Unreachable
from asya_transport.port import DELIVERY_LIMIT, Outcome
from asya_transport.rabbitmq import topology
from asya_transport.rabbitmq.address import RabbitmqAddress
from asya_transport.rabbitmq.connection import explain, parameters_of, password_of, refuses_access, tls_context
from asya_transport.rabbitmq.management import Management

T = TypeVar("T")

TIMEOUT_S: Final = 10.0
NOT_FOUND: Final = 404
PRECONDITION_FAILED: Final = 406
MOST_LOOKS: Final = 2
"""Looking at a message counts as a delivery before RabbitMQ 4.3; so many are still far from the crash fence."""


class RabbitmqAdmin:
    """One connection to one virtual host."""

    def __init__(
        self, address: RabbitmqAddress, *, management_url: str | None = None, delivery_limit: int = DELIVERY_LIMIT
    ) -> None:
        self._address = address
        self._delivery_limit = delivery_limit
        self._connection: pika.BlockingConnection | None = None
        self._channel: BlockingChannel | None = None
        self._declared: set[str] = set()
        self._tiers_declared = False
        self._counted: Mapping[str, Counts] | None = None
        self._management: Management | None = None
        self._open()
        if management_url is not None:
            self._management = Management(management_url, address.username, password_of(address), address.vhost)

    # queues

    def declare(self, queue: str) -> None:
        """The queue, its dead-letter queue, and once the delay tiers."""
        self._declare_tiers()
        version = self._do(lambda _channel: self._version())
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
        self._do(bind)

    def _declare(self, queue: str, arguments: Mapping[str, Any]) -> None:
        self._make(
            lambda channel: channel.queue_declare(queue, passive=True),
            lambda channel: channel.queue_declare(queue, durable=True, arguments=dict(arguments)),
        )
        self._declared.add(queue)

    def _make(self, look: Callable[[BlockingChannel], object], make: Callable[[BlockingChannel], object]) -> None:
        """Make it unless it is there: one that exists with other arguments is used as it is (contract: sidecar, section 12)."""
        with contextlib.suppress(_Missing):
            self._do(look)
            return
        try:
            self._do(make)
        except _Conflict:
            self._do(look)  # somebody made it in between

    def delete(self, queue: str, *, only_empty: bool = False) -> int:
        """The queue and what it holds."""
        try:
            found = self.counts(queue)
        except QueueMissing:
            return 0
        if only_empty and (found.queued or found.processing):
            raise QueueNotEmpty(f"queue {queue} at {self._place} still holds messages; process or purge them first")
        # Quorum queues know no conditional deletion in every version: the look above must do.
        self._do(lambda channel: channel.queue_delete(queue))
        self._declared.discard(queue)
        return found.queued + (found.processing or 0)

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
        try:
            answer = self._do(lambda channel: channel.queue_declare(queue, passive=True))
        except _Missing as missing:
            raise QueueMissing(
                f"no queue {queue} at {self._place}; `asya up` or the controller declares it"
            ) from missing
        return int(answer.method.message_count)

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
            self._do(
                lambda channel: channel.basic_publish(exchange, queue, body, properties, mandatory=True), repeat=False
            )
        except (pika.exceptions.UnroutableError, _Missing):
            return Outcome.UNROUTABLE
        except (pika.exceptions.NackError, _Conflict):
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

        return self._do(take)

    def purge(self, queue: str) -> int:
        """Destroy what is queued."""
        self._passive(queue)
        answer = self._do(lambda channel: channel.queue_purge(queue))
        return int(answer.method.message_count)

    def release_dead(self) -> int:
        """The broker notices by itself."""
        return 0

    def close(self) -> None:
        """End the connection."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None and connection.is_open:
            with contextlib.suppress(pika.exceptions.AMQPError):
                connection.close()

    # the connection

    @property
    def _place(self) -> str:
        return f"{self._address.place(self._address.hosts[0])}, virtual host {self._address.vhost!r}"

    def _version(self) -> tuple[int, int]:
        assert self._connection is not None, "asked while a channel is open"
        properties = self._connection._impl.server_properties or {}
        return topology.version_of(str(properties.get("version", "")))

    def _open(self) -> BlockingChannel:
        """The channel, opened again when it is closed.

        Raises:
            Unreachable
        """
        if self._channel is not None and self._channel.is_open:
            return self._channel
        trouble: BaseException | None = None
        if self._connection is None or not self._connection.is_open:
            self._connection = None
            for host in self._address.hosts:
                try:
                    self._connection = pika.BlockingConnection(self._parameters(host))
                    break
                except (OSError, pika.exceptions.AMQPError) as error:
                    trouble = error
        if self._connection is None:
            assert trouble is not None, "there is at least one host"
            raise Unreachable(f"{self._place}: {refuses_access(trouble) or explain(trouble)}") from trouble
        self._channel = self._connection.channel()
        self._channel.confirm_delivery()
        return self._channel

    def _parameters(self, host: str) -> pika.ConnectionParameters:
        parameters = parameters_of(self._address, host, "asya admin")
        assert isinstance(parameters, pika.ConnectionParameters)
        parameters.heartbeat = (
            0  # nobody serves heartbeats between two calls; a dead connection is found by the next call
        )
        parameters.socket_timeout = parameters.stack_timeout = TIMEOUT_S
        parameters.blocked_connection_timeout = TIMEOUT_S
        if self._address.tls:
            parameters.ssl_options = pika.SSLOptions(tls_context(self._address), self._address.tls_server_name or host)
        return parameters

    def _do(self, work: Callable[[BlockingChannel], T], *, repeat: bool = True) -> T:
        """On an open channel; once more on a new connection when the old one turns out to be dead.

        Raises:
            Unreachable, _Missing, _Conflict
        """
        for again in (repeat, False):
            with self._explained() as lost:
                return work(self._open())
            if not again:
                break
        raise Unreachable(f"{self._place}: {explain(lost[0])}") from lost[0]

    @contextlib.contextmanager
    def _explained(self) -> Iterator[list[BaseException]]:
        """Leaves a lost connection in the list; other troubles are errors."""
        lost: list[BaseException] = []
        try:
            yield lost
        except pika.exceptions.ChannelClosedByBroker as error:
            if error.reply_code == NOT_FOUND:
                raise _Missing(error.reply_text) from error
            if error.reply_code == PRECONDITION_FAILED:
                raise _Conflict(error.reply_text) from error
            raise TransportError(f"{self._place}: {error.reply_text}") from error
        except (pika.exceptions.UnroutableError, pika.exceptions.NackError):
            raise
        except (OSError, pika.exceptions.AMQPError) as error:
            self._connection = self._channel = None
            lost.append(error)


class _Missing(Exception):
    """There is no such queue or exchange."""


class _Conflict(Exception):
    """It exists with other arguments, or a message is too large."""
