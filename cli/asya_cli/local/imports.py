"""Which files a handler is made of: its module and, recursively, what that imports from the same folders.

Called by `mesh.py` to find the runtimes that use a changed file. Reads source, never imports it: a user's module may do anything.
Imports made by name at run time are not seen.
"""

import ast
from collections.abc import Iterable, Sequence
from pathlib import Path


def files_of(handler: str, folders: Sequence[Path]) -> frozenset[Path]:
    """Source files that `handler` (`module.function`, `module.Class.method`) consists of, as far as they lie in `folders`.

    A file that does not parse now belongs to it all the same; what it imports is then unknown.
    """
    found: set[Path] = set()
    waiting = _prefixes(handler)
    seen: set[str] = set()
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        file = _locate(module, folders)
        if file is not None and file not in found:
            found.add(file)
            waiting |= _imported(file, module)
    return frozenset(found)


def _prefixes(dotted: str) -> set[str]:
    parts = dotted.split(".")
    return {".".join(parts[: end + 1]) for end in range(len(parts))}


def _locate(module: str, folders: Sequence[Path]) -> Path | None:
    relative = Path(*module.split("."))
    for folder in folders:
        for candidate in (folder / relative / "__init__.py", folder / relative.with_suffix(".py")):
            if candidate.is_file():
                return candidate.resolve()
    return None


def _imported(file: Path, module: str) -> set[str]:
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return set()
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= set(_targets(node, package))
    return {prefix for name in names for prefix in _prefixes(name)}


def _targets(node: ast.ImportFrom, package: str) -> Iterable[str]:
    base = node.module or ""
    if node.level:
        parts = package.split(".") if package else []
        kept = parts[: len(parts) - node.level + 1]
        base = ".".join([*kept, *([base] if base else [])])
    if base:
        yield base
    for alias in node.names:
        yield f"{base}.{alias.name}" if base else alias.name
