"""Whatever stops at whatever point: everything accepted ends, nothing is invented, and only what was in progress is done twice.

A scenario is run once undisturbed and its points are counted: moments before and after each effect of a sidecar. Then it is run again for
every point and every fault that means something there: the sidecar killed, its connection cut, a confirm lost, and so on. After each the
mesh runs until it is quiet, and ledger.py compares with the undisturbed run: same ids, parents, ends, payloads, headers, deadlines.
Pairs of faults are too many; a sample of them is drawn, the same in every run.
"""

import json
import os
import random
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import pytest

from tests.faults.ledger import Line, check
from tests.faults.points import ENDS, POSSIBLE, Fault, Point
from tests.faults.scenarios import SCENARIOS, Scenario
from tests.faults.world import World, world

PAIRS: Final = int(os.environ.get("ASYA_FAULT_PAIRS", "25"))
"""Drawn per scenario."""
pytestmark = pytest.mark.timeout(600)  # seconds of work, however long a busy machine takes for it
Plan = Mapping[int, Fault]
COST_NOTHING: Final = {Fault.STOP, Fault.UNSENT, Fault.REFUSED, Fault.RUNTIME_GONE}
BEFORE_SENDING: Final = {"delivered", "call", "answered"}


class Run:
    """One run of a scenario, over when it is made."""

    def __init__(self, scenario: Scenario, plan: Plan) -> None:
        self.plan = plan
        with world(scenario.actors, lambda point: self._choose(point)) as made:
            self.world: World = made
            scenario.prepare(made)
            for envelope in scenario.envelopes:
                assert made.submit(envelope)
            made.run_until_quiet()
            self.lines = made.ledger()
        self.points = made.points
        self.ends = [line for line in self.lines if line["what"] == "ended"]

    def _choose(self, point: Point) -> Fault | None:
        fault = self.plan.get(point.number)
        return (
            fault if fault in POSSIBLE[point.name] else None
        )  # a second fault may meet another point than it was drawn for

    def __str__(self) -> str:
        return ", ".join(f"{fault.value} at {point}" for point, fault in self.world.faults) or "undisturbed"


def attempted(clean: Run, scenario: Scenario) -> list[Line]:
    """What the undisturbed run shows that every run must show."""
    roots = {end["id"]: root(clean.world, end["id"]) for end in clean.ends}
    return [
        {
            "what": "attempted",
            "id": envelope["id"],
            "kind": "scenario",
            "ends": [
                {name: end[name] for name in ("id", "parent", "result")} | {"reasons": [end["reason"]]}
                for end in clean.ends
                if roots[end["id"]] == envelope["id"]
            ],
        }
        for envelope in scenario.envelopes
    ]


def root(made: World, found: str) -> str:
    while (parent := made.record.parents.get(found)) is not None:
        found = parent
    return found


def troubles(clean: Run, scenario: Scenario, run: Run) -> list[str]:
    """What is wrong with a disturbed run."""
    verdict = check([*attempted(clean, scenario), *run.lines], window=1)
    wrong = (
        verdict.troubles() + run.world.record.complaints
    )  # of runs the ledger's bound for each id, which is the exact one
    reports, expected = run.world.record.reports, clean.world.record.reports
    if reports != expected:
        wrong.append(f"reported {sorted(reports)}, not {sorted(expected)}")
    if places(run) != places(clean):
        wrong.append(f"ended at {sorted(places(run))}, not at {sorted(places(clean))}")
    return wrong


def sent(run: Run) -> Counter[tuple[str, str]]:
    """How often each actor had each message stored."""
    return Counter((point.actor, point.id) for point in run.points if point.name == "stored")


def counted(run: Run) -> int:
    """How many deliveries were given back the way that counts."""
    return sum(point.name == "released_counted" for point in run.points)


def sends_nothing_twice(scenario: Scenario, plan: Plan, run: Run) -> bool:
    """A single fault after which no message may be there twice: nothing was sent yet, or nothing is given up."""
    one_in_hand = not any("ASYA_PREFETCH" in variables for variables in scenario.actors.values())
    ((number, fault),) = plan.items()
    return one_in_hand and (fault in COST_NOTHING or run.points[number].name in BEFORE_SENDING)


def carried(message: Mapping[str, Any]) -> dict[str, Any]:
    """What no actor, no retry and no failure may change."""
    headers, route = message.get("headers") or {}, message["route"]
    return {
        "tenant": headers.get("tenant"),
        "trace_id": headers.get("trace_id"),
        "deadline_at": (message.get("status") or {}).get("deadline_at"),
        "unknown": message.get("unknown"),
        "route": route.get("kept"),
        "shape": "actors" in route,
    }


def places(run: Run) -> set[tuple[str, str]]:
    return {(end["place"], end["id"]) for end in run.ends}


def assert_all_well(name: str, plans: list[Plan], clean: Run) -> None:
    scenario = SCENARIOS[name]
    wrong = []
    for plan in plans:
        run = Run(scenario, plan)
        assert run.points[: min(plan) + 1] == clean.points[: min(plan) + 1], "a run is not the same twice"
        if found := troubles(clean, scenario, run):
            wrong.append(f"{run}: {'; '.join(found)}")
        elif len(plan) == 1 and sends_nothing_twice(scenario, plan, run) and sent(run) != sent(clean):
            wrong.append(f"{run}: sent {sent(run) - sent(clean)} more and {sent(clean) - sent(run)} less")
        elif set(plan.values()) == {Fault.STOP} and counted(run) > counted(clean):
            wrong.append(f"{run}: what was returned while draining counts as a delivery")
    assert not wrong, f"{len(wrong)} of {len(plans)} runs of {name!r}:\n" + "\n".join(wrong[:5])


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_single_fault_at_every_point_costs_nothing_but_a_repeat(name: str) -> None:
    scenario = SCENARIOS[name]
    clean = Run(scenario, {})
    assert sorted((end["place"], end["reason"]) for end in clean.ends) == sorted(scenario.ends)
    for envelope in scenario.envelopes:
        if "raw" not in envelope:
            ends = [json.loads(end["result"]) for end in clean.ends if root(clean.world, end["id"]) == envelope["id"]]
            assert [carried(end) for end in ends] == [carried(envelope)] * len(ends)
    reported = {found for found, kind, _status in clean.world.record.reports if kind == "final"}
    assert reported == {end["id"] for end in clean.ends if end["place"] in ENDS}
    assert troubles(clean, scenario, clean) == []
    plans: list[Plan] = [{point.number: fault} for point in clean.points for fault in POSSIBLE[point.name]]
    assert_all_well(name, plans, clean)


@pytest.mark.parametrize("name", SCENARIOS)
def test_two_faults_in_one_run_cost_nothing_but_repeats(name: str) -> None:
    dice = random.Random(name)
    clean = Run(SCENARIOS[name], {})
    plans: list[Plan] = []
    for _ in range(PAIRS):
        first, later = dice.choice(clean.points), dice.randrange(1, 15)
        anything = dice.choice(list(Fault))
        plans.append({first.number: dice.choice(POSSIBLE[first.name]), first.number + later: anything})
    assert_all_well(name, plans, clean)
