"""Where the programs of a control plane are: built once per machine by tools/cluster-binaries, never by a test."""

import subprocess
from functools import cache
from pathlib import Path

from tests.support.console import ROOT


@cache
def binaries() -> dict[str, Path]:
    """Program -> path, and `keda-crds` -> folder.

    Raises:
        AssertionError: they are not built yet; the message says what to run.
    """
    found = subprocess.run(
        [ROOT / "tools" / "cluster-binaries", "--cached"], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    pairs = (line.split(" ", 1) for line in found.stdout.splitlines())
    return {name: Path(path) for name, path in pairs}
