"""Reads what replicas append to their log files. Called by `mesh.py` a few times a second; keeps no thread and no watch.

Files rather than pipes: a replica never waits for us, and a line survives whoever should have read it.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

# One look takes at most this much per file, so that a chatty handler cannot hold up the mesh; the rest comes next time.
LARGEST_STEP_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Line:
    """One whole line of one process of one replica."""

    actor: str
    pod: str
    process: str  # sidecar or runtime
    text: bytes


class Tail:
    """The log files of the present replicas."""

    def __init__(self) -> None:
        self._files: dict[Path, _Follower] = {}

    def follow(self, file: Path, actor: str, pod: str, offset: int | None = None) -> None:
        """Read `file` from `offset` on, from its present end without one; the name of the process is the file's."""
        if file not in self._files:
            self._files[file] = _Follower(file, actor, pod, offset)

    def keep(self, files: set[Path]) -> None:
        """Read no other files any more."""
        self._files = {file: follower for file, follower in self._files.items() if file in files}

    def new_lines(self) -> Iterator[Line]:
        """What was appended since the last call, whole lines only."""
        yield from in_order(line for follower in list(self._files.values()) for line in follower.new_lines())


_TIME = re.compile(rb'"time":"([^"]{20,32})"')


def in_order(lines: Iterable[Line]) -> list[Line]:
    """By the time they carry; a line without one (a print) stays behind its predecessor in the same file."""
    last: dict[tuple[str, str], bytes] = {}
    keyed = []
    for line in lines:
        file = (line.pod, line.process)
        found = _TIME.search(line.text[:100]) if line.text[:1] == b"{" else None
        last[file] = found.group(1) if found else last.get(file, b"")
        keyed.append((last[file], line))
    return [line for _, line in sorted(keyed, key=lambda pair: pair[0])]


def size_of(file: Path) -> int:
    """Bytes of a file, 0 when there is none."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


class _Follower:
    def __init__(self, file: Path, actor: str, pod: str, offset: int | None) -> None:
        self._file = file
        self._who = (actor, pod, file.stem)
        self._offset = size_of(file) if offset is None else offset
        self._rest = b""

    def new_lines(self) -> Iterator[Line]:
        try:
            size = self._file.stat().st_size
        except FileNotFoundError:
            return
        if size < self._offset:  # begun anew
            self._offset, self._rest = 0, b""
        if size == self._offset:
            return
        with self._file.open("rb") as file:
            file.seek(self._offset)
            chunk = file.read(LARGEST_STEP_BYTES)
        self._offset += len(chunk)
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > LARGEST_STEP_BYTES:
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            yield Line(*self._who, line)
