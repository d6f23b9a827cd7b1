"""Asks the processes of a replica how they are: the sidecar's readiness, the runtime's ready file and `busy`.

Called by `pod.py`. One short HTTP question each, without a client library: the answers are a status line and a small body.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

ANSWER_WITHIN_S = 3.0

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
