"""Figures with their targets, written to build/bench.json and printed as a table.

Called by bench/__main__.py. Measures nothing.
"""

import json
import os
import platform
import sqlite3
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured promise. `value` is the median of `samples` unless said otherwise where it is made."""

    name: str
    value: float
    unit: str
    target: float | None
    direction: Literal["at most", "at least", "reported"]
    ok: bool
    samples: list[float]


def at_most(name: str, unit: str, target: float, samples: list[float]) -> Figure:
    """A figure whose median must not be above the target."""
    value = statistics.median(samples)
    return Figure(name, value, unit, target, "at most", value <= target, samples)


def at_least(name: str, unit: str, target: float, samples: list[float]) -> Figure:
    """A figure whose median must not be below the target."""
    value = statistics.median(samples)
    return Figure(name, value, unit, target, "at least", value >= target, samples)


def reported(name: str, unit: str, samples: list[float]) -> Figure:
    """A figure without a target."""
    return Figure(name, statistics.median(samples), unit, None, "reported", True, samples)


def machine() -> dict[str, object]:
    """What a reader needs to compare figures of two machines."""
    return {
        "cores": os.cpu_count(),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "system": platform.platform(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "load_before": round(os.getloadavg()[0], 2),
    }


def write(path: Path, facts: dict[str, object], figures: list[Figure]) -> None:
    """One JSON object: the machine and the list of figures."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": facts, "figures": [asdict(figure) for figure in figures]}, indent=2) + "\n")


def show(figures: list[Figure]) -> None:
    """The same as a table for people."""
    table = Table("figure", "value", "unit", "target", "", "samples")
    for figure in figures:
        target = "" if figure.target is None else f"{figure.direction} {figure.target:g}"
        table.add_row(
            figure.name,
            f"{figure.value:.4g}",
            figure.unit,
            target,
            "ok" if figure.ok else "[red]missed[/red]",
            str(len(figure.samples)),
        )
    Console().print(table)
