"""What is generated and committed is what the generators say today."""

import subprocess
import sys

from tests.support.console import ROOT


def test_generated_files_are_current() -> None:
    checked = subprocess.run(
        [sys.executable, "tools/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
