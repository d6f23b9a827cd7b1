"""Ours and each peer in turn, several rounds in one run: `python -m bench.peers`; called by tools/bench-peers.

From a backlog on quorum queues of a private RabbitMQ, one worker each. CPU time is that of the worker and all its children, for ours of
sidecar and runtime. Writes build/bench-peers.json.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import pika
import psutil
from rich.console import Console
from rich.table import Table

from bench import report
from bench.hop import END_SHARE, SMALL_BYTES, WARM_UP_SHARE
from bench.local_mesh import all_cpu_s
from bench.rabbitmq import backlog
from tests.support.rabbitmq import PASSWORD, USER, Node, node

ROUNDS = 3
OUR_MESSAGES, PEER_MESSAGES = 10_000, 3_000
ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / "build" / "peers" / "bin"
WITHIN_S = 120.0


@dataclass(frozen=True, slots=True)
class Peer:
    """How its worker is started, and what it really guarantees."""

    name: str
    module: str
    command: str
    guarantee: str
    one_at_a_time: bool = True
    """One thread runs handlers, as ours; else it is shown, but is not one worker."""


PEERS = (
    Peer(
        "Celery",
        "bench.peers.celery_app",
        "celery -A bench.peers.celery_app worker -Q a -c 1 -P solo --without-gossip --without-mingle --without-heartbeat",
        "acks_late, confirm_publish: acknowledged after the confirm; not mandatory, a result without a queue is lost",
    ),
    Peer(
        "Dramatiq",
        "bench.peers.dramatiq_app",
        "dramatiq bench.peers.dramatiq_app --processes 1 --threads 1 --queues a",
        "confirm_delivery: mandatory, acknowledged after the confirm; quorum queues by a subclass of its broker",
    ),
    Peer(
        "Dramatiq, 8 threads",
        "bench.peers.dramatiq_app",
        "dramatiq bench.peers.dramatiq_app --processes 1 --threads 8 --queues a",
        "the same; eight handlers at a time",
        one_at_a_time=False,
    ),
    Peer(
        "FastStream",
        "bench.peers.faststream_app",
        "faststream run bench.peers.faststream_app:app",
        "mandatory, persistent, acknowledged after the confirm",
    ),
    Peer(
        "Taskiq",
        "bench.peers.taskiq_app",
        "taskiq worker bench.peers.taskiq_app:broker --workers 1 --max-async-tasks 64 --ack-type when_executed",
        "mandatory, persistent, acknowledged after the confirm, and also after an exception: a failed task is gone",
    ),
)
OURS = "mandatory, persistent, acknowledged after the confirm; metrics and one INFO line per message"


@dataclass(frozen=True, slots=True)
class Sample:
    """Messages a second, CPU microseconds per message."""

    rate: float
    cpu_us: float


def peer_sample(broker: Node, peer: Peer) -> Sample:
    """Fill the queue with the library's own client, start its worker, watch it."""
    with broker.vhost() as vhost:
        environ = os.environ | {
            "BENCH_URL": f"amqp://{USER}:{PASSWORD}@127.0.0.1:{broker.port}/{vhost}",
            "dramatiq_queue_prefetch": "64",
        }
        fill = [str(ENVIRONMENT / "python"), "-m", peer.module, str(PEER_MESSAGES)]
        subprocess.run(fill, env=environ, cwd=ROOT, check=True, timeout=WITHIN_S)
        parameters = pika.ConnectionParameters(
            "127.0.0.1", broker.port, vhost, pika.PlainCredentials(USER, PASSWORD), heartbeat=0
        )
        with pika.BlockingConnection(parameters) as connection, _worker(peer, environ) as process:
            channel = connection.channel()

            def arrived() -> int:
                if process.poll() is not None:
                    raise RuntimeError(f"{peer.name}: its worker ended; see {_log(peer)}")
                return int(channel.queue_declare("b", passive=True).method.message_count)

            begin = _mark(arrived, process.pid, PEER_MESSAGES * WARM_UP_SHARE)
            end = _mark(arrived, process.pid, PEER_MESSAGES * END_SHARE)
    return Sample((end[0] - begin[0]) / (end[1] - begin[1]), (end[2] - begin[2]) / (end[0] - begin[0]) * 1e6)


def _mark(arrived: Callable[[], int], pid: int, done: float) -> tuple[int, float, float]:
    deadline = time.monotonic() + WITHIN_S
    while (count := arrived()) < done:
        if time.monotonic() > deadline:
            raise RuntimeError(f"only {count} messages arrived within {WITHIN_S:g} s")
        time.sleep(0.02)
    return count, time.perf_counter(), all_cpu_s(pid)


def _log(peer: Peer) -> Path:
    return ROOT / "build" / f"bench-peers-{peer.name.lower().replace(', ', '-').replace(' ', '-')}.log"


@contextmanager
def _worker(peer: Peer, environ: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A worker at its library's own log level, killed with its children at the end."""
    program, *arguments = peer.command.split()
    command = [str(ENVIRONMENT / program), *arguments]
    with _log(peer).open("wb") as log:
        process = subprocess.Popen(command, env=environ, cwd=ROOT, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            yield process
        finally:
            family = [*psutil.Process(process.pid).children(recursive=True)] if process.poll() is None else []
            process.kill()
            process.wait()
            for child in family:
                if child.is_running():
                    child.kill()


def our_sample(broker: Node) -> Sample:
    run = backlog(broker, "quorum", OUR_MESSAGES, SMALL_BYTES)
    return Sample(run.rate, run.cpu_us)


def main() -> int:
    """Exit status 0 when both ratios meet their targets, else 1."""
    facts = report.machine()
    samples: dict[str, list[Sample]] = {name: [] for name in ("Asya Mesh", *(peer.name for peer in PEERS))}
    with node() as broker:
        for _ in range(ROUNDS):
            samples["Asya Mesh"].append(our_sample(broker))
            for peer in PEERS:
                samples[peer.name].append(peer_sample(broker, peer))
    rounds = range(ROUNDS)
    ours, every = samples["Asya Mesh"], [samples[peer.name] for peer in PEERS]
    alike = [samples[peer.name] for peer in PEERS if peer.one_at_a_time]

    def rates(others: list[list[Sample]]) -> list[float]:
        return [ours[turn].rate / max(other[turn].rate for other in others) for turn in rounds]

    def costs(others: list[list[Sample]]) -> list[float]:
        return [min(other[turn].cpu_us for other in others) / ours[turn].cpu_us for turn in rounds]

    figures = [
        report.at_least("peer_rate_ratio", "", 3, rates(alike)),
        report.at_least("peer_cpu_ratio", "", 3, costs(alike)),
        report.reported("peer_rate_ratio_many_threads", "", rates(every)),
        report.reported("peer_cpu_ratio_many_threads", "", costs(every)),
    ]
    guarantees = {"Asya Mesh": OURS} | {peer.name: peer.guarantee for peer in PEERS}
    _show(samples, guarantees)
    report.show(figures)
    details = {
        name: {"guarantee": guarantees[name], "samples": [asdict(sample) for sample in found]}
        for name, found in samples.items()
    }
    report.write(ROOT / "build" / "bench-peers.json", facts | {"peers": details}, figures)
    return 0 if all(figure.ok for figure in figures) else 1


def _show(samples: dict[str, list[Sample]], guarantees: dict[str, str]) -> None:
    table = Table("", "messages/s", "CPU us/message", "guarantee (durable quorum queues everywhere)")
    for name, found in samples.items():
        rate, cpu_us = (statistics.median(getattr(sample, part) for sample in found) for part in ("rate", "cpu_us"))
        table.add_row(name, f"{rate:.0f}", f"{cpu_us:.0f}", guarantees[name])
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
