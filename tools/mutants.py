"""Plant one bug at a time and see whether the tests notice (`make mutants`).

A mutant is a patch in tests/faults/mutants: a sentence that says what is wrong, `Test:` lines with the smallest tests that must fail, the
change. Each is applied to a copy of its own, so the tree is never touched. First those tests must pass without any bug, else a failure
would say nothing. Names of mutants as arguments choose some. Exit code 0: every planted bug was caught.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
FOLDER: Final = ROOT / "tests" / "faults" / "mutants"
PACKAGES: Final = ("schemas", "transport", "controller", "sidecar", "crew", "cli", "runtime")
JOBS: Final = int(os.environ.get("ASYA_MUTANT_JOBS", "2"))
TESTS_FAILED: Final = 1
"""pytest's exit code; others mean that the tests did not run, which catches nothing."""
LONGEST_S: Final = 600


@dataclass(frozen=True)
class Mutant:
    """One planted bug; `tests` are node ids of pytest."""

    path: Path
    says: str
    tests: tuple[str, ...]

    @property
    def name(self) -> str:
        """The file's, which the command line takes."""
        return self.path.stem


def mutants(folder: Path = FOLDER) -> list[Mutant]:
    """All of them, by name. Raises ValueError for a patch without a sentence or a test."""
    found = []
    for path in sorted(folder.glob("*.patch")):
        head = path.read_text().split("\ndiff --git ", 1)[0].splitlines()
        tests = tuple(line.removeprefix("Test: ") for line in head if line.startswith("Test: "))
        if not tests or not head[0] or head[0].startswith("Test: "):
            raise ValueError(
                f"{path}: begin with a sentence, then a line `Test: <node id>` for each test that must fail"
            )
        found.append(Mutant(path, head[0], tests))
    return found


def apply(mutant: Mutant, tree: Path, *, only_check: bool = False) -> str:
    """Change the tree; what is wrong if that is not possible, else nothing."""
    command = ["git", "apply", "--whitespace=nowarn", *(["--check"] if only_check else []), str(mutant.path)]
    # A copy in a temporary folder has no repository, and must not find one above it.
    environ = os.environ | {"GIT_CEILING_DIRECTORIES": str(tree.parent)}
    return subprocess.run(command, cwd=tree, env=environ, capture_output=True, text=True, check=False).stderr


@contextmanager
def copy_of_tree() -> Iterator[Path]:
    """What git knows or would take, in a folder of its own."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    with tempfile.TemporaryDirectory(prefix="asya-mutant-") as folder:
        for name in listed.stdout.decode().split("\0"):
            if name and (ROOT / name).is_file():
                target = Path(folder) / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, target)
        yield Path(folder)


def run(tests: Sequence[str], tree: Path) -> tuple[int, str]:
    """pytest's exit code and its last lines. The copy's packages come before the installed ones, in children too."""
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(str(tree / package) for package in PACKAGES)}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(
            command, cwd=tree, env=environ, capture_output=True, text=True, timeout=LONGEST_S, check=False
        )
    except subprocess.TimeoutExpired:
        return TESTS_FAILED, f"not over after {LONGEST_S} s"
    return done.returncode, "\n".join(done.stdout.splitlines()[-8:])


def verdict(mutant: Mutant) -> tuple[bool, str]:
    """Whether the bug was noticed, and a line that says so."""
    began = time.monotonic()
    with copy_of_tree() as tree:
        if trouble := apply(mutant, tree):
            return False, f"DOES NOT APPLY  {mutant.name}: {trouble.strip()}"
        code, lines = run(mutant.tests, tree)
    took_s = time.monotonic() - began
    if code == TESTS_FAILED:
        return True, f"caught    {mutant.name}  {took_s:.0f} s  ({mutant.says})"
    if code == 0:
        return False, f"SURVIVED  {mutant.name}  {took_s:.0f} s  ({mutant.says})"
    return False, f"DID NOT RUN  {mutant.name}: pytest ended with {code}\n{lines}"


def main(names: Sequence[str]) -> int:
    """0 when all chosen mutants are caught, 1 when one is not, 2 when nothing can be said."""
    known = mutants()
    if unknown := set(names) - {mutant.name for mutant in known}:
        print(f"mutants: there is no {', '.join(sorted(unknown))} in {FOLDER}", file=sys.stderr)  # noqa: T201
        return 2
    chosen = [mutant for mutant in known if not names or mutant.name in names]
    with copy_of_tree() as tree:
        code, lines = run(sorted({test for mutant in chosen for test in mutant.tests}), tree)
    if code:
        print(f"mutants: the tests must pass without a bug first; pytest ended with {code}\n{lines}", file=sys.stderr)  # noqa: T201
        return 2
    with ThreadPoolExecutor(JOBS) as pool:
        caught = []
        for was_caught, line in pool.map(verdict, chosen):
            print(line, flush=True)  # noqa: T201
            caught.append(was_caught)
    print(f"{sum(caught)} of {len(caught)} planted bugs caught")  # noqa: T201
    return 0 if all(caught) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
