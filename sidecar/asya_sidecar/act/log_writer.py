"""A bounded buffer of lines in front of a file descriptor that may block (contract: sidecar, Logs and traces; P1).

Made by logs.py, closed by `__main__`. A thread of its own does the writing, because nothing else is certain not to
wait: a pipe nobody reads, a full disk and a stopped terminal all block, and making the descriptor non-blocking would
change it for every process that shares it. The price is one thread; the gain is that log lines are lost (and counted)
where otherwise messages would wait.
"""

import os
import select
import threading
import time
from collections import deque

BUFFER_BYTES = 1_048_576
# A thread that is woken for every line costs more than the line, so that writes are at least so far apart.
GATHER_S = 0.02


class Writer:
    """Takes lines from any thread, never blocks, and drops what does not fit."""

    def __init__(self, descriptor: int, limit_bytes: int = BUFFER_BYTES) -> None:
        self._descriptor = descriptor
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._lines: deque[bytes] = deque()
        self._held_bytes = 0
        self._dropped = 0
        self._wanted = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Lines that found the buffer full or the descriptor broken, so far."""
        return self._dropped

    def write(self, line: bytes) -> None:
        """Take one line that ends in a newline; never blocks."""
        with self._lock:
            if self._held_bytes + len(line) > self._limit_bytes or self._closing.is_set():
                self._dropped += 1
                return
            self._held_bytes += len(line)
            self._lines.append(line)
        if not self._wanted.is_set():
            self._wanted.set()

    def close(self, within_s: float) -> None:
        """Write what waits, for at most so long; later lines are dropped."""
        self._closing.set()
        self._wanted.set()
        self._thread.join(within_s)

    def _run(self) -> None:
        written_at = 0.0
        while True:
            self._wanted.wait()
            self._closing.wait(max(0.0, written_at + GATHER_S - time.monotonic()))
            self._wanted.clear()
            # Read before the lines are taken: a line that came in before the closing is among them.
            closing = self._closing.is_set()
            with self._lock:
                taken, self._lines = self._lines, deque()
            body = b"".join(taken)
            unwritten = self._write_all(body)
            with self._lock:
                self._held_bytes -= len(body)
                self._dropped += unwritten.count(b"\n")
            if closing:
                return
            written_at = time.monotonic()

    def _write_all(self, body: bytes) -> bytes:
        """Write all of it, however long that takes; what is left when the descriptor is broken."""
        rest = memoryview(body)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:  # whoever gave us the descriptor had made it non-blocking
                _wait_writable(self._descriptor)
            except OSError:  # closed by its reader, disk full: counted by the caller; the log has nowhere to tell it
                return bytes(rest)
        return b""


def _wait_writable(descriptor: int) -> None:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    poll.poll()
