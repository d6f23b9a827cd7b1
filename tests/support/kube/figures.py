"""Figures that tests on the real cluster take while they prove something: kept in build/bench-e2e.json, with their targets.

A figure is written by whoever measured it, beside those that are there: a run of a part of the tests leaves the others as they are. Missing
a target of time fails no test, because a machine that does something else is slower; the file says which was missed.
"""

import json
from dataclasses import asdict

from bench.report import Figure, machine
from tests.support.console import ROOT

FILE = ROOT / "build" / "bench-e2e.json"


def keep(figure: Figure) -> None:
    """Put one figure in the place of its predecessor."""
    FILE.parent.mkdir(exist_ok=True)
    found = json.loads(FILE.read_text()) if FILE.exists() else {"figures": []}
    others = [one for one in found["figures"] if one["name"] != figure.name]
    figures = sorted([*others, asdict(figure)], key=lambda one: str(one["name"]))
    FILE.write_text(json.dumps({"machine": machine(), "figures": figures}, indent=2) + "\n")
