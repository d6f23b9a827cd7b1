"""Processes that do not outlive the tests, however those end.

`Guarded` starts each process in a group of its own and tells a guard process, which kills the groups when its pytest has died: also of
SIGKILL, when no `finally` runs. Used by every private server of the tests.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from asya_cli.local.probe import FIRST_PORT as PORTS_OF_SIDECARS
from asya_cli.local.probe import LOCAL_PORTS

GUARD = """
import os, shutil, signal, sys
groups = set()
for line in sys.stdin:
    number = int(line)
    groups.add(number) if number > 0 else groups.discard(-number)  # ended: its number may be somebody else's by now
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass
for folder in sys.argv[1:]:
    shutil.rmtree(folder, ignore_errors=True)
"""

FIRST_PORT = 12_000  # above those that Kubernetes has for its own
CHANCE = random.SystemRandom()  # tests seed the other one


def free_port() -> int:
    """A port nobody listens on now, and that no connection gets by chance: a server that is killed must find it free when it starts again.

    The system takes local ports of connections from a range of its own; a client that tries again and again while its server is away
    even meets itself there (TCP simultaneous open, RFC 9293 3.5). Sidecars of a local mesh have ports of their own.
    """
    below = min(int(LOCAL_PORTS.read_text().split()[0]), PORTS_OF_SIDECARS)
    while True:
        port = CHANCE.randrange(FIRST_PORT, max(below, FIRST_PORT + 1000))
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Guarded:
    """Starts and ends processes; `close` ends them all and removes their folder."""

    def __init__(self, folder: Path) -> None:
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", GUARD, folder], stdin=subprocess.PIPE, text=True, start_new_session=True
        )
        self._running: list[subprocess.Popen[bytes]] = []

    def start(
        self, command: Sequence[str | Path], output: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.Popen[bytes]:
        """Start one; what it prints is appended to `output`."""
        with output.open("ab") as sink:
            process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env=env,
                cwd=cwd,
                start_new_session=True,
            )
        self._running.append(process)
        self._tell(process.pid)
        return process

    def _tell(self, number: int) -> None:
        assert self._guard.stdin is not None
        self._guard.stdin.write(f"{number}\n")
        self._guard.stdin.flush()

    def end(self, process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGKILL, within_s: float = 30) -> int:
        """End one and its children; gives its exit code. SIGKILL follows when it does not obey."""
        for step in (how, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, step)
            try:
                process.wait(within_s)
                break
            except subprocess.TimeoutExpired:
                continue
        self._running.remove(process)
        self._tell(-process.pid)
        return process.returncode

    def close(self) -> None:
        """End everything, and wait until the folder is gone."""
        for process in reversed(self._running.copy()):
            self.end(process)
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        self._guard.wait()
