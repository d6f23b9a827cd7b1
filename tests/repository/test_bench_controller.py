"""`make bench-controller` runs: a few actors, every phase, the file as promised. What it measures on a busy machine means nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.console import ROOT

FIGURES = {
    "converge_cpu_ms": "ms/actor", "resync_cpu_ms": "ms/actor", "resync_writes": "1", "warm_restart_s": "s",
    "warm_restart_writes": "1", "pod_event_to_status_p50_ms": "ms", "pod_event_to_status_p99_ms": "ms", "rss_mb": "MiB",
    "outage_requests": "1", "outage_cpu_percent": "%",
}  # fmt: skip
"""Those with a target. The comparison needs kopf, which no test installs."""


@pytest.mark.timeout(420)
def test_the_measurement_of_the_controller_runs_and_keeps_its_samples(tmp_path: Path) -> None:
    output = tmp_path / "figures.json"
    command = [sys.executable, "-m", "bench.controller", "--small", "--without-kopf", "--output", str(output)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400, check=False)
    assert output.exists(), done.stderr[-3000:]
    written = json.loads(output.read_text())
    assert written["machine"]["cores"]
    found = {figure["name"]: figure for figure in written["figures"]}
    assert FIGURES.keys() <= found.keys(), done.stderr[-3000:]
    assert {name: found[name]["unit"] for name in FIGURES} == FIGURES
    assert all(figure["samples"] for figure in found.values())
    # These are not a matter of speed.
    assert {name: found[name]["value"] for name in ("resync_writes", "warm_restart_writes")} == {
        "resync_writes": 0, "warm_restart_writes": 0,
    }  # fmt: skip
    assert done.returncode == (0 if all(figure["ok"] for figure in written["figures"]) else 1)
    assert "converge_cpu_ms" in done.stdout
