"""Wake the consumers of a queue in other processes, know which of them are dead, and take turns at writing.

A consumer's bell is a FIFO in `<file>.wake/<queue>/` that the consumer keeps open: a sender writes one byte after its commit, so nobody
polls. Opening a FIFO for writing fails with ENXIO exactly when no process has it open, so a bell also tells, for sure and at no
cost, that its owner is gone: no process number is ever compared.
Called by the worker and the admin. A bell is a hint: a lost or a needless ring may delay, never harm.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import time
from pathlib import Path
from typing import Final

from asya_transport.admin import Unreachable

TURN_WITHIN_S: Final = 2.0
TURN_TRY_EVERY_S: Final = (
    0.0003  # a transaction takes about so long; the same for all, or who waits longest would starve
)


def wake_folder(file: Path) -> Path:
    """Where the bells of a mesh file hang."""
    return file.with_name(file.name + ".wake")


def _queue_folder(wake: Path, queue: str) -> Path:
    # Two queues may share a folder after this; each other's rings are then needless, not wrong.
    return wake / re.sub(r"[^A-Za-z0-9_-]", "_", queue)[:100]


class Bell:
    """One consumer's FIFO, open as long as the consumer lives."""

    def __init__(self, wake: Path, queue: str) -> None:
        self._folder = _queue_folder(wake, queue)
        self._file_name = f"{os.getpid()}-{os.urandom(4).hex()}"
        self.name = f"{self._folder.name}/{self._file_name}"
        """What `owner.bell` holds, relative to the wake folder."""
        self._fd = self._hang()

    def _hang(self) -> int:
        self._folder.mkdir(parents=True, exist_ok=True)
        hidden = self._folder / f".{self._file_name}"
        os.mkfifo(hidden, 0o600)
        # Read and write: with no writer of our own, poll would report a hang-up for ever after the first ring.
        fd = os.open(hidden, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        # Shown only now: a bell that is visible and not open means a dead owner.
        hidden.rename(self._folder / self._file_name)
        return fd

    def fileno(self) -> int:
        """For poll."""
        return self._fd

    def drain(self) -> bool:
        """Forget the rings so far; True when there were any."""
        try:
            while len(os.read(self._fd, 4096)) == 4096:
                pass
        except BlockingIOError:
            return False
        return True

    def mend(self) -> None:
        """Hang it up again when somebody has removed the file."""
        if not (self._folder / self._file_name).exists():
            os.close(self._fd)
            self._fd = self._hang()

    def close(self) -> None:
        """Take it down."""
        (self._folder / self._file_name).unlink(missing_ok=True)
        os.close(self._fd)


def ring(wake: Path, queue: str) -> list[str]:
    """Wake every consumer of `queue`; give the names of bells whose owner is dead."""
    folder = _queue_folder(wake, queue)
    try:
        names = os.listdir(folder)  # noqa: PTH208 - a third of the cost of iterdir, once per commit
    except OSError:  # no consumer ever, or the folder was removed: nobody to wake
        return []
    return [f"{folder.name}/{name}" for name in names if name[0] != "." and not _touch(folder / name)]


def all_bells(wake: Path) -> list[str]:
    """The names of all bells, dead ones included."""
    return [f"{path.parent.name}/{path.name}" for path in wake.glob("*/[!.]*")]


def is_dead(wake: Path, name: str) -> bool:
    """Nobody has this bell open. A bell that is not there proves nothing: its owner may be alive, so its lease decides."""
    return not _touch(wake / name, b"")


def remove(wake: Path, name: str) -> None:
    """Take down a dead owner's bell."""
    (wake / name).unlink(missing_ok=True)


def _touch(path: Path, byte: bytes = b"\0") -> bool:
    """Ring one bell; False when nobody has it open."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return error.errno != errno.ENXIO
    try:
        if byte:
            os.write(fd, byte)
    except BlockingIOError:  # 64 KiB of rings wait already: it will wake
        pass
    finally:
        os.close(fd)
    return True


class Turn:
    """Writers queue here before they begin a transaction.

    SQLite alone would make them sleep 1 to 100 ms between tries, which would be most of the latency of a busy mesh. An optimisation only:
    SQLite's own lock still decides, also when this file is removed.
    """

    def __init__(self, wake: Path) -> None:
        wake.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(wake / ".turn", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self) -> None:
        """Wait for our turn. A transaction takes a millisecond; who holds the turn for seconds is frozen, and that must be told.

        Raises:
            Unreachable: not within TURN_WITHIN_S.
        """
        # The kernel could wake us, but its wait has no end: a frozen process would silently stop all others.
        gives_up_at = time.monotonic() + TURN_WITHIN_S
        while not self._try():
            if time.monotonic() > gives_up_at:
                raise Unreachable(
                    "another process of the mesh holds the file and does not go on; it is frozen, or the disk hangs"
                )
            time.sleep(TURN_TRY_EVERY_S)

    def _try(self) -> bool:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def give(self) -> None:
        """Let the next one write."""
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Release the file."""
        os.close(self._fd)
