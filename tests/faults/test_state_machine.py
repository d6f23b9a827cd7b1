"""Hypothesis plays the rest of the world: producers, crashes, lost confirms, alarms, clocks and careless operators, in any order.

After every step each accepted envelope is in some queue or at an end; when all is healed and quiet the ledger must be right. Runs in CI
are the same each time; `make faults` plays longer and anew (ASYA_FAULT_EXAMPLES).
"""

import json
import os
from collections import Counter
from contextlib import ExitStack
from datetime import timedelta
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from asya_schemas.names import child_id
from tests.faults.ledger import Line, check
from tests.faults.points import ENDS, POSSIBLE, Fault, Point
from tests.faults.virtual_time import BEGAN
from tests.faults.world import world

EXAMPLES: Final = int(os.environ.get("ASYA_FAULT_EXAMPLES", "0"))
RETRIES: Final = {"default": {"maxAttempts": 3, "backoff": "constant", "initialDelay": "1s", "jitter": False}}
ACTORS: Final = {
    "a": {"ASYA_PREFETCH": "3", "ASYA_RESILIENCY_ACTOR_TIMEOUT": "2s"},
    "b": {"ASYA_RESILIENCY_POLICIES": json.dumps(RETRIES), "ASYA_RESILIENCY_ACTOR_TIMEOUT": "2s"},
    "c": {},
}
KINDS: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "passed on": ({}, "Completed"),
    "fanned out": ({"a": {"do": "fan", "n": 3}}, "Completed"),
    "ended early": ({"b": {"do": "nothing"}}, "Aborted"),
    "refused": ({"a": {"do": "refuse"}}, "ValidationError"),
    "retried": ({"b": {"do": "raise", "times": 2}}, "Completed"),
    "given up": ({"b": {"do": "raise"}}, "PolicyExhausted"),
    "slow": ({"a": {"do": "sleep", "s": 1.5}}, "Completed"),
    "too slow": ({"b": {"do": "hang"}}, "Timeout"),
    "late": ({"a": {"do": "sleep", "s": 0.5}}, "Completed"),
}
"""What handlers are told, and the reason of the end when all goes well."""
LATE_S: Final = 30.0
DAY_S: Final = 86_400.0
ACTOR_NAMES: Final = st.sampled_from([*ACTORS, *ENDS])
HITS: Final = st.sampled_from([(name, fault) for name, faults in POSSIBLE.items() for fault in faults])


class Mesh(RuleBasedStateMachine):
    """One play."""

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self._armed: list[tuple[str, Fault]] = []
        """Kinds of points, at the next of which this will happen."""
        self._attempted: list[Line] = []
        self._destroyed: set[str] = set()
        """Ids of whole families of which a message was in a queue that somebody deleted."""
        self._a_queue_was_missing = False
        self.world = self._stack.enter_context(world(ACTORS, self._choose))
        self.world.run_for(0.1)  # until every sidecar lives

    def _choose(self, point: Point) -> Fault | None:
        for index, (name, fault) in enumerate(self._armed):
            if name == point.name:
                del self._armed[index]
                return fault
        return None

    # what happens

    @initialize(kinds=st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=4))
    def begin_with(self, kinds: list[str]) -> None:
        for kind in kinds:
            self.submit(kind, False)

    @rule(kind=st.sampled_from(sorted(KINDS)), further=st.booleans())
    def submit(self, kind: str, further: bool) -> None:
        payload, reason = KINDS[kind]
        found = f"e-{len(self._attempted)}"
        deadline_s = self.world.clock.shift_s + self.world.loop.time() + (LATE_S if kind == "late" else 10 * DAY_S)
        envelope = {
            "id": found,
            "route": {"prev": [], "curr": "a", "next": ["b", "c"] if further else ["b"]},
            "headers": {"tenant": "blue"},
            "payload": payload,
            "status": {"deadline_at": (BEGAN + timedelta(seconds=deadline_s)).isoformat()},
            "unknown": found,
        }
        if self.world.submit(envelope):
            ids = [found, *(child_id(found, 0, index) for index in (1, 2) if kind == "fanned out")]
            wanted = [{"id": each, "parent": None if each == found else found, "reasons": [reason]} for each in ids]
            kept = _kept({**envelope, "id": found})
            ends = [{**end, "result": kept} for end in wanted]
            self._attempted.append({"what": "attempted", "id": found, "kind": kind, "ends": ends})

    @rule(seconds=st.sampled_from([0.002, 0.02, 0.3, 2.5, 40.0]))
    def deliver(self, seconds: float) -> None:
        self.world.run_for(seconds)

    @rule(rounds=st.integers(1, 6))
    def take_a_few_steps(self, rounds: int) -> None:
        for _ in range(rounds):
            self.world.run_for(0)

    @rule(actor=ACTOR_NAMES)
    def crash(self, actor: str) -> None:
        self.world.kill(actor)

    @rule(actor=ACTOR_NAMES)
    def cut(self, actor: str) -> None:
        self.world.cut(actor)

    @rule(actor=ACTOR_NAMES)
    def stop(self, actor: str) -> None:
        self.world.stop(actor)

    @rule(hit=HITS, seconds=st.sampled_from([0.0, 0.02, 0.3]))
    def be_hit_at_the_next(self, hit: tuple[str, Fault], seconds: float) -> None:
        """Dropped, refused, stored without a confirm, cut before or after it, ..: whatever can happen at such a point."""
        self._armed.append(hit)
        self.world.run_for(seconds)

    @rule(actor=ACTOR_NAMES)
    def duplicate(self, actor: str) -> None:
        """The broker stores a message twice, as a producer that was not answered makes it."""
        queue = self.world.broker.queues.get(self.world.queue(actor))
        if queue is not None and queue.messages:
            stored = queue.messages[0].stored
            self.world.record.interrupted("duplicate", self.world.record.recognise(stored.body, None))
            self.world.put(queue.name, stored)

    @rule(seconds=st.sampled_from([0.0, 0.05, 1.0]))
    def confirm_late(self, seconds: float) -> None:
        self.world.confirm_after_s = seconds

    @rule(seconds=st.sampled_from([-3600.0, -5.0, 5.0, 3600.0]))
    def set_the_clock(self, seconds: float) -> None:
        self.world.clock.shift_s += seconds

    @rule(actor=ACTOR_NAMES)
    def delete_queue(self, actor: str) -> None:
        self._destroyed.update(self._family(found) for found in self.world.delete(actor))
        self._a_queue_was_missing = True

    @rule(actor=ACTOR_NAMES)
    def declare_queue(self, actor: str) -> None:
        self.world.declare(actor)

    @rule(on=st.booleans())
    def alarm(self, on: bool) -> None:
        self.world.blocked = on

    # what must hold

    @invariant()
    def nothing_accepted_is_nowhere(self) -> None:
        assert self.world.record.complaints == []
        somewhere = self.world.ids() | self._destroyed
        assert [line["id"] for line in self._attempted if line["id"] not in somewhere] == []

    def teardown(self) -> None:
        with self._stack:
            self._armed.clear()
            self.world.blocked, self.world.confirm_after_s = False, 0.0
            for actor in (*ACTORS, *ENDS):
                self.world.declare(actor)
            self.world.run_until_quiet()
            lines = [_comparable(line) for line in self.world.ledger()]
            assert self.world.record.complaints == []
            verdict = check([*self._expected(lines), *lines], window=1)
            assert verdict.troubles() == []

    def _family(self, found: str) -> str:
        return self.world.record.parents.get(found) or found

    def _expected(self, lines: list[Line]) -> list[Line]:
        """What had to end, given what the operators did and how often the fence was met."""
        ended = Counter(line["id"] for line in lines if line["what"] == "ended")
        crashed = {line["id"] for line in lines if line["what"] == "ended" and line["reason"] == "Crashed"}
        also = ["Crashed", *(["UnknownActor"] if self._a_queue_was_missing else [])]
        expected = []
        for line in self._attempted:
            late = ["Timeout"] if line["kind"] == "late" else []
            excused = line["id"] in self._destroyed
            ends = [
                {**end, "reasons": [*end["reasons"], *also, *late]}
                for end in line["ends"]
                # A message that met the fence before it was fanned out has no children.
                if ended[end["id"]] or not (excused or line["id"] in crashed)
            ]
            expected.append({**line, "ends": ends})
        return expected


def _kept(message: dict[str, Any]) -> list[Any]:
    """What must arrive at every end."""
    return [message["headers"]["tenant"], message["unknown"], message["status"]["deadline_at"]]


def _comparable(line: Line) -> Line:
    return {**line, "result": _kept(json.loads(line["result"]))} if line["what"] == "ended" else line


@pytest.mark.timeout(600)  # seconds of work, however long a busy machine takes for it
def test_nothing_is_lost_invented_or_repeated_without_a_reason_whatever_happens() -> None:
    run_state_machine_as_test(
        Mesh,
        settings=settings(
            max_examples=EXAMPLES or 200,
            stateful_step_count=50,
            derandomize=not EXAMPLES,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
