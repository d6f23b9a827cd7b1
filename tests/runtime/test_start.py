"""What a start leaves behind for people and for Kubernetes, and what it costs."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.runtime_process import (
    Python,
    pythons,
    refused_to_start,
    running,
    runtime_file,
    started,
)

ON_EVERY_PYTHON = pytest.mark.parametrize("python", pythons(), ids=str)
TERMINATION_LOG = Path("/dev/termination-log")


def with_termination_log() -> tuple[str, ...]:
    """A command that runs another where /dev/termination-log exists and prints that file afterwards; empty: not possible."""
    script = 'mount -t tmpfs none /dev && : > /dev/termination-log && "$@"; status=$?; cat /dev/termination-log; exit $status'
    for options in ((), ("--user", "--map-root-user")):
        command = ("unshare", *options, "--mount", "sh", "-c", script, "sh")
        try:
            if subprocess.run([*command, "true"], capture_output=True, timeout=30, check=False).returncode == 0:
                return command
        except OSError:
            break
    return ()


@pytest.mark.parametrize(("handler", "status"), [("invalid", 2), ("nowhere.f", 3)])
def test_the_last_line_is_what_kubernetes_shows_of_the_container(handler: str, status: int) -> None:
    wrapper = with_termination_log()
    with started(pythons()[-1], handler, code="", wrapper=wrapper) as runtime:
        assert runtime.wait_end() == status
        last = runtime.stderr().splitlines()[-1]
        assert last.startswith("asya-runtime: ")
        if wrapper:
            assert runtime.stdout() == last + "\n"
        else:  # no namespaces here, so the file cannot be made: it must not be made by the runtime either
            assert not TERMINATION_LOG.exists()


@ON_EVERY_PYTHON
def test_a_traceback_stands_before_the_last_line_and_begins_in_the_users_code(python: Python) -> None:
    code = "def load():\n    raise RuntimeError('first\\nsecond')\nload()\n"
    status, text = refused_to_start(python, "m.f", code=code)
    lines = text.splitlines()
    assert status == 3
    assert lines[0] == "Traceback (most recent call last):"
    assert "m.py" in lines[1]
    assert lines[-1].endswith("RuntimeError: first second (" + lines[1].split('"')[1] + ", line 2)")


def test_an_older_python_is_told_so() -> None:
    source = (
        "import runpy, sys; sys.version_info = (3, 6, 15, 'final', 0); sys.version = '3.6.15 (old)';"
        f"runpy.run_path({str(runtime_file())!r}, run_name='__main__')"
    )
    told = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False)
    assert told.returncode == 2
    assert told.stderr == "asya-runtime: Python 3.6.15 is too old, expected 3.7 or newer\n"


@ON_EVERY_PYTHON
def test_the_working_directory_stands_in_place_of_the_scripts_folder(python: Python) -> None:
    code = "import os, sys\nFIRST = sys.path[0]\ndef f(payload):\n    return [[FIRST, os.getcwd(), sys.path]]\n"
    with running(python, "m.f", code=code) as runtime:
        first, directory, path = runtime.call(1).payloads[0]
    assert first == directory
    assert str(runtime_file().parent) not in path[:2]


@ON_EVERY_PYTHON
def test_the_syntax_tree_of_the_file_is_given_back(python: Python) -> None:
    """3.11 and newer took 17 to 21 MB while they kept it; other imports of a site are not ours, hence isolated."""
    with running(python, "m.f", code="def f(payload): return [payload]\n", isolated=True) as runtime:
        for _ in range(50):
            assert runtime.call({"text": "x" * 400}, deadline_ms=300_000).status == 200
        status = Path(f"/proc/{runtime.pid}/status").read_text()
    resident_kb = int(status.partition("VmRSS:")[2].split()[0])
    assert resident_kb <= 16 * 1024
