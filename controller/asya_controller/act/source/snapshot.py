"""One consistent look at the files of a source: actors, content hash, revision.

Called by loop.py at the begin of every pass. A folder may be swapped while it is read (git-sync, a ConfigMap mount): what was read is
taken only when the same files are there before and after. Contract: cli, "asya sync".
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from asya_controller.act.source.files import files_in, load
from asya_controller.decide.source.documents import Loaded

TRIES = 5
GIT_ANSWER_S = 10.0


class Unsettled(Exception):
    """The files kept changing while they were read: look again later."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the files said at one moment. `digest` is of the contents alone, `revision` is the git commit where there is one."""

    loaded: Loaded
    digest: str
    revision: str


def take(paths: Sequence[Path], namespace: str) -> Snapshot:
    """Read the source.

    Raises:
        FileNotFoundError: a path is not there.
        Unsettled: see there.
    """
    for _ in range(TRIES):
        before = _present(paths)
        loaded = load(paths, confined=True, namespace=namespace)
        if _present(paths) == before:
            digest = content_hash(loaded, paths)
            return Snapshot(loaded, digest, git_revision(paths) or digest)
    raise Unsettled(f"{', '.join(map(str, paths))}: the files changed while they were read")


def _present(paths: Sequence[Path]) -> list[tuple[object, ...]]:
    return [row for path in paths for row in _rows(path)]


def _rows(path: Path) -> Iterator[tuple[object, ...]]:
    for file in files_in(path, []):
        try:
            found = file.stat()
        except FileNotFoundError:  # gone since it was listed
            continue
        yield str(file), str(file.resolve()), found.st_mtime_ns, found.st_size, found.st_ino


def content_hash(loaded: Loaded, paths: Sequence[Path]) -> str:
    """`sha256:` of names and contents; the same on every machine, wherever the folder lies."""
    total = hashlib.sha256()
    for file, body in sorted(loaded.bodies.items()):
        inside = next(
            (file.relative_to(path) for path in paths if path != file and file.is_relative_to(path)), file.name
        )
        total.update(f"{inside}\0{len(body)}\0".encode() + body)
    return f"sha256:{total.hexdigest()}"


def git_revision(paths: Sequence[Path]) -> str | None:
    """The commit that all paths are checked out from, with `-dirty` where files differ from it; None without one.

    Read from the repository's own files, because the controller's image has no git; only `-dirty` needs the program.
    """
    commits = {_commit(path.resolve()) for path in paths}
    if len(commits) != 1 or (commit := commits.pop()) is None:
        return None
    return f"{commit}-dirty" if any(_dirty(path) for path in paths) else commit


def _commit(path: Path) -> str | None:
    for folder in (path, *path.parents):
        git = folder / ".git"
        if git.exists():
            try:
                return _head(git if git.is_dir() else _pointed_at(git))
            except OSError:
                return None
    return None


def _pointed_at(file: Path) -> Path:
    """A worktree's `.git` is a file that names its folder."""
    return (file.parent / file.read_text().removeprefix("gitdir:").strip()).resolve()


def _head(git: Path) -> str | None:
    head = (git / "HEAD").read_text().strip()
    if not head.startswith("ref:"):
        return _sha(head)
    name = head.removeprefix("ref:").strip()
    common = git / "commondir"
    shared = (git / common.read_text().strip()).resolve() if common.exists() else git
    for folder in (git, shared):
        if (folder / name).is_file():
            return _sha((folder / name).read_text())
    packed = shared / "packed-refs"
    lines = packed.read_text().splitlines() if packed.exists() else []
    return next((_sha(line.split()[0]) for line in lines if line.endswith(f" {name}")), None)


def _sha(text: str) -> str | None:
    found = text.strip()
    return found if len(found) in (40, 64) and set(found) <= set("0123456789abcdef") else None


def _dirty(path: Path) -> bool:
    """Whether files differ from the commit, as far as git is there to say it and trusts the folder."""
    git = shutil.which("git")
    if git is None:
        return False
    folder = path if path.is_dir() else path.parent
    asked = [git, "-c", "core.fsmonitor=false", "-C", str(folder), "status", "--porcelain", "--", str(path.resolve())]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            asked, capture_output=True, timeout=GIT_ANSWER_S, check=False, env=environment | {"GIT_OPTIONAL_LOCKS": "0"}
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0 and bool(done.stdout.strip())
