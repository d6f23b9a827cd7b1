"""One hop on a real RabbitMQ: rate and CPU time of one sidecar and its runtime, on quorum and classic queues.

Two ways of loading it. From a backlog: the queue is filled first, so that what is measured is what one replica clears; the broker
works beside it on the same cores. In flow: a client publishes and reads the results all the time, too, and takes its share of the
cores. CPU time is the operating system's account of the processes.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import psutil

from bench.hop import END_SHARE, LARGE_BYTES, SMALL_BYTES, WARM_UP_SHARE, cpu_s
from bench.rabbitmq_bed import Bed, Pod, QueueType, bed, pod
from bench.report import Figure, at_least, at_most, reported
from tests.support.rabbitmq import Node, node

SMALL_MESSAGES, LARGE_MESSAGES, FLOW_MESSAGES = 12_000, 500, 6_000
FULL_SHARE = 0.6
"""By then the window has its size and is full, so memory has no reason to grow any more."""
SAMPLES = 3


@dataclass(frozen=True, slots=True)
class Run:
    """What one backlog cost: CPU seconds per hop of each process, hops per second, the sidecar's resident memory on the way."""

    sidecar_s: float
    runtime_s: float
    broker_s: float
    rate: float
    full_mb: float
    late_mb: float

    @property
    def cpu_us(self) -> float:
        """Sidecar and runtime."""
        return (self.sidecar_s + self.runtime_s) * 1e6


@dataclass(frozen=True, slots=True)
class _Mark:
    done: int
    at: float
    sidecar_s: float
    runtime_s: float
    broker_s: float
    sidecar_mb: float


def backlog(broker: Node, kind: QueueType, messages: int, payload_bytes: int) -> Run:
    """Fill a queue, start a pod, watch it work most of the queue off."""
    server = broker.server_process()
    with bed(broker, kind) as where:
        where.fill(messages, payload_bytes)
        with pod(where) as running:
            begin = _mark(where, running, server, messages * WARM_UP_SHARE)
            full = _mark(where, running, server, messages * FULL_SHARE)
            end = _mark(where, running, server, messages * END_SHARE)
    hops = end.done - begin.done
    return Run(
        (end.sidecar_s - begin.sidecar_s) / hops,
        (end.runtime_s - begin.runtime_s) / hops,
        (end.broker_s - begin.broker_s) / hops,
        hops / (end.at - begin.at),
        full.sidecar_mb,
        end.sidecar_mb,
    )


def _mark(where: Bed, running: Pod, server: psutil.Process, done: float) -> _Mark:
    while (arrived := where.queued("b")) < done:
        running.check()
        time.sleep(0.02)
    return _Mark(arrived, time.perf_counter(), *running.cpu_s(), cpu_s(server), running.sidecar_mb())


def flow_rate(broker: Node) -> float:
    """Hops a second with the client's own work on the same cores."""
    with bed(broker, "quorum") as where, pod(where):
        return asyncio.run(where.flow(FLOW_MESSAGES, SMALL_BYTES))


def figures() -> list[Figure]:
    """Quorum and classic queues in turn, so that a drift of the machine's speed meets both."""
    with node() as broker:
        small = [
            (
                backlog(broker, "quorum", SMALL_MESSAGES, SMALL_BYTES),
                backlog(broker, "classic", SMALL_MESSAGES, SMALL_BYTES),
            )
            for _ in range(SAMPLES)
        ]
        large = [backlog(broker, "quorum", LARGE_MESSAGES, LARGE_BYTES) for _ in range(SAMPLES)]
        flow = [flow_rate(broker) for _ in range(SAMPLES)]
    quorum, classic = [run for run, _ in small], [run for _, run in small]
    return [
        at_least("rabbitmq_quorum_hop_rate", "1/s", 2_500, [run.rate for run in quorum]),
        at_most("rabbitmq_hop_cpu_us", "us", 300, [run.cpu_us for run in quorum]),
        reported("rabbitmq_hop_sidecar_cpu_us", "us", [run.sidecar_s * 1e6 for run in quorum]),
        reported("rabbitmq_hop_broker_cpu_us", "us", [run.broker_s * 1e6 for run in quorum]),
        reported("rabbitmq_quorum_flow_rate", "1/s", flow),
        reported("rabbitmq_classic_hop_rate", "1/s", [run.rate for run in classic]),
        reported("rabbitmq_classic_hop_cpu_us", "us", [run.cpu_us for run in classic]),
        reported("rabbitmq_1mb_hop_rate", "1/s", [run.rate for run in large]),
        at_most("rabbitmq_1mb_growth_mb", "MiB", 16, [run.late_mb - run.full_mb for run in large]),
        at_most("sidecar_rabbitmq_rss_mb", "MiB", 45, [run.late_mb for run in quorum]),
    ]
