"""Tells which files changed, within a fifth of a second. Called by `mesh.py`; does not know what they mean.

Watches a list of folders, each without what is below it: a project folder may hold `.venv`, `node_modules` and our own
busy `.asya`, none of which may cost anything. Nothing is missed while a watch is set up: what changed meanwhile is told
by its time.
"""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

# Each step wakes this process, all day long; a change is told when a step brought no other, so after two of them at most.
STEP_MS, DEBOUNCE_MS, LOOK_UP_MS = 75, 100, 60_000
MOST_FOLDERS = 2000
SUFFIXES = frozenset({".py", ".yaml", ".yml", ".json", ".env"})
# File systems stamp times with the clock of the last tick, which may lie behind ours.
TICK_NS = 20_000_000
_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages"})


def folders_below(root: Path) -> list[Path]:
    """`root` and the folders in it where source files may lie: no hidden ones, no environments, no caches."""
    found: list[Path] = []
    for folder, names, files in os.walk(root):
        if "pyvenv.cfg" in files:
            names.clear()
            continue
        found.append(Path(folder))
        names[:] = [name for name in names if not name.startswith(".") and name not in _SKIPPED]
        if len(found) >= MOST_FOLDERS:
            break
    return found


def matters(path: Path) -> bool:
    """Whether a change of this file can change the mesh."""
    return path.name == ".env" or (path.suffix in SUFFIXES and not path.name.startswith("."))


def changed_since(folders: Iterable[Path], moment_ns: int) -> set[Path]:
    """Files that matter and were written after this time (ns since the epoch)."""
    found = set()
    for folder in folders:
        for file in folder.iterdir() if folder.is_dir() else ():
            try:
                if matters(file) and file.stat().st_mtime_ns > moment_ns:
                    found.add(file)
            except FileNotFoundError:  # gone between the two looks
                continue
    return found


async def changes(folders: Callable[[], Iterable[Path]], since_ns: int) -> AsyncIterator[set[Path]]:
    """Sets of changed files, for ever, beginning with those changed after `since_ns`.

    `folders` is asked again after every change, because a change may bring new ones.
    """
    from watchfiles._rust_notify import RustNotify  # its documented direct use; nobody waits for it at the start

    while True:
        watched = _present(folders)
        with RustNotify([str(folder) for folder in watched], False, False, 300, False, True) as notify:
            missed, since_ns = changed_since(watched, since_ns), time.time_ns() - TICK_NS
            if missed:
                yield missed
            while _present(folders) == watched:
                batch = await _next(notify)
                since_ns = time.time_ns() - TICK_NS
                files = {path for _, name in batch if matters(path := Path(name))}
                if files:
                    yield files


async def _next(notify: "RustNotify") -> set[tuple[int, str]]:
    """The next batch, empty when nothing happened for a while. A thread waits for it; it has ended when this ends."""
    stop = threading.Event()
    waiting = asyncio.get_running_loop().run_in_executor(None, notify.watch, DEBOUNCE_MS, STEP_MS, LOOK_UP_MS, stop)
    try:
        found = await asyncio.shield(waiting)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([waiting])
        raise
    return found if isinstance(found, set) else set()


def _present(folders: Callable[[], Iterable[Path]]) -> list[Path]:
    return sorted({folder.resolve() for folder in folders() if folder.is_dir()})
