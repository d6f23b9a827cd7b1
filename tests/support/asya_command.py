"""Runs the `asya` command as a process of its own, for verbs that end by themselves."""

import os
import subprocess
import sys
from pathlib import Path

# Generous: the machine is busy with other tests. No verb here takes a second by itself.
WITHIN_S = 60


def asya(
    *arguments: str | Path, cwd: Path | None = None, environ: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `asya` with these arguments and return its exit code and both outputs."""
    return subprocess.run(
        [sys.executable, "-m", "asya_cli", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **(environ or {})},
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
