"""Tells which files changed, within some hundredths of a second. Called by `mesh.py`; does not know what they mean.

Watches a list of folders, each without what is below it: a project folder may hold `.venv`, `node_modules` and our own
busy `.asya`, none of which may cost anything.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

STEP_MS, DEBOUNCE_MS = 20, 100
MOST_FOLDERS = 2000
SUFFIXES = frozenset({".py", ".yaml", ".yml", ".json", ".env"})
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


def matters(path: str) -> bool:
    """Whether a change of this file can change the mesh."""
    name = os.path.basename(path)  # noqa: PTH119 - called for every event, and a Path costs ten times as much
    return name == ".env" or (os.path.splitext(name)[1] in SUFFIXES and not name.startswith("."))  # noqa: PTH122


async def changes(folders: Callable[[], Iterable[Path]]) -> AsyncIterator[set[Path]]:
    """Sets of changed files, for ever. `folders` is asked again whenever a folder appears or goes."""
    from watchfiles import Change, awatch  # imported here: nobody waits for it at the start

    def interesting(change: Change, path: str) -> bool:
        return matters(path) or (change is not Change.modified and not os.path.splitext(path)[1])  # noqa: PTH122

    while True:
        watched = sorted({folder.resolve() for folder in folders() if folder.is_dir()})
        if not watched:
            await asyncio.sleep(1.0)
            continue
        async for batch in awatch(
            *watched, watch_filter=interesting, debounce=DEBOUNCE_MS, step=STEP_MS, recursive=False
        ):
            files = {Path(path) for _, path in batch if matters(path)}
            if files:
                yield files
            if sorted({folder.resolve() for folder in folders() if folder.is_dir()}) != watched:
                yield {Path(path) for _, path in batch}
                break
