"""Reads AsyncActors for verbs that take paths, and refuses in the command's own words what they cannot work with.

Called by validate, up, set, graph, render, diff, sync. The reading itself is the file source's, so that all of them find the same.
"""

from collections.abc import Sequence
from pathlib import Path

from asya_cli.errors import UsageMistake
from asya_controller.act.source import files
from asya_controller.decide.source.documents import DEFAULT_NAMESPACE, Loaded


def load(paths: Sequence[Path], confined: bool = False, namespace: str = DEFAULT_NAMESPACE) -> Loaded:
    """Read every AsyncActor in these files and folders; `confined` and `namespace` as in `act.source.files`.

    Raises:
        UsageMistake: a path does not exist.
    """
    for path in paths:
        if not path.exists():
            raise UsageMistake(f"{path}: no such file or folder")
    return files.load(paths, confined, namespace)


def require_actors(loaded: Loaded, paths: Sequence[Path]) -> None:
    """Refuse to go on with nothing.

    Raises:
        UsageMistake: no AsyncActor was found and no file is to blame.
    """
    if not loaded.actors and not loaded.errors:
        where = ", ".join(str(path) for path in paths)
        raise UsageMistake(f"no AsyncActor was found in {where}; make one with: asya new hello")
