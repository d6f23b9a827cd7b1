"""Envelopes for actors in pods, published one by one and counted where routes end, with a ledger of the faults' kind.

Used by tests/e2e. A publisher thread sends and waits for each confirm; a collector thread takes what arrives for x-sink and x-sump, whose
queues exist before anybody has installed these actors. Nothing that was accepted may be missing at the end.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pika
import pika.exceptions
from pika.adapters.utils.connection_workflow import AMQPConnectorException

from tests.faults.ledger import Ledger, Verdict, check, read
from tests.support.kube.installation import Actors
from tests.support.rabbitmq import PASSWORD, USER
from tests.support.wait import until

ENDS = ("x-sink", "x-sump")
PAUSE_S = 0.1
FAILURES = (pika.exceptions.AMQPError, AMQPConnectorException, OSError)
"""Of a broker that is away."""


class Traffic:
    """`send` one or keep on with `flow`; `ended` are the envelopes that came to an end, by id."""

    def __init__(self, actors: Actors, folder: Path) -> None:
        self._actors = actors
        self.ledger = Ledger(folder / f"ledger-{uuid.uuid4().hex[:8]}.jsonl")
        self.ended: dict[str, dict[str, Any]] = {}
        self.accepted: set[str] = set()
        self.at: dict[str, float] = {}
        """When an envelope was seen at its end, monotonic."""
        self._over = threading.Event()
        self._number = 0
        self._collector = threading.Thread(target=self._collect, daemon=True)
        self._collector.start()

    def _connection(self) -> pika.BlockingConnection:
        installation = self._actors.installation
        credentials = pika.PlainCredentials(USER, PASSWORD)
        host, port = installation.transport()["config"]["host"], installation.broker.port
        return pika.BlockingConnection(
            pika.ConnectionParameters(host, port, installation.vhost, credentials, heartbeat=10)
        )

    def send(self, actor: str, payload: dict[str, Any], connection: pika.BlockingConnection | None = None) -> str:
        """Publish one, confirmed; gives its id.

        Raises:
            AMQPError: the broker did not say whether it has it; the ledger knows.
        """
        self._number += 1
        name = f"e-{self._number}"
        end = {"id": name, "parent": None, "reasons": ["Completed"], "result": None}
        self.ledger.write("attempted", id=name, kind="plain", ends=[end])
        body = json.dumps({"id": name, "route": {"prev": [], "curr": actor, "next": []}, "payload": payload}).encode()
        with contextlib.ExitStack() as stack:
            if connection is None:
                connection = stack.enter_context(contextlib.closing(self._connection()))
            try:
                channel = connection.channel()
                channel.confirm_delivery()
                channel.basic_publish("", self._actors.queue(actor), body, mandatory=True)
                channel.close()
            except (pika.exceptions.AMQPError, OSError) as error:
                self.ledger.write("unknown", id=name, why=type(error).__name__)
                raise
        self.ledger.write("accepted", id=name)
        self.accepted.add(name)
        return name

    @contextlib.contextmanager
    def flow(self, actor: str, payload: dict[str, Any], every_s: float) -> Iterator[None]:
        """Keep sending while the block runs, also through failures of the broker."""
        stop = threading.Event()

        def run() -> None:
            while not stop.is_set():
                with contextlib.suppress(*FAILURES), contextlib.closing(self._connection()) as connection:
                    while not stop.is_set():
                        self.send(actor, payload, connection)
                        connection.sleep(every_s)
                stop.wait(PAUSE_S)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _collect(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(*FAILURES), contextlib.closing(self._connection()) as connection:
                channel = connection.channel()
                for place in ENDS:
                    channel.basic_consume(self._actors.queue(place), self._taker(place))
                while not self._over.is_set():
                    connection.process_data_events(PAUSE_S)
            self._over.wait(PAUSE_S)

    def _taker(self, place: str) -> Any:
        def take(channel: Any, method: Any, _properties: Any, body: bytes) -> None:
            envelope = json.loads(body)
            reason = envelope.get("status", {}).get("reason", "")
            self.ledger.write("ended", id=envelope["id"], parent=None, reason=reason, result=None, place=place)
            self.at.setdefault(envelope["id"], time.monotonic())
            self.ended[envelope["id"]] = envelope
            channel.basic_ack(method.delivery_tag)

        return take

    def result(self, name: str, within_s: float = 60) -> dict[str, Any]:
        """The envelope at its end."""
        return until(lambda: self.ended.get(name), within_s, 0.02, what=f"the end of {name}") or {}

    def settle(self, within_s: float = 120) -> Verdict:
        """Wait until all that was accepted has ended, and judge.

        Raises:
            AssertionError: something is lost, or was never attempted.
        """
        until(lambda: self.accepted <= set(self.ended), within_s, 0.1, what="all that was accepted has ended")
        verdict = check(read(self.ledger.path))
        assert verdict.troubles() == []
        return verdict

    def close(self) -> None:
        """End the collector."""
        self._over.set()
        self._collector.join()
        self.ledger.close()
