"""The `.asya` folder: where a local mesh keeps its messages, logs, results and its published state.

Written by `mesh.py` (the running mesh), read by every verb that speaks to a local mesh. Knows paths, the lock and atomic
files; must not know actors or processes, so that `asya get` need not load them.

    .asya/lock          held by the running mesh; holds its process id
    .asya/mesh.db       the embedded broker; large bodies lie in mesh.db.bodies/
    .asya/broker.json   the RabbitMQ in use, if any; with .asya/broker-password readable by their owner alone
    .asya/queues.json   the queues that this mesh has made on each RabbitMQ: no other one is ever removed
    .asya/state.json    what `get`, `explain` and `graph` show; replaced as a whole whenever it changes
    .asya/up.log        what a detached mesh prints
    .asya/logs/<actor>-<n>/{sidecar,runtime}.log
    .asya/results/<id>.json, .asya/errors/<id>.json
"""

import fcntl
import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO


class AlreadyRunning(Exception):
    """Another `asya up` holds this folder. `pid` is its process, 0 when it could not be read."""

    def __init__(self, pid: int, folder: Path) -> None:
        self.pid = pid
        super().__init__(
            f"a mesh is already running in {folder} (pid {pid}): look at it with `asya get`, stop it with `asya down`"
        )


class FolderUnusable(Exception):
    """The state folder cannot be made or written: read-only, full, or a file in its place."""


@dataclass(frozen=True, slots=True)
class Folder:
    """Paths of one local mesh. `root` is the `.asya` folder itself."""

    root: Path

    @classmethod
    def here(cls) -> "Folder":
        """The folder of the mesh that belongs to the current directory."""
        return cls(Path.cwd() / ".asya")

    @property
    def database(self) -> Path:
        return self.root / "mesh.db"

    @property
    def broker(self) -> Path:
        return self.root / "broker.json"

    @property
    def password(self) -> Path:
        return self.root / "broker-password"

    @property
    def queues(self) -> Path:
        return self.root / "queues.json"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def results(self) -> Path:
        return self.root / "results"

    @property
    def errors(self) -> Path:
        return self.root / "errors"

    @property
    def state(self) -> Path:
        return self.root / "state.json"

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def up_log(self) -> Path:
        return self.root / "up.log"

    def make(self) -> None:
        """Make the folder and prove that it can be written.

        Raises:
            FolderUnusable: with the path and the system's reason.
        """
        try:
            for folder in (self.root, self.logs, self.results, self.errors):
                folder.mkdir(parents=True, exist_ok=True)
            ignore = self.root / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n")
            with tempfile.TemporaryFile(dir=self.root) as probe:
                probe.write(b"\0" * 4096)
                probe.flush()
                os.fsync(probe.fileno())
        except OSError as error:
            raise FolderUnusable(
                f"{self.root}: cannot keep messages and results here: {error.strerror}. "
                "Run asya up in a folder that can be written and has space left"
            ) from error

    def take(self) -> TextIO:
        """Lock the folder for this process; the lock ends with the returned file, at the latest with the process.

        Raises:
            AlreadyRunning: another process holds it.
        """
        file = self.lock.open("a+")
        while not _locked(file, fcntl.LOCK_EX):
            if not _locked(file, fcntl.LOCK_SH):
                file.close()
                raise AlreadyRunning(self.pid() or 0, self.root.parent)
            # Only somebody who looks (`pid`), and that for a moment.
            fcntl.flock(file, fcntl.LOCK_UN)
            time.sleep(0.001)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        return file

    def pid(self) -> int | None:
        """Process id of the running mesh, None when none runs here."""
        try:
            file = self.lock.open("r+")
        except PermissionError:
            return self._written_pid()
        except OSError:
            return None
        with file:  # shared: several may look at once, and none of them is taken for a mesh
            return None if _locked(file, fcntl.LOCK_SH) else self._written_pid() or 0

    def _written_pid(self) -> int | None:
        try:
            return int(self.lock.read_text())
        except (OSError, ValueError):
            return None

    def read_state(self) -> dict[str, Any] | None:
        """The last published state, of a mesh that runs or ran here; None when there is none."""
        try:
            state = json.loads(self.state.read_bytes())
        except (OSError, ValueError):
            return None
        return state if isinstance(state, dict) else None

    def write_state(self, state: dict[str, Any]) -> None:
        """Replace the published state in one step, so that a reader never sees half of it."""
        self.write(self.state, json.dumps(state, separators=(",", ":"), default=str).encode())

    @staticmethod
    def write(path: Path, content: bytes) -> None:
        """Replace `path` atomically. Raises OSError; the old content then stays."""
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            temporary.write_bytes(content)
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


def _locked(file: TextIO, kind: int) -> bool:
    """Whether this lock (`LOCK_EX`, `LOCK_SH`) is ours now; waits for nobody."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
