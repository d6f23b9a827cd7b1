"""`make storm`: a large storm, its ledger as a table and in build/storm.json. `--help` says what can be asked for.

Ctrl-C ends the storm, not the judgement: what was sent until then is waited for and counted.
The ledger itself stays in build/storm-ledger.jsonl, and after a failure the logs and the store in build/storm-failed.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.faults.storm import run
from tests.faults.storm_report import Scale

BUILD = Path("build")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--envelopes", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--crashes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--stuck", type=float, default=300.0, help="seconds without progress until it is given up")
    parser.add_argument(
        "--unknown-actor-wait", type=float, default=30.0, help="seconds; a deleted queue is away for less"
    )
    given = parser.parse_args()
    BUILD.mkdir(exist_ok=True)
    path = BUILD / "storm-ledger.jsonl"
    path.unlink(missing_ok=True)
    scale = Scale(
        given.envelopes,
        given.kills,
        given.crashes,
        seed=given.seed,
        stuck_s=given.stuck,
        unknown_actor_wait_s=given.unknown_actor_wait,
    )
    enough = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: enough.set())
    report = run(scale, path, enough)
    (BUILD / "storm.json").write_text(json.dumps(report.as_json(), indent=2) + "\n")
    table = Table("ledger", "count")
    for name, count in report.verdict.figures().items():
        table.add_row(name, str(count))
    for name, count in sorted(report.verdict.faults.items()):
        table.add_row(f"interrupted: {name}", str(count))
    table.add_row("seconds", str(round(report.seconds)))
    table.add_row("queues empty, seconds after the last fault", f"{report.drained_s:.1f}")
    table.add_row("largest sidecar, MB", f"{max(report.rss_mb.values()):.1f}")
    Console().print(table)
    for trouble in report.troubles():
        sys.stderr.write(f"{trouble}\n")
    return 1 if report.troubles() else 0


if __name__ == "__main__":
    sys.exit(main())
