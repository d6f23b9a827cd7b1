"""One hop on the embedded broker: a real sidecar and a real runtime, fed from a full queue.

CPU time is taken from the operating system's accounting of the two processes while most of the queue is worked off, so start-up and
the last, half-empty windows do not count.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from asya_transport.choose import open_admin
from bench.report import Figure, at_most, reported
from bench.runtime_call import running_runtime

SMALL_BYTES, SMALL_MESSAGES = 600, 6_000
LARGE_BYTES, LARGE_MESSAGES = 1_000_000, 200
SAMPLES = 5
WARM_UP_SHARE, END_SHARE = 0.15, 0.9


@dataclass(frozen=True, slots=True)
class Run:
    """What one queue cost: CPU seconds per hop of each process, hops per second, the sidecar's resident memory."""

    sidecar_s: float
    runtime_s: float
    rate: float
    sidecar_mb: float


def envelope(number: int, payload_bytes: int) -> bytes:
    return json.dumps(
        {
            "id": f"bench-{number}",
            "route": {"prev": [], "curr": "a", "next": ["b"]},
            "headers": {"trace_id": "t-1"},
            "payload": {"text": "x" * (payload_bytes - 150)},
        },
        separators=(",", ":"),
    ).encode()


def cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def one_run(messages: int, payload_bytes: int) -> Run:
    with (
        tempfile.TemporaryDirectory(prefix="asya") as name,
        running_runtime("def handle(p):\n    return p\n") as runtime,
    ):
        database = Path(name) / "mesh.db"
        admin = open_admin("sqlite", sqlite_path=database)
        for actor in ("a", "b", "x-sink", "x-sump"):
            admin.declare(f"asya-bench-{actor}")
        for number in range(messages):
            admin.publish("asya-bench-a", envelope(number, payload_bytes), message_id=f"bench-{number}")
        environment = os.environ | {
            "ASYA_ACTOR_NAME": "a",
            "ASYA_NAMESPACE": "bench",
            "ASYA_TRANSPORT": "sqlite",
            "ASYA_SQLITE_PATH": str(database),
            "ASYA_SOCKET_DIR": str(Path(runtime[1]).parent),
            "ASYA_METRICS_ADDR": "127.0.0.1:0",
        }
        log = (Path(name) / "sidecar.log").open("wb")
        sidecar = subprocess.Popen([sys.executable, "-m", "asya_sidecar"], env=environment, stdout=log, stderr=log)
        try:
            watched = psutil.Process(sidecar.pid), psutil.Process(runtime[0].pid)

            def mark(share: float) -> tuple[int, float, float, float]:
                while (done := admin.counts("asya-bench-b").queued) < messages * share:
                    if sidecar.poll() is not None:
                        raise RuntimeError((Path(name) / "sidecar.log").read_text()[-2000:])
                    time.sleep(0.02)
                return done, time.perf_counter(), cpu_s(watched[0]), cpu_s(watched[1])

            begin, end = mark(WARM_UP_SHARE), mark(END_SHARE)
            hops = end[0] - begin[0]
            return Run(
                (end[2] - begin[2]) / hops,
                (end[3] - begin[3]) / hops,
                hops / (end[1] - begin[1]),
                watched[0].memory_info().rss / 2**20,
            )
        finally:
            sidecar.kill()
            sidecar.wait()
            log.close()
            admin.close()


def figures() -> list[Figure]:
    """Small and large payloads in turn, so that a drift of the machine's speed meets both."""
    runs = [(one_run(SMALL_MESSAGES, SMALL_BYTES), one_run(LARGE_MESSAGES, LARGE_BYTES)) for _ in range(SAMPLES)]
    return [
        at_most("sqlite_hop_cpu_us", "us", 500, [(small.sidecar_s + small.runtime_s) * 1e6 for small, _ in runs]),
        reported("sqlite_hop_rate", "1/s", [small.rate for small, _ in runs]),
        at_most("sidecar_rss_mb", "MiB", 40, [small.sidecar_mb for small, _ in runs]),
        at_most("payload_1mb_ratio", "", 12, [large.sidecar_s / small.sidecar_s for small, large in runs]),
    ]
