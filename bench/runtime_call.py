"""The runtime alone: one blocking client on one kept connection, as a sidecar would use it."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from bench.report import Figure, at_most, reported

CALLS_PER_SAMPLE = 2_000
SAMPLES = 5
PAYLOAD_BYTES = 600

ENVELOPE = json.dumps(
    {
        "id": "bench-1",
        "route": {"prev": [], "curr": "a", "next": ["b"]},
        "headers": {"trace_id": "t-1"},
        "payload": {"text": "x" * (PAYLOAD_BYTES - 150)},
    },
    separators=(",", ":"),
).encode()


def runtime_script() -> str:
    """The path of asya_runtime.py, wherever it is installed."""
    found = importlib.util.find_spec("asya_runtime")
    if found is None or found.origin is None:
        raise RuntimeError("asya_runtime is not installed: run make setup")
    return found.origin


@contextmanager
def running_runtime(source: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A runtime that serves `bench_handler.handle` made of `source`; yields its process and the path of its socket."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="asya") as name:
        folder = Path(name)
        (folder / "bench_handler.py").write_text(source)
        environment = os.environ | {
            "ASYA_HANDLER": "bench_handler.handle",
            "ASYA_SOCKET_DIR": name,
            "ASYA_LOG_LEVEL": "INFO",
        }
        process = subprocess.Popen(
            [sys.executable, runtime_script()], cwd=name, env=environment, stderr=subprocess.DEVNULL
        )
        try:
            deadline = time.monotonic() + 10
            while not (folder / "runtime-ready").exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("the runtime did not become ready")
                time.sleep(0.01)
            yield process, str(folder / "asya-runtime.sock")
        finally:
            process.kill()
            process.wait()


def one_call(connection: socket.socket, request: bytes) -> None:
    connection.sendall(request)
    answer = connection.recv(65536)
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"unexpected answer: {answer[:200]!r}")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)


def bare_round_trip_us() -> float:
    """p50 of the same bytes to and fro between two processes that do nothing with them: what the machine itself costs."""
    ours, theirs = socket.socketpair()
    echo = "import socket; s = socket.socket(fileno=0)\nwhile d := s.recv(65536): s.sendall(d)"
    process = subprocess.Popen([sys.executable, "-S", "-c", echo], stdin=theirs.fileno())
    theirs.close()
    try:
        return p50_us(lambda: to_and_fro(ours))
    finally:
        ours.close()
        process.wait()


def to_and_fro(connection: socket.socket) -> None:
    connection.sendall(ENVELOPE)
    connection.recv(65536)


def p50_us(call: Callable[[], object]) -> float:
    times = []
    for _ in range(CALLS_PER_SAMPLE):
        begin = time.perf_counter_ns()
        call()
        times.append(time.perf_counter_ns() - begin)
    return sorted(times)[len(times) // 2] / 1000


@contextmanager
def on_one_core(pid: int) -> Iterator[None]:
    """Client and runtime take turns anyway. On two cores each turn also pays for waking one, which a virtual machine makes dear."""
    everywhere = os.sched_getaffinity(0)
    one = {min(everywhere)}
    for which in (0, pid):
        os.sched_setaffinity(which, one)
    try:
        yield
    finally:
        for which in (0, pid):
            os.sched_setaffinity(which, everywhere)


def figures() -> list[Figure]:
    """Round trip (p50 of each sample) and resident memory after all calls; beside it, what two cores and the bare socket cost here."""
    request = (
        f"POST /invoke HTTP/1.1\r\nHost: runtime\r\nX-Asya-Deadline-Ms: 300000\r\nContent-Length: {len(ENVELOPE)}\r\n\r\n"
    ).encode() + ENVELOPE
    with running_runtime("def handle(payload):\n    return payload\n") as (process, path):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(path)
        two_cores = [p50_us(lambda: one_call(connection, request)) for _ in range(SAMPLES)]
        with on_one_core(process.pid):
            one_core = [p50_us(lambda: one_call(connection, request)) for _ in range(SAMPLES)]
        resident_mb = psutil.Process(process.pid).memory_info().rss / 2**20
        connection.close()
    return [
        at_most("runtime_round_trip_us", "us", 80, one_core),
        reported("runtime_round_trip_two_cores_us", "us", two_cores),
        reported("bare_round_trip_two_cores_us", "us", [bare_round_trip_us() for _ in range(SAMPLES)]),
        at_most("runtime_rss_mb", "MiB", 16, [resident_mb]),
    ]
