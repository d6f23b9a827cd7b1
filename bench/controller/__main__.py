"""Measure the controller: `python -m bench.controller`, or `make bench-controller`. Writes build/bench-controller.json."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench import report
from bench.controller import kopf_peer
from bench.controller.bed import bed
from bench.controller.phases import (
    Size,
    converge,
    idle,
    outage,
    pod_events,
    restart,
    resync,
    scale_up,
)
from bench.report import Figure

KOPF_GOAL = 0.5
SMALL = Size(
    batches=2,
    batch=3,
    pods=1,
    restarts=1,
    resync_every_s=2.0,
    marks_s=0.0,
    resyncs=1,
    event_rate=3.0,
    events=6,
    outage_s=5.0,
)
"""Enough to meet everything once: what the tests run."""


def main(given: list[str]) -> int:
    """Exit status 0 when every figure meets its target, else 1."""
    parser = argparse.ArgumentParser(prog="python -m bench.controller", description=__doc__)
    parser.add_argument(
        "--small", action="store_true", help="a few actors, to see that it runs; the figures mean nothing"
    )
    parser.add_argument(
        "--batches", type=int, default=Size().batches, metavar="N", help="of 100 actors; the figures mean 10"
    )
    parser.add_argument("--without-kopf", action="store_true", help="leave the operator made with kopf out")
    parser.add_argument("--output", type=Path, default=Path("build/bench-controller.json"), metavar="FILE")
    chosen = parser.parse_args(given)
    size = SMALL if chosen.small else Size(batches=chosen.batches)
    facts, figures = report.machine(), list[Figure]()
    try:
        measure(size, figures, kopf=not chosen.without_kopf)
    finally:  # a quarter of an hour: what was measured before something went wrong is kept
        report.write(chosen.output, facts, figures)
        report.show(figures)
    return 0 if all(figure.ok for figure in figures) else 1


def measure(size: Size, found: list[Figure], *, kopf: bool) -> None:
    """Add every figure to `found`, in the order of an actor's life."""
    with bed() as (cluster, hands, subject):

        def phase(name: str, measure: Callable[[], list[Figure]]) -> None:
            begun, made = time.monotonic(), measure()
            found.extend(made)
            told = ", ".join(f"{figure.name} {figure.value:.4g}" for figure in made)
            sys.stderr.write(f"bench: {name} took {time.monotonic() - begun:.0f} s: {told}\n")

        subject.start()
        phase("converging", lambda: converge(subject, hands, size))
        if kopf:
            phase("kopf", lambda: kopf_ratio(kopf_peer.cpu_ms(cluster, 2, size.batch), found))
        phase("scaling up", lambda: scale_up(subject, hands, size))
        phase("idling", lambda: idle(subject, size))
        phase("changing pods", lambda: pod_events(subject, hands, size))
        phase("restarting", lambda: restart(subject, hands, size))
        phase("looking again", lambda: resync(subject, hands, size))
        phase("the outage", lambda: outage(cluster, subject, hands, size))


def kopf_ratio(kopf_ms: list[float], found: list[Figure]) -> list[Figure]:
    """kopf's cost without any children over ours with all of them."""
    ours = next(figure.value for figure in found if figure.name == "converge_cpu_ms")
    ratio = statistics.median(kopf_ms) / ours
    return [
        report.reported("kopf_cpu_ms", "ms/actor", kopf_ms),
        Figure("kopf_cpu_ratio", ratio, "", KOPF_GOAL, "reported", True, [ratio]),
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
