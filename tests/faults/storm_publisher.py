"""The storm's producer: an ordinary pika client that publishes one message, waits for the confirm and says both in the ledger.

Used by storm.py, as a thread. What the broker's answer was lost of is not sent again: it may arrive or not, and the ledger knows which
(`recovered`, `absent`); so every duplicate is the mesh's own. Goes on until as many as asked for were accepted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pika
import pika.exceptions
from pika.adapters.utils.connection_workflow import AMQPConnectorException

from tests.faults.ledger import Ledger
from tests.faults.storm_plan import Planned
from tests.support.rabbitmq import PASSWORD, USER

PAUSE_S = 0.05
SYNC_EVERY = 50


class Publisher(threading.Thread):
    """`wanted` are the ends of all that was accepted; `hold` stops it, `go` lets it go on."""

    def __init__(
        self,
        port: int,
        vhost: str,
        queue: str,
        plan: Iterator[Planned],
        count: int,
        ledger: Ledger,
        full: Callable[[], bool],
    ) -> None:
        super().__init__(daemon=True)
        self.wanted: set[str] = set()
        self.accepted = 0
        self.error: BaseException | None = None
        self.over = threading.Event()
        self._go = threading.Event()
        self._held = threading.Event()
        self._parameters = pika.ConnectionParameters(
            "127.0.0.1",
            port,
            vhost,
            pika.PlainCredentials(USER, PASSWORD),
            heartbeat=10,
            blocked_connection_timeout=5,
        )
        self._queue = queue
        self._plan = plan
        self._count = count
        self._ledger = ledger
        self._full = full
        self.go()

    def hold(self) -> None:
        """Returns when nothing is under way."""
        self._go.clear()
        while not (self._held.wait(PAUSE_S) or self.over.is_set()):
            pass

    def go(self) -> None:
        self._held.clear()
        self._go.set()

    def stop(self) -> None:
        """For good, done or not."""
        self.over.set()
        self.join()

    def run(self) -> None:
        try:
            while self.accepted < self._count and not self.over.is_set():
                self._on_one_connection()
        except Exception as error:  # noqa: BLE001 - a thread's end must be told to the test
            self.error = error
        finally:
            self._ledger.sync()
            self.over.set()

    def _on_one_connection(self) -> None:
        try:
            with pika.BlockingConnection(self._parameters) as connection:
                channel = connection.channel()
                channel.confirm_delivery()
                while self.accepted < self._count and not self.over.is_set():
                    if not self._go.is_set():
                        self._held.set()
                    if self._go.is_set() and not self._full():
                        self._publish(channel, next(self._plan))
                    else:
                        connection.sleep(PAUSE_S)  # serves heartbeats meanwhile
        except (pika.exceptions.AMQPError, AMQPConnectorException, OSError):
            self.over.wait(PAUSE_S)

    def _publish(self, channel: pika.adapters.blocking_connection.BlockingChannel, one: Planned) -> None:
        self._ledger.write("attempted", id=one.id, kind=one.kind, ends=one.ends)
        if self.accepted % SYNC_EVERY == 0:
            self._ledger.sync()
        properties = pika.BasicProperties(message_id=one.message_id, delivery_mode=2, content_type="application/json")
        try:
            channel.basic_publish("", self._queue, one.body, properties, mandatory=True)
        except (pika.exceptions.AMQPError, OSError) as error:
            self._ledger.write("unknown", id=one.id, why=type(error).__name__)
            raise
        self._ledger.write("accepted", id=one.id)
        self.wanted.update(end["id"] for end in one.ends)
        self.accepted += 1
