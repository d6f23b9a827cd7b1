"""A process of its own that uses the mesh file: to be killed, frozen and watched by tests/transport.

`python sqlite_client.py FILE hold QUEUE WINDOW`
    takes messages and keeps them; prints `got <body> <deliveries>` for each; a line on stdin, `ack` or `alive`, is answered for the oldest
`python sqlite_client.py FILE work QUEUE FOLDER`
    for each message: make FOLDER/<body>, forward it to `r`, ack, remove FOLDER/<body>; prints `twice <body>` when it was there, which is
    when somebody else holds the message too
`python sqlite_client.py FILE send QUEUE NUMBER`
    publishes bodies 0, 1, 2 ..; prints the numbers once they are confirmed
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from asya_transport.port import Delivery, Outcome, Transport
from asya_transport.sqlite.transport import SqliteTransport


def say(*words: object) -> None:
    """One line, at once."""
    print(*words, flush=True)  # noqa: T201


async def hold(transport: Transport, queue: str, window: int) -> None:
    """Keep everything."""
    deliveries: list[Delivery] = []

    def on_delivery(delivery: Delivery) -> None:
        deliveries.append(delivery)
        say("got", delivery.body.decode(), delivery.deliveries)

    transport.consume(queue, on_delivery, window)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := (await lines.readline()).decode().strip():
        if line == "ack":
            say("ack", await transport.ack(deliveries[0]))
        elif line == "alive":
            say("alive", transport.alive(deliveries[0]))


async def work(transport: Transport, queue: str, folder: Path) -> None:
    """Do it alone, send it on, acknowledge: a hop. The marker stands as long as the message is ours."""
    tasks: set[asyncio.Task[None]] = set()

    async def hop(delivery: Delivery) -> None:
        marker = folder / delivery.body.decode()
        try:
            marker.touch(exist_ok=False)
        except FileExistsError:
            say("twice", delivery.body.decode(), delivery.deliveries)
        if await transport.publish("r", delivery.body) is Outcome.CONFIRMED:
            await transport.ack(delivery)
        marker.unlink(missing_ok=True)

    def on_delivery(delivery: Delivery) -> None:
        task = asyncio.ensure_future(hop(delivery))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    transport.consume(queue, on_delivery, 8)
    await asyncio.Event().wait()


async def send(transport: Transport, queue: str, number: int) -> None:
    """As fast as it goes."""
    for first in range(0, number, 50):
        batch = range(first, min(number, first + 50))
        outcomes = await asyncio.gather(*(transport.publish(queue, str(index).encode()) for index in batch))
        say(*(index for index, outcome in zip(batch, outcomes, strict=True) if outcome is Outcome.CONFIRMED))


async def main(file: str, what: str, queue: str, last: str) -> None:
    """Begin."""
    transport = SqliteTransport(Path(file))
    transport.start()
    if what == "hold":
        await hold(transport, queue, int(last))
    elif what == "work":
        await work(transport, queue, Path(last))
    else:
        await send(transport, queue, int(last))
    await transport.close()


class Process:
    """One of these processes, seen from the test."""

    def __init__(self, *arguments: object) -> None:
        command = [sys.executable, __file__, *map(str, arguments)]
        self._popen = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self._popen.pid

    def line(self) -> str:
        """Its next line, or "" at its end; the test's own time limit bounds the wait."""
        assert self._popen.stdout is not None
        return self._popen.stdout.readline().strip()

    def ask(self, line: str) -> str:
        """Write a line and read one."""
        assert self._popen.stdin is not None
        self._popen.stdin.write(line + "\n")
        self._popen.stdin.flush()
        return self.line()

    def rest(self) -> list[str]:
        """What it printed and nobody has read, to its end."""
        assert self._popen.stdout is not None
        return self._popen.stdout.read().split("\n")

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self._popen.kill()
        self._popen.wait()

    def close(self) -> None:
        """After the test."""
        self.kill()
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                pipe.close()


@contextmanager
def processes() -> Iterator[list[Process]]:
    """What is put into the list is killed in the end."""
    started: list[Process] = []
    try:
        yield started
    finally:
        for process in started:
            process.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
