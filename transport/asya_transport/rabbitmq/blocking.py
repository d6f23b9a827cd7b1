"""A blocking connection to one virtual host that is opened again when it was lost.

Used by admin.py and provisioner.py, each from one thread. Translates pika's exceptions; knows no queue.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

import pika
import pika.exceptions
from pika.adapters.blocking_connection import BlockingChannel
from pika.adapters.utils.connection_workflow import AMQPConnectorException

from asya_transport.admin import AccessRefused, TransportError, Unreachable
from asya_transport.rabbitmq import topology
from asya_transport.rabbitmq.address import RabbitmqAddress
from asya_transport.rabbitmq.connection import explain, parameters_of, refuses_access, tls_context

T = TypeVar("T")

TIMEOUT_S: Final = 10.0
ACCESS_REFUSED: Final = 403
NOT_FOUND: Final = 404
PRECONDITION_FAILED: Final = 406


class Missing(Exception):
    """There is no such queue or exchange."""


class Conflict(Exception):
    """It exists with other arguments, or a message is too large; the text is the broker's."""


class Blocking:
    """One connection with one channel, whose publishes are confirmed."""

    def __init__(self, address: RabbitmqAddress, name: str, heartbeat_s: int = 0) -> None:
        """`heartbeat_s` is for a caller who calls more often than that: a broker that has stopped answering then ends a call."""
        self._heartbeat_s = heartbeat_s
        self._address = address
        self._name = name
        self._connection: pika.BlockingConnection | None = None
        self._channel: BlockingChannel | None = None

    @property
    def place(self) -> str:
        """In words, without credentials."""
        return f"{self._address.place(self._address.hosts[0])}, virtual host {self._address.vhost!r}"

    def version(self) -> tuple[int, int]:
        """The server's; connects if need be.

        Raises:
            Unreachable
        """

        def read(_: BlockingChannel) -> tuple[int, int]:
            assert self._connection is not None, "there is an open channel"
            properties = self._connection._impl.server_properties or {}
            return topology.version_of(str(properties.get("version", "")))

        return self.do(read)

    def open(self) -> BlockingChannel:
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
                except (OSError, pika.exceptions.AMQPError, AMQPConnectorException) as error:
                    trouble = error
        if self._connection is None:
            assert trouble is not None, "there is at least one host"
            if refused := refuses_access(trouble):
                raise AccessRefused(f"{self.place}: {refused} (user {self._address.username!r})") from trouble
            why = "no answer in time" if isinstance(trouble, AMQPConnectorException) else explain(trouble)
            raise Unreachable(f"{self.place}: {why}") from trouble
        self._channel = self._connection.channel()
        self._channel.confirm_delivery()
        return self._channel

    def _parameters(self, host: str) -> pika.ConnectionParameters:
        parameters = parameters_of(self._address, host, self._name)
        assert isinstance(parameters, pika.ConnectionParameters)
        # Usually 0: nobody serves heartbeats between two calls, and a dead connection is found by the next one.
        parameters.heartbeat = self._heartbeat_s
        parameters.socket_timeout = parameters.stack_timeout = TIMEOUT_S
        parameters.blocked_connection_timeout = TIMEOUT_S
        if self._address.tls:
            parameters.ssl_options = pika.SSLOptions(tls_context(self._address), self._address.tls_server_name or host)
        return parameters

    def do(self, work: Callable[[BlockingChannel], T], *, repeat: bool = True) -> T:
        """On an open channel; once more on a new connection when the old one turns out to be dead.

        Raises:
            Unreachable, Missing, Conflict, TransportError
        """
        for again in (repeat, False):
            with self._explained() as lost:
                return work(self.open())
            if not again:
                break
        raise Unreachable(f"{self.place}: {explain(lost[0])}") from lost[0]

    @contextlib.contextmanager
    def _explained(self) -> Iterator[list[BaseException]]:
        """Leaves a lost connection in the list; other troubles are errors."""
        lost: list[BaseException] = []
        try:
            yield lost
        except pika.exceptions.ChannelClosedByBroker as error:
            if error.reply_code == NOT_FOUND:
                raise Missing(error.reply_text) from error
            if error.reply_code == PRECONDITION_FAILED:
                raise Conflict(error.reply_text) from error
            advice = ""
            if error.reply_code == ACCESS_REFUSED:
                vhost, user = shlex.quote(self._address.vhost), shlex.quote(self._address.username)
                advice = f"; to permit it: rabbitmqctl set_permissions -p {vhost} {user} '.*' '.*' '.*'"
            raise TransportError(f"{self.place}: {error.reply_text}{advice}") from error
        except (pika.exceptions.UnroutableError, pika.exceptions.NackError):
            raise
        except (OSError, pika.exceptions.AMQPError) as error:
            self._connection = self._channel = None
            lost.append(error)

    def close(self) -> None:
        """End the connection."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None and connection.is_open:
            with contextlib.suppress(pika.exceptions.AMQPError):
                connection.close()
