"""Where the programs of a cluster are: built once per machine by tools/cluster-binaries, never by a test."""

import subprocess
from functools import cache
from pathlib import Path

from tests.support.console import ROOT


@cache
def binaries(*groups: str) -> dict[str, Path]:
    """Program -> path, and `keda-crds` -> folder. `groups` of tools/cluster-binaries; none: those of a control plane.

    Raises:
        AssertionError: they are not built yet; the message says what to run.
    """
    found = subprocess.run(
        [ROOT / "tools" / "cluster-binaries", "--cached", *(groups or ("control-plane",))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    pairs = (line.split(" ", 1) for line in found.stdout.splitlines())
    return {name: Path(path) for name, path in pairs}
