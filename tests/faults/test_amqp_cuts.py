"""The connection is cut at every point of the protocol where a message could get lost: exact counts of what arrives and of what runs.

One sidecar and one runtime serve all cases of a worker; they reach the broker through a proxy that reads frames. Issue: nothing is lost,
a duplicate has the same id, and the delivery in hand is run again at most once.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.amqp_proxy import AmqpProxy, Cut
from tests.support.rabbitmq_mesh import RabbitmqMesh, amqp_proxy, rabbitmq_mesh
from tests.support.sidecar_process import Sidecar, envelope, route
from tests.support.wait import until

POLICIES = json.dumps({"twice": {"maxAttempts": 2, "backoff": "constant", "initialDelay": "500ms", "jitter": False}})
RULES = json.dumps([{"errors": ["KeyError"], "policy": "twice"}])


@dataclass(frozen=True)
class Scenario:
    """What the handler does, where its messages end, and what happens when nobody cuts anything."""

    payload: dict[str, Any]
    destination: str
    next_actors: tuple[str, ...] = ("b",)
    messages: int = 1
    """Sent after the first call; as many arrive in the end."""
    runs: int = 1


SCENARIOS = {
    "hop": Scenario({}, "b"),
    "fan-out": Scenario({"do": "many", "frames": 3}, "b", messages=3),
    "retry": Scenario({"do": "fail", "error": "KeyError"}, "x-sump", runs=2),
    "x-sump": Scenario({"do": "fail"}, "x-sump"),
    "x-sink": Scenario({}, "x-sink", next_actors=()),
}


class Line:
    """A mesh whose sidecar reaches its broker through the proxy."""

    def __init__(self, own: RabbitmqMesh, proxy: AmqpProxy, sidecar: Sidecar) -> None:
        self.own, self.proxy, self.sidecar = own, proxy, sidecar
        self._number = 0

    def play(self, scenario: Scenario, cut: Cut) -> tuple[Counter[str], int]:
        """How often each message arrived, and how often the handler ran."""
        self._number += 1
        name = f"e-{self._number}"
        payload = {**scenario.payload, "case": self._number}
        until(lambda: self.sidecar.metric("active_messages") == 0, what="nothing is under way")
        self.proxy.cut_at(cut)
        self.own.send(envelope(payload, id=name, route=route("a", *scenario.next_actors)))
        assert cut.sprung.wait(40), "the point was never reached"
        self._quiet(name)
        found = [one for one in self.own.at(scenario.destination) if name in (one["id"], one.get("parent_id"))]
        return Counter(one["id"] for one in found), self.own.calls().count(payload)

    def _quiet(self, name: str) -> None:
        """Everything that follows has followed: the queue and the tier are empty, and a later message has gone through."""
        until(lambda: self.sidecar.get("/readyz")[0] == 200, what="consuming again")
        until(self._is_empty, 30, 0.1, what="nothing is left")
        self.own.send(envelope({"after": name}, id=f"after-{name}"))
        self.own.arrived_one("b", f"after-{name}")
        until(self._is_empty, 30, 0.1, what="nothing is left")

    def _is_empty(self) -> bool:
        tier = self.own.admin.counts("asya.delay.500ms")
        return self.own.is_gone() and not tier.queued and not tier.processing


@pytest.fixture(scope="module")
def line() -> Iterator[Line]:
    with rabbitmq_mesh() as own, amqp_proxy(own) as proxy:
        sidecar, _ = own.pair(
            ASYA_RABBITMQ_PORT=str(proxy.port), ASYA_RESILIENCY_POLICIES=POLICIES, ASYA_RESILIENCY_RULES=RULES
        )
        yield Line(own, proxy, sidecar)


def duplicates(found: Counter[str], scenario: Scenario) -> int:
    """Messages beyond those of an undisturbed run; none is missing."""
    assert len(found) == scenario.messages, found
    return found.total() - scenario.messages


@pytest.mark.parametrize("name", SCENARIOS)
def test_cut_before_the_publish_nothing_is_sent_twice(line: Line, name: str) -> None:
    scenario = SCENARIOS[name]
    found, runs = line.play(scenario, Cut(publishes=0))
    assert (duplicates(found, scenario), runs) == (0, scenario.runs + 1)


@pytest.mark.parametrize("name", SCENARIOS)
def test_cut_after_the_publish_and_before_its_confirm_each_message_is_sent_once_more(line: Line, name: str) -> None:
    scenario = SCENARIOS[name]
    found, runs = line.play(scenario, Cut(publishes=scenario.messages))
    # The other copy of a retry is an attempt of its own.
    assert (duplicates(found, scenario), runs) == (scenario.messages, 2 * scenario.runs)


@pytest.mark.parametrize("name", SCENARIOS)
def test_cut_after_the_confirm_and_before_the_acknowledgement_each_message_is_sent_once_more(
    line: Line, name: str
) -> None:
    scenario = SCENARIOS[name]
    found, runs = line.play(scenario, Cut(ack="before"))
    assert (duplicates(found, scenario), runs) == (scenario.messages, 2 * scenario.runs)


@pytest.mark.parametrize("name", SCENARIOS)
def test_cut_after_the_acknowledgement_nothing_happens_twice(line: Line, name: str) -> None:
    scenario = SCENARIOS[name]
    found, runs = line.play(scenario, Cut(ack="after"))
    assert (duplicates(found, scenario), runs) == (0, scenario.runs)


@pytest.mark.parametrize("sent", [1, 2])
def test_cut_between_the_messages_of_a_fan_out_only_those_sent_before_are_sent_twice(line: Line, sent: int) -> None:
    scenario = SCENARIOS["fan-out"]
    found, runs = line.play(scenario, Cut(publishes=sent))
    assert (duplicates(found, scenario), runs) == (sent, 2)
    assert sorted(found.values()) == [1] * (3 - sent) + [2] * sent


@pytest.mark.parametrize("name", SCENARIOS)
def test_when_only_the_publishing_connection_is_cut_the_handler_is_not_called_again(line: Line, name: str) -> None:
    scenario = SCENARIOS[name]
    before, runs_before = line.play(scenario, Cut(publishes=0, everything=False))
    after, runs_after = line.play(scenario, Cut(publishes=scenario.messages, everything=False))
    assert (duplicates(before, scenario), runs_before) == (0, scenario.runs)
    # The message is with the broker and we cannot know: it is sent again with the same id. Of a retry both copies are run.
    assert (duplicates(after, scenario), runs_after) == (scenario.messages, 2 * scenario.runs - 1)


@pytest.mark.parametrize(("ack", "runs"), [("before", 2), ("after", 1)])
def test_an_end_actor_whose_acknowledgement_is_lost_stores_again_and_sends_nothing(ack: str, runs: int) -> None:
    end_actor = {"ASYA_IS_END_ACTOR": "true", "ASYA_HANDLER_MODE": "envelope", "ASYA_ENABLE_VALIDATION": "false"}
    with rabbitmq_mesh() as own, amqp_proxy(own) as proxy:
        own.pair("store", name="x-sink", ASYA_RABBITMQ_PORT=str(proxy.port), **end_actor)
        cut = proxy.cut_at(Cut(ack=ack))
        own.send(envelope({"n": 1}, route=route("a", at=1)), "x-sink")
        assert cut.sprung.wait(40), "the point was never reached"
        own.send(envelope({"n": 2}, id="after", route=route("a", at=1)), "x-sink")
        until(lambda: own.calls().count({"n": 2}) == 1, what="the next one is stored")
        until(lambda: own.is_gone("x-sink"), what="nothing is left")
        assert own.calls().count({"n": 1}) == runs
        assert all(own.counts(actor).queued == 0 for actor in ("a", "b", "x-sump"))
