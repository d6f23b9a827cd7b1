"""Reads the files and folders that a source names.

Called by the file source and, through `asya_cli.files`, by every verb that takes paths. Decides nothing about their content: see
decide/source/documents.py. Contract: cli, "asya sync".
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from asya_controller.decide.source.documents import (
    DEFAULT_NAMESPACE,
    FILE_BYTES_LIMIT,
    SUFFIXES,
    FileProblem,
    Loaded,
    add_file,
    defined_twice,
)

LEAVES = "a symbolic link that leads out of {root}: a source is only what lies in its folder"


def load(paths: Sequence[Path], confined: bool = False, namespace: str = DEFAULT_NAMESPACE) -> Loaded:
    """Read every AsyncActor in these files and folders.

    `confined` makes a link that leaves its folder a problem; without it links to files are followed wherever they lead. `namespace`
    is that of actors which name none.

    Raises:
        FileNotFoundError: a path does not exist.
    """
    loaded = Loaded()
    for path in paths:
        path.stat()
        for file in files_in(path, loaded.problems if confined else None):
            if file in loaded.bodies:
                continue
            loaded.bodies[file] = b""
            try:
                loaded.bodies[file] = read(file)
            except OSError as error:
                loaded.problems.append(FileProblem(file, 1, 1, error.strerror or str(error)))
                continue
            add_file(loaded, file, loaded.bodies[file], asked_for=file == path)
    loaded.problems += defined_twice(loaded.actors, namespace)
    return loaded


def read(file: Path) -> bytes:
    """The file's content, at most one byte more than the limit. Raises OSError."""
    with file.open("rb") as stream:
        return stream.read(FILE_BYTES_LIMIT + 1)


def files_in(path: Path, leaving: list[FileProblem] | None = None) -> Iterator[Path]:
    """The file itself, or the YAML and JSON files of a folder and its folders, hidden ones left out, in a fixed order.

    With `leaving` links are looked at: those that stay inside are followed once (a ConfigMap's files are links into a hidden
    folder), those that leave are added to it.
    """
    if not path.is_dir():
        yield path
    elif leaving is None:
        yield from _walk(path)
    else:
        yield from _inside(path, path.resolve(), leaving, set())


def _walk(path: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.endswith(SUFFIXES) and not name.startswith("."):
                yield Path(folder, name)


def _inside(folder: Path, root: Path, leaving: list[FileProblem], seen: set[Path]) -> Iterator[Path]:
    entries = [entry for entry in sorted(folder.iterdir()) if not entry.name.startswith(".")]
    # Files before folders, real ones before links: what is reached by two names is read by its own.
    for entry in sorted(entries, key=lambda entry: (entry.is_dir(), entry.is_symlink(), entry)):
        target = entry.resolve()
        if not entry.is_dir() and not entry.name.endswith(SUFFIXES):
            continue
        if entry.is_symlink() and not target.is_relative_to(root):
            leaving.append(FileProblem(entry, 1, 1, LEAVES.format(root=root)))
        elif target not in seen:
            seen.add(target)
            yield from _inside(entry, root, leaving, seen) if entry.is_dir() else (entry,)
