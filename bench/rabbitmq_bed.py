"""A private RabbitMQ node with real sidecars on it, for the measurements in rabbitmq.py and rabbitmq_latency.py.

Measures nothing. Whatever is started here is stopped here, also after a failure.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import pika
import psutil

from asya_transport.port import Delivery, Outcome
from asya_transport.rabbitmq.admin import RabbitmqAdmin
from asya_transport.rabbitmq.transport import RabbitmqTransport
from bench.hop import WARM_UP_SHARE, cpu_s, envelope
from bench.runtime_call import running_runtime
from tests.support.rabbitmq import PASSWORD, USER, Node

QueueType = Literal["quorum", "classic"]
ACTORS: Final = ("a", "b", "x-sink", "x-sump")
IN_FLIGHT: Final = 500
"""Messages that the load publishes before it waits for their confirms."""


def queue_of(actor: str) -> str:
    return f"asya-bench-{actor}"


class Bed:
    """One virtual host with the queues of `ACTORS`, and a client that looks at them."""

    def __init__(self, node: Node, vhost: str, kind: QueueType) -> None:
        self.node, self.vhost = node, vhost
        self.address = node.address(vhost)
        if kind == "quorum":
            admin = RabbitmqAdmin(self.address)
            for actor in ACTORS:
                admin.declare(queue_of(actor))
            admin.close()
        parameters = pika.ConnectionParameters(
            self.address.hosts[0], self.address.port, vhost, pika.PlainCredentials(USER, PASSWORD)
        )
        self._connection = pika.BlockingConnection(parameters)
        self._channel = self._connection.channel()
        if kind == "classic":
            for actor in ACTORS:
                self._channel.queue_declare(queue_of(actor), durable=True)

    def queued(self, actor: str) -> int:
        """Messages that wait there."""
        found = self._channel.queue_declare(queue_of(actor), passive=True)
        return int(found.method.message_count)

    def close(self) -> None:
        """Let the client go; the broker may be gone already."""
        if self._connection.is_open:
            self._connection.close()

    def fill(self, messages: int, payload_bytes: int, first: int = 0) -> None:
        """Put so many envelopes into the queue of actor `a`, all confirmed when this returns."""
        asyncio.run(self._fill(messages, payload_bytes, first))

    async def _fill(self, messages: int, payload_bytes: int, first: int) -> None:
        transport = RabbitmqTransport(self.address)
        transport.start()
        for start in range(first, first + messages, IN_FLIGHT):
            numbers = range(start, min(start + IN_FLIGHT, first + messages))
            sent = [
                transport.publish(queue_of("a"), envelope(number, payload_bytes), message_id=f"bench-{number}")
                for number in numbers
            ]
            if set(await asyncio.gather(*sent)) != {Outcome.CONFIRMED}:
                raise RuntimeError("the broker did not take the load")
        await transport.close()

    async def flow(self, messages: int, payload_bytes: int) -> float:
        """Messages a second from publishing at `a` to arriving at `b`, with IN_FLIGHT of them on the way all the time."""
        transport = RabbitmqTransport(self.address)
        transport.start()
        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()
        count = {"sent": 0, "arrived": 0}

        def send() -> None:
            number = count["sent"]
            count["sent"] += 1
            transport.publish(queue_of("a"), envelope(number, payload_bytes), message_id=f"bench-{number}")

        def arrived(delivery: Delivery) -> None:
            transport.ack(delivery)
            count["arrived"] += 1
            if count["sent"] < messages:
                send()
            elif count["arrived"] >= messages and not over.done():
                over.set_result(None)

        transport.consume(queue_of("b"), arrived, 200)
        while count["sent"] < IN_FLIGHT:
            send()
        while count["arrived"] < messages * WARM_UP_SHARE:
            await asyncio.sleep(0.02)
        began, first = time.perf_counter(), count["arrived"]
        await over
        rate = (messages - first) / (time.perf_counter() - began)
        await transport.close()
        return rate


@contextmanager
def bed(node: Node, kind: QueueType) -> Iterator[Bed]:
    """A virtual host of one's own with empty queues of this kind."""
    with node.vhost() as vhost:
        made = Bed(node, vhost, kind)
        try:
            yield made
        finally:
            made.close()


class Pod:
    """A running sidecar and runtime of actor `a`."""

    def __init__(self, sidecar: subprocess.Popen[bytes], runtime: subprocess.Popen[bytes], log: Path) -> None:
        self._process, self._log = sidecar, log
        self.sidecar, self.runtime = psutil.Process(sidecar.pid), psutil.Process(runtime.pid)

    def check(self) -> None:
        """Raise RuntimeError with the end of its log when the sidecar is gone."""
        if self._process.poll() is not None:
            raise RuntimeError(f"the sidecar ended:\n{self._log.read_text()[-2000:]}")

    def is_started(self) -> bool:
        """It has said where it answers."""
        self.check()
        return self._log.stat().st_size > 0

    def is_ready(self) -> bool:
        """Its `/readyz` says so: it consumes."""
        try:
            with urllib.request.urlopen(f"http://{self._address()}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError as error:
            error.close()
            return False

    def _address(self) -> str:
        with self._log.open() as lines:
            return str(json.loads(next(lines))["metrics"])

    def cpu_s(self) -> tuple[float, float]:
        """CPU seconds used so far: sidecar, runtime."""
        return cpu_s(self.sidecar), cpu_s(self.runtime)

    def sidecar_mb(self) -> float:
        return self.sidecar.memory_info().rss / 2**20


@contextmanager
def pod(where: Bed) -> Iterator[Pod]:
    """A pod as a cluster runs it: metrics served, INFO lines written (to a file), a handler that returns what it is given."""
    with (
        tempfile.TemporaryDirectory(prefix="asya") as name,
        running_runtime("def handle(p):\n    return p\n") as (runtime, path),
    ):
        environment = os.environ | {
            "ASYA_ACTOR_NAME": "a",
            "ASYA_NAMESPACE": "bench",
            "ASYA_TRANSPORT": "rabbitmq",
            "ASYA_RABBITMQ_HOST": where.address.hosts[0],
            "ASYA_RABBITMQ_PORT": str(where.address.port),
            "ASYA_RABBITMQ_VHOST": where.vhost,
            "ASYA_RABBITMQ_USERNAME": USER,
            "ASYA_RABBITMQ_PASSWORD": PASSWORD,
            "ASYA_SOCKET_DIR": str(Path(path).parent),
            "ASYA_METRICS_ADDR": "127.0.0.1:0",
        }
        log = Path(name) / "sidecar.log"
        with log.open("wb") as output:
            sidecar = subprocess.Popen(
                [sys.executable, "-m", "asya_sidecar"], env=environment, stdout=output, stderr=output
            )
        try:
            yield Pod(sidecar, runtime, log)
        finally:
            sidecar.kill()
            sidecar.wait()
