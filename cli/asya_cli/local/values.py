"""Values for `valueFrom` on this machine: `.env` files and `--env`. Called by `up`; reads files, nothing else."""

import re
from collections.abc import Iterable
from pathlib import Path

_ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*=\s*(.*)")


class BadAssignment(ValueError):
    """A line that is no assignment; the text names file, line and the expected form."""


def parse(text: str, name: str) -> dict[str, str]:
    """The assignments of a `.env` file: `NAME=value`, `export NAME="value"`, `# comment`. Never executes anything.

    Raises:
        BadAssignment: with `name` and the line.
    """
    result = {}
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = _ASSIGNMENT.fullmatch(stripped)
        if match is None:
            raise BadAssignment(f"{name}:{number}:1: expected NAME=value, got {stripped[:40]!r}")
        result[match.group(1)] = _unquote(match.group(2))
    return result


def _unquote(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        inner = text[1:-1]
        return inner.replace("\\n", "\n").replace('\\"', '"') if text[0] == '"' else inner
    return text.split(" #", 1)[0].rstrip()


def gather(files: Iterable[Path], assignments: Iterable[str]) -> dict[str, str]:
    """All values; later files win over earlier ones, `assignments` (from --env) over files. Missing files are skipped.

    Raises:
        BadAssignment: a file or an assignment that cannot be read as such.
    """
    result: dict[str, str] = {}
    for file in files:
        if file.is_file():
            try:
                result |= parse(file.read_text(), str(file))
            except (OSError, UnicodeDecodeError) as error:
                raise BadAssignment(f"{file}:1:1: cannot be read: {error}") from error
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not name:
            raise BadAssignment(f"--env {assignment}: expected NAME=value")
        result[name] = value
    return result
