"""Which files the mesh depends on, and what a change of them means. Called by `mesh.py`.

Reads and compares files; restarts nothing.
"""

from collections.abc import Iterable
from pathlib import Path

from asya_cli.local.imports import files_of
from asya_cli.local.plan import Key, Planned
from asya_cli.local.watcher import folders_below


class Edits:
    """Remembers the files of every handler, as they were at the last look: a file that is gone still belongs to its user."""

    def __init__(self, roots: tuple[Path, ...]) -> None:
        self._roots = roots
        self._files: dict[Key, frozenset[Path]] = {}

    def watched(self, plans: Iterable[Planned], handlers: Path | None) -> set[Path]:
        """The folders in which a change can matter."""
        folders = {folder for root in self._roots if root.is_dir() for folder in folders_below(root)}
        folders |= {root.parent for root in self._roots if root.is_file()}
        folders |= set(folders_below(handlers)) if handlers is not None else set()
        for plan in plans:
            folders |= set(plan.recipe.search if plan.recipe else ())
        return folders | {file.parent for files in self._files.values() for file in files}

    def remember(self, plan: Planned) -> None:
        """Look at the files of this actor's handler."""
        own = plan.recipe is not None and not plan.recipe.crew
        self._files[plan.key] = files_of(plan.handler, plan.recipe.search) if plan.recipe and own else frozenset()

    def touched(self, plan: Planned, changed: set[Path]) -> bool:
        """Whether the actor's handler uses, or has used, one of the changed files."""
        before = self._files.get(plan.key, frozenset())
        self.remember(plan)
        return bool(changed & (before | self._files[plan.key]))


def syntax_problems(files: Iterable[Path]) -> list[str]:
    """`file:line:col: message` for every Python file that does not parse."""
    return [problem for file in files if file.suffix == ".py" and file.is_file() and (problem := _problem(file))]


def _problem(file: Path) -> str:
    try:
        compile(file.read_bytes(), str(file), "exec", dont_inherit=True)
    except SyntaxError as error:
        return f"{file}:{error.lineno or 1}:{error.offset or 1}: {error.msg}"
    except (OSError, ValueError) as error:
        return f"{file}:1:1: {error}"
    return ""
