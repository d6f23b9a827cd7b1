"""What a storm attempted and saw, one JSON line each, and the verdict over it.

Written by storm.py and storm_harvest.py, read by `check`, which knows no broker and no process: it can be run on a made-up ledger
(test_ledger.py) and again on one that was kept. A line says before the publish which ends the envelope must have; nothing about
expectations is decided afterwards.

Lines (`what` and its members; times are wall clock seconds):

    attempted   id, kind, ends: [{id, parent, reasons, result}]     about to be published, with every end it must have; `crashed`
                                                                    beside them: the result when the crash fence comes first
    accepted    id                                                  the broker confirmed it
    unknown     id, why                                             nobody knows whether the broker has it; it is not sent again
    run         id, place, pod, begin, done                         a handler was called; `done`: its delivery was settled, else null
    fault       kind, pod (null: all), begin, until                 an interruption: see ONE_RUN for what a kind interrupts
    killed      pod, role                                           a SIGKILL of the storm's own; its fault line follows
    ended       id, parent, reason, result, place                   found where routes end
    left        queue, count                                        not empty at the end

The bound on duplicates (contract: README, the promise, 3) is checked twice. For each envelope: in no place may it have run more often
than once plus the number of its own runs, and its parent's, that were in progress when something there was interrupted. And for all:
the additional runs are not more than interruptions x window x places.
"""

from __future__ import annotations

import bisect
import json
import os
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

Line = dict[str, Any]
Excess = dict[str, list[tuple[int, str]]]
"""Id -> (runs that its own interruptions do not explain, place)."""

ONE_RUN = frozenset({"runtime"})
"""Kinds that interrupt only the call in progress; all others interrupt every delivery in hand."""


class Ledger:
    """Appends lines; safe for several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()

    def write(self, what: str, **members: Any) -> None:
        """One line. It survives the death of this process, not yet that of the machine."""
        line = json.dumps({"what": what} | members, ensure_ascii=True)
        with self._lock:
            self._file.write(line + "\n")
            self._file.flush()

    def sync(self) -> None:
        """What was written survives a power cut: before a publish, and before what was seen is forgotten elsewhere."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self.sync()
        self._file.close()


def read(path: Path) -> Iterator[Line]:
    """Its lines. A last one that was cut by a crash was not yet said and is left out."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):
                yield json.loads(line)


@dataclass
class Verdict:
    """Ids by category. Ends are counted, children included, but for `attempted` and `accepted`, which are envelopes published."""

    attempted: int = 0
    accepted: int = 0
    ok: int = 0
    lost: list[str] = field(default_factory=list)
    recovered: list[str] = field(default_factory=list)
    """Outcome of the publish unknown, and yet all its ends are there."""
    absent: list[str] = field(default_factory=list)
    """Outcome of the publish unknown, and nothing of it arrived: nothing was promised."""
    duplicated: list[str] = field(default_factory=list)
    """Handled at an end more than once."""
    unexpected: list[str] = field(default_factory=list)
    """What nobody attempted, or what ended with another reason, parent or result than it had to; says which."""
    left: list[str] = field(default_factory=list)
    kills: int = 0
    runs: int = 0
    extra_runs: int = 0
    allowed_runs: int = 0
    unexplained: list[str] = field(default_factory=list)
    """Ran more often than the interruptions of its own deliveries explain."""
    given_back: list[str] = field(default_factory=list)
    """Not explained by its own runs, but perhaps in hand there, unstarted and on its way back, when a sidecar or the broker died."""
    kinds: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)

    @property
    def ok_in_all(self) -> bool:
        """Nothing lost, invented, left or repeated without a reason."""
        bounded = self.extra_runs <= self.allowed_runs
        return bounded and not (self.lost or self.unexpected or self.left or self.unexplained)

    def figures(self) -> dict[str, int]:
        """The table's rows."""
        lists = ("ok", "lost", "recovered", "absent", "duplicated", "unexpected")
        found = {"attempted": self.attempted, "accepted": self.accepted}
        found |= {name: value if isinstance(value := getattr(self, name), int) else len(value) for name in lists}
        found |= {"kills": self.kills, "interruptions": sum(self.faults.values())}
        found |= {"handler runs": self.runs, "additional runs": self.extra_runs, "unexplained": len(self.unexplained)}
        return found | {"given back": len(self.given_back), "additional runs allowed": self.allowed_runs}

    def troubles(self) -> list[str]:
        """A few lines for each thing that must not be."""
        wrong = {name: getattr(self, name) for name in ("lost", "unexpected", "left", "unexplained")}
        return [f"{name}: {len(what)}, such as {'; '.join(what[:5])}" for name, what in wrong.items() if what]


def check(lines: Iterable[Line], window: int = 64, *, unstarted_seen: bool = True) -> Verdict:
    """The verdict. `window`: most deliveries one pod has in hand.

    `unstarted_seen`: no delivery is in hand but those of a run. Real sidecars also hold some that they have not started and may be giving
    back, as a copy and an acknowledgement; nobody sees these, so False takes any fault there while the message was there as the reason.
    """
    by_what: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        by_what[line["what"]].append(line)
    verdict = Verdict(attempted=len(by_what["attempted"]), accepted=len(by_what["accepted"]))
    verdict.kinds = Counter(line["kind"] for line in by_what["attempted"])
    verdict.faults = Counter(line["kind"] for line in by_what["fault"])
    verdict.kills = len(by_what["killed"])
    verdict.left = [f"{line['count']} in {line['queue']}" for line in by_what["left"] if line["count"]]
    _check_ends(verdict, by_what)
    parents = {end["id"]: end["parent"] for line in by_what["attempted"] for end in line["ends"] if end["parent"]}
    excess = _check_runs(verdict, by_what["run"], by_what["fault"], parents, window)
    if not unstarted_seen:
        _excuse(verdict, excess, by_what["run"], by_what["fault"])
    return verdict


def _check_ends(verdict: Verdict, by_what: dict[str, list[Line]]) -> None:
    accepted = {line["id"] for line in by_what["accepted"]}
    found: dict[str, list[Line]] = defaultdict(list)
    for line in by_what["ended"]:
        found[line["id"]].append(line)
    for line in by_what["attempted"]:
        arrived = [wanted for wanted in line["ends"] if wanted["id"] in found]
        missing = [wanted["id"] for wanted in line["ends"] if wanted["id"] not in found]
        for wanted in arrived:
            wrong = [why for end in found.pop(wanted["id"]) if (why := _is_wrong(wanted, end, line["kind"]))]
            verdict.unexpected += wrong
            verdict.ok += not wrong
        if line["id"] in accepted or (arrived and missing):
            verdict.lost += missing
        elif arrived:
            verdict.recovered.append(line["id"])
        else:
            verdict.absent.append(line["id"])
    verdict.unexpected += [f"{name} was never attempted" for name in found]


def _is_wrong(wanted: Line, end: Line, kind: str) -> str | None:
    if end["reason"] not in wanted["reasons"]:
        return (
            f"{end['id']} ({kind}) ended at {end['place']} with {end['reason']}, not {' or '.join(wanted['reasons'])}"
        )
    if end["reason"] == "Crashed" and "crashed" in wanted:
        wanted = wanted | {"result": wanted["crashed"]}
    for member in ("parent", "result"):
        if end[member] != wanted[member]:
            return f"{end['id']} ({kind}) has {member} {end[member]!r}, not {wanted[member]!r}"
    return None


def _check_runs(verdict: Verdict, runs: list[Line], faults: list[Line], parents: dict[str, str], window: int) -> Excess:
    interrupted = _interrupted(runs, faults)
    counts: Counter[tuple[str, str]] = Counter()
    for run in runs:
        counts[run["id"], run["place"]] += 1
    verdict.runs = sum(counts.values())
    verdict.extra_runs = sum(count - 1 for count in counts.values())
    places = {place for _, place in counts}
    everywhere = len({run["pod"] for run in runs})
    deliveries = sum((everywhere if fault["pod"] is None else 1) * _reach(fault, window) for fault in faults)
    verdict.allowed_runs = deliveries * max(len(places), 1)
    above: Excess = defaultdict(list)
    for (name, place), count in counts.items():
        allowed, ancestor = interrupted[name], parents.get(name)
        while ancestor is not None:
            allowed += interrupted[ancestor]
            ancestor = parents.get(ancestor)
        if count - 1 > allowed:
            above[name].append((count - 1 - allowed, place))
            verdict.unexplained.append(f"{name} ran {count} times at {place}, {allowed} interruptions")
        if count > 1 and place.startswith("x-"):
            verdict.duplicated.append(name)
    return above


def _excuse(verdict: Verdict, excess: Excess, runs: list[Line], faults: list[Line]) -> None:
    excused = {name for name, found in excess.items() if _may_have_been_in_hand(name, found, runs, faults)}
    verdict.given_back = sorted(excused)
    verdict.unexplained = [what for what in verdict.unexplained if what.split()[0] not in excused]


def _may_have_been_in_hand(name: str, excess: list[tuple[int, str]], runs: list[Line], faults: list[Line]) -> bool:
    """As many faults met its actor, while the message was there, as it ran too often; what follows downstream follows from that."""
    own = sorted((run for run in runs if run["id"] == name), key=lambda run: float(run["begin"]))
    beyond = {place for _, place in excess}
    here = next(run["place"] for run in own if run["place"] in beyond)
    actor, last = here.split()[0], max(run["begin"] for run in own if run["place"] == here)
    since = max((run["begin"] for run in own if run["place"].split()[0] != actor and run["begin"] < last), default=0.0)
    since = min([since, *(run["begin"] for run in own if run["place"] == here)])
    met = [
        fault
        for fault in faults
        if fault["kind"] not in ONE_RUN
        and (fault["pod"] is None or fault["pod"].startswith(actor))
        and since <= fault["until"]
        and fault["begin"] <= last
    ]
    return len(met) >= max(count for count, place in excess if place == here)


def _reach(fault: Line, window: int) -> int:
    return 1 if fault["kind"] in ONE_RUN else window


def _interrupted(runs: list[Line], faults: list[Line]) -> Counter[str]:
    """How many (run, interruption) pairs each id has: the run was in progress when something on its pod was interrupted."""
    by_pod: dict[str, list[Line]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: float(run["begin"])):
        by_pod[run["pod"]].append(run)
    found: Counter[str] = Counter()
    for pod, own in by_pod.items():
        begins = [run["begin"] for run in own]
        open_runs: list[Line] = []
        read_to = 0
        met = sorted(
            (fault for fault in faults if fault["pod"] in (None, pod)), key=lambda fault: float(fault["until"])
        )
        # Interruptions overlap: a run may be over before one that ends early and still belong to one that began before.
        earliest = list(accumulate((fault["begin"] for fault in reversed(met)), min))[::-1]
        for fault, needed_since in zip(met, earliest, strict=True):
            upto = bisect.bisect_right(begins, fault["until"])
            open_runs = [
                run for run in open_runs + own[read_to:upto] if run["done"] is None or run["done"] >= needed_since
            ]
            read_to = upto
            hit = [run for run in open_runs if run["done"] is None or run["done"] >= fault["begin"]]
            if fault["kind"] in ONE_RUN:
                found.update(run["id"] for run in hit[-1:] if run is own[upto - 1])
                continue
            found.update(run["id"] for run in hit)
            # Nothing that was in hand survives this one: an unsettled run is handed out again, as a run of its own.
            open_runs = [run for run in open_runs if run["done"] is not None]
    return found
