"""The runtime file is one file of Python 3.7 that imports the standard library of 3.7 alone.

Checked here without an interpreter of that age, so that the check runs everywhere; the contract tests run the file itself.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.runtime_process import HANDLERS, NEWEST, OLDEST, pythons, runtime_file

TREE = ast.parse(runtime_file().read_text(), feature_version=OLDEST)

# What the file needs, each of which Python 3.7 has. Another name here needs a reason: it costs memory in every process.
ALLOWED = {
    "_signal",
    "_socket",
    "_thread",
    "asyncio",
    "atexit",
    "binascii",
    "collections",
    "ctypes",
    "difflib",
    "faulthandler",
    "importlib",
    "itertools",
    "json",
    "os",
    "re",
    "select",
    "signal",
    "stat",
    "sys",
    "time",
    "traceback",
    "types",
    "typing",
    "warnings",
}
# Imported in the place that needs them, because of their size or because only an error needs them.
ONLY_WHERE_NEEDED = {"asyncio", "ctypes", "difflib", "typing", "warnings"}


def imported(nodes: Iterator[ast.AST]) -> set[str]:
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            found.add(str(node.module).partition(".")[0])
    return found


def test_the_grammar_is_that_of_3_7() -> None:
    assert isinstance(TREE, ast.Module)


def test_the_handlers_of_the_tests_are_3_7_too() -> None:
    for path in HANDLERS.glob("*.py"):
        assert ast.parse(path.read_text(), feature_version=OLDEST).body


def test_it_imports_nothing_but_the_standard_library() -> None:
    assert imported(ast.walk(TREE)) <= ALLOWED
    assert ALLOWED - {"_signal"} <= set(sys.stdlib_module_names)


def test_the_large_modules_are_imported_only_where_needed() -> None:
    assert not imported(iter(TREE.body)) & ONLY_WHERE_NEEDED


def test_every_function_it_uses_exists_in_3_7() -> None:
    vermin = Path(sys.executable).with_name("vermin")
    command = [str(vermin), "--no-tips", "-t=3.7-", "--violations", str(runtime_file())]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert told.returncode == 0, told.stdout


def test_where_ci_is_set_the_oldest_and_the_newest_python_are_there() -> None:
    found = {python.minor for python in pythons()}
    required = {OLDEST, NEWEST} if os.environ.get("CI") else {sys.version_info[:2]}
    assert required <= found


def test_an_interpreter_is_used_once_for_each_minor_version() -> None:
    minors = [python.minor for python in pythons()]
    assert minors == sorted(set(minors))


@pytest.mark.parametrize("python", pythons(), ids=str)
def test_importing_it_has_no_side_effects(python: object) -> None:
    source = (
        "import sys; sys.dont_write_bytecode = True; before = set(sys.modules); hook = sys.excepthook;"
        f"sys.path.insert(0, {str(runtime_file().parent)!r}); import asya_runtime, signal;"
        "assert sys.excepthook is hook; assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL;"
        "print('asyncio' in sys.modules, 'ctypes' in sys.modules, 'typing' in sys.modules)"
    )
    command = [str(python.path), "-I", "-S", "-c", source]  # type: ignore[attr-defined]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert (told.stdout, told.stderr) == ("False False False\n", "")
