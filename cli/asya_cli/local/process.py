"""Child processes: one of them, and the group that none of them can outlive.

Used by `container.py` (one sidecar or runtime) and `mesh.py` (the group). Knows nothing of actors, restarts or
readiness. Exits are learnt from the kernel through a pidfd (a waiting thread where there is none), never by polling.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from asya_cli.local import guard


class Process:
    """One child, joined to the group; `exited` is a future of its exit code (negative: ended by that signal)."""

    def __init__(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        cwd: Path,
        log: Path,
        group: int,
        stdin: int = subprocess.DEVNULL,
    ) -> None:
        """Start it in process group `group` (0: one of its own), with both outputs appended to `log`.

        Raises:
            OSError: the program does not exist or cannot be run, the folder is missing, or the log cannot be opened.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                list(argv),
                env=dict(env),
                cwd=cwd,
                stdin=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=group,
            )
        self.pid = self._child.pid
        self._loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[int] = self._loop.create_future()
        self._watch()

    def _watch(self) -> None:
        if not hasattr(os, "pidfd_open"):
            threading.Thread(target=self._wait_in_thread, daemon=True).start()
            return
        descriptor = os.pidfd_open(self.pid)
        self._loop.add_reader(descriptor, self._reap, descriptor)

    def _reap(self, descriptor: int) -> None:
        self._loop.remove_reader(descriptor)
        os.close(descriptor)
        self._finish(self._child.wait())

    def _wait_in_thread(self) -> None:
        code = self._child.wait()
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._finish, code)

    def _finish(self, code: int) -> None:
        if not self.exited.done():
            self.exited.set_result(code)

    @property
    def running(self) -> bool:
        return not self.exited.done()

    def wait(self) -> None:
        """Block until it is gone."""
        self._child.wait()

    def send(self, number: signal.Signals) -> None:
        """Signal it; nothing happens when it is already gone."""
        if self.running:
            self._child.send_signal(number)


class Group:
    """The process group of one mesh, its guard and its folder for sockets. Make it on the loop."""

    def __init__(self) -> None:
        # Short on purpose: a unix socket path has at most 107 bytes, and project folders are deep.
        self.sockets = Path(tempfile.mkdtemp(prefix="asya-", dir=_short_root()))
        reader, self._writer = os.pipe()
        argv = [sys.executable, "-I", "-S", str(guard.__file__), str(self.sockets)]
        self._guard = Process(argv, {}, Path("/"), Path(os.devnull), group=0, stdin=reader)
        os.close(reader)
        self.id = self._guard.pid
        self.lost = self._guard.exited
        """Done when the guard has ended before its time: from then on the group could outlive us."""

    def close(self) -> None:
        """End whatever is left of the group and remove the socket folder."""
        os.close(self._writer)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.id, signal.SIGKILL)  # before the guard is waited for: until then nobody else has this number
        self._guard.wait()
        shutil.rmtree(self.sockets, ignore_errors=True)


def _short_root() -> str:
    """A folder of this user for sockets: XDG_RUNTIME_DIR when short enough, else the temporary folder, else /tmp."""
    candidates = (os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), "/tmp")
    for folder in candidates:
        if folder and len(os.fsencode(folder)) <= 50 and os.access(folder, os.W_OK | os.X_OK):
            return folder
    return tempfile.gettempdir()
