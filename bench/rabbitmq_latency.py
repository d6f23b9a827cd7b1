"""How long one unloaded hop takes on a real RabbitMQ, and how soon a sidecar consumes again after the broker was away.

Latency is from the call that publishes to the actor's queue until the result arrives at a consumer of the next queue, one message at a
time: four trips over the loopback, two publishes that the broker has made durable, one call of the handler.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from asya_transport.port import Delivery, Outcome
from asya_transport.rabbitmq.transport import RabbitmqTransport
from bench.hop import SMALL_BYTES, envelope
from bench.rabbitmq_bed import Bed, QueueType, bed, pod, queue_of
from bench.report import Figure, at_most, reported
from tests.support.rabbitmq import Node, node

SAMPLES, RESUME_SAMPLES = 3, 3
MESSAGES, WARM_UP_MESSAGES = 500, 100
PAUSE_S = 0.002
"""Between two messages: the hop before has come to rest, acknowledged and logged."""
LOOK_EVERY_S = 0.005
WITHIN_S = 60.0


async def hops_ms(where: Bed) -> list[float]:
    """Milliseconds of each hop, warm-up left out."""
    transport = RabbitmqTransport(where.address)
    arrived = asyncio.Event()
    times: list[float] = []

    def take(delivery: Delivery) -> None:
        times.append((time.perf_counter() - began) * 1000)
        transport.ack(delivery)
        arrived.set()

    transport.start()
    transport.consume(queue_of("b"), take, 10)
    for number in range(WARM_UP_MESSAGES + MESSAGES):
        body = envelope(number, SMALL_BYTES)
        arrived.clear()
        began = time.perf_counter()
        sent = transport.publish(queue_of("a"), body, message_id=f"bench-{number}")
        await arrived.wait()
        if await sent is not Outcome.CONFIRMED:
            raise RuntimeError("the broker did not take the load")
        await asyncio.sleep(PAUSE_S)
    await transport.close()
    return times[WARM_UP_MESSAGES:]


def latency_ms(broker: Node, kind: QueueType) -> tuple[float, float]:
    """p50 and p99 of one sample."""
    with bed(broker, kind) as where, pod(where):
        times = sorted(asyncio.run(hops_ms(where)))
    return times[len(times) // 2], times[len(times) * 99 // 100]


def resume_s(end: Callable[[Node], None]) -> float:
    """From the port's opening to `/readyz` saying that the sidecar consumes; the node is ended by `end` and started again.

    A node of its own each time: one that was killed before may answer 541 for the quorum queues it makes afterwards.
    """
    with node() as broker, bed(broker, "quorum") as where, pod(where) as running:
        _wait(running.is_started)
        _wait(running.is_ready)
        where.close()
        end(broker)
        _wait(lambda: not running.is_ready())
        broker.launch()
        _wait(broker.is_open)
        opened = time.perf_counter()
        _wait(running.is_ready)
        taken_s = time.perf_counter() - opened
        _wait(broker.manages)
    return taken_s


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError("the sidecar or the broker did not get there in time")
        time.sleep(LOOK_EVERY_S)


def figures() -> list[Figure]:
    """Queue types in turn; then a node is stopped and another killed, in turn."""
    with node() as broker:
        samples = [(latency_ms(broker, "classic"), latency_ms(broker, "quorum")) for _ in range(SAMPLES)]
    resumes = [(resume_s(Node.stop), resume_s(Node.kill)) for _ in range(RESUME_SAMPLES)]
    classic, quorum = [one for one, _ in samples], [one for _, one in samples]
    clean, killed = [one for one, _ in resumes], [one for _, one in resumes]
    return [
        at_most("rabbitmq_classic_p50_ms", "ms", 1.3, [p50 for p50, _ in classic]),
        at_most("rabbitmq_classic_p99_ms", "ms", 3, [p99 for _, p99 in classic]),
        at_most("rabbitmq_quorum_p50_ms", "ms", 2.2, [p50 for p50, _ in quorum]),
        at_most("rabbitmq_quorum_p99_ms", "ms", 4, [p99 for _, p99 in quorum]),
        at_most("rabbitmq_resume_s", "s", 2, [max(pair) for pair in resumes]),
        reported("rabbitmq_resume_clean_s", "s", clean),
        reported("rabbitmq_resume_killed_s", "s", killed),
    ]
