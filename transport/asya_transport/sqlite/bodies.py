"""Large bodies lie beside the mesh file, each in a file of its own.

Inside, a body of 1 MB is written to the log, summed up, copied into the file and walked through again when it is deleted: more CPU than
all the rest of its hop. Beside it, it is written once and read once, and the mesh file does not grow with it.
Called by `store`, inside a write transaction: a file is on the disk before the row that names it is committed, and is free after the
commit that deleted the row. A process killed in between leaves a file that nothing names; `sweep` removes it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from io import FileIO
from pathlib import Path
from typing import Final

LARGE_BYTES: Final = (
    131_072  # SQLite's own measurements put the break-even at about 100 kB (sqlite.org/intern-v-extern-blob.html)
)
FREE_FILES_KEPT: Final = 8  # written over by the next bodies: a new file's pages and blocks cost three times the copy


class Bodies:
    """The folder `<file>.bodies`, made with the first large body."""

    def __init__(self, file: Path) -> None:
        self._folder = file.with_name(file.name + ".bodies")
        self._free: list[str] = []
        self._unsynced = False

    def write(self, body: bytes) -> str:
        """The name under which it can be read.

        Raises:
            OSError: it was not stored; nothing is left of it.
        """
        name = os.urandom(12).hex()
        path = self._folder / name
        try:
            with self._open(path) as file:
                view = memoryview(body)
                while view:
                    view = view[file.write(view) :]
                file.truncate(len(body))
                os.fdatasync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        self._unsynced = True
        return name

    def _open(self, path: Path) -> FileIO:
        """A free file under its new name, so that nobody takes it for what it held; else a new one."""
        while self._free:
            try:
                (self._folder / self._free.pop()).rename(path)
            except FileNotFoundError:  # swept by another process
                continue
            return FileIO(path, "r+")
        self._folder.mkdir(exist_ok=True)
        return FileIO(path, "x")

    def sync(self) -> None:
        """Make the names as safe as the bodies, before the rows that hold them are committed."""
        if self._unsynced:
            folder = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
            self._unsynced = False

    def read(self, name: str) -> bytes:
        """Its bytes; none when somebody removed the file, so that its envelope is refused as malformed and does not stop its queue."""
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return b""

    def free(self, names: Iterable[str]) -> None:
        """They are needed no more."""
        for name in names:
            if len(self._free) < FREE_FILES_KEPT:
                self._free.append(name)
            else:
                (self._folder / name).unlink(missing_ok=True)

    def close(self) -> None:
        """Leave no free file behind."""
        for name in self._free:
            (self._folder / name).unlink(missing_ok=True)
        self._free.clear()

    def sweep(self, known: set[str]) -> None:
        """Remove what no row names. Nobody else may write meanwhile."""
        if self._folder.is_dir():
            for path in self._folder.iterdir():
                if path.name not in known:
                    path.unlink(missing_ok=True)
