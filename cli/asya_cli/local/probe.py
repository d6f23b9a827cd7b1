"""Asks the processes of a replica how they are: the sidecar's readiness, the runtime's ready file and `busy`.

Called by `pod.py`. One short HTTP question each, without a client library: the answers are a status line and a small body.
"""

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

ANSWER_WITHIN_S = 3.0
LOCAL_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
FIRST_PORT, TRIES = 22_000, 20

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody uses now, and, where the system says which those are, that no connection gets by chance.

    The sidecar binds it only when it has started, and is asked before it listens: a connection to a port of the system's own range may
    even meet itself (TCP simultaneous open), and would then be in the sidecar's way.
    """
    below = ports_below(_first_of_connections())
    for port in (*random.sample(below, min(TRIES, len(below))), 0):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise OSError("no port of 127.0.0.1 is free")


def ports_below(first_of_connections: int) -> range:
    """Where sidecars listen; empty where the system's own range leaves no room, and then any port has to do."""
    return range(FIRST_PORT, first_of_connections)


def _first_of_connections() -> int:
    try:
        return int(LOCAL_PORTS.read_text().split()[0])
    except OSError:
        return 0


async def sidecar_ready(port: int) -> bool:
    """Whether `/readyz` on the sidecar's port says 200."""
    answer = await _get(lambda: asyncio.open_connection("127.0.0.1", port), "/readyz")
    return answer.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200"))


def runtime_ready(sockets: Path) -> bool:
    """The probe of the pod template: the socket is there and so is the ready file."""
    return (sockets / "runtime-ready").is_file() and (sockets / "asya-runtime.sock").is_socket()


async def runtime_busy(sockets: Path) -> bool | None:
    """Whether a call runs; None when the runtime does not answer."""
    path = str(sockets / "asya-runtime.sock")
    answer = await _get(lambda: asyncio.open_unix_connection(path), "/healthz")
    if not answer:
        return None
    return b'"busy":true' in answer.replace(b" ", b"")


async def _get(connect: Callable[[], Awaitable[Streams]], path: str) -> bytes:
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            reader, writer = await connect()
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
                answer = await reader.read(65536)
                while (more := await reader.read(65536)) and len(answer) < 1 << 20:
                    answer += more
                return answer
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return b""
