"""Which queues an actor's status names: none is made unnamed, none is dropped untold."""

from dataclasses import replace
from typing import Any

from asya_controller.decide.queues import draining, forgotten, named, naming
from asya_controller.decide.status import status_of
from tests.controller.worlds import NOW, pod, seconds, world

JSON = dict[str, Any]


def status(*left: str, now: str = "q") -> JSON:
    """One that names the present queue and what was left behind, all on `r`."""
    previous = [{"transport": "r", "queue": queue} for queue in left]
    return {"transport": {"name": "r"}, "queue": now, **({"previousQueues": previous} if previous else {})}


def test_a_queue_is_named_once_before_it_is_made() -> None:
    announced = naming(status(), ("r", "new"))
    assert announced is not None
    assert named(announced) == [("r", "new"), ("r", "q")]
    assert naming(announced, ("r", "new")) is None
    assert naming(status(), ("r", "q")) is None
    assert naming({"observedGeneration": -1}, ("r", "q")) == {
        "observedGeneration": -1,
        "previousQueues": [{"transport": "r", "queue": "q"}],
    }


def test_the_queue_that_was_announced_becomes_the_present_one_and_the_old_one_a_former() -> None:
    found = world()
    queue = status_of(found, NOW)["queue"]
    old, new = {"transport": "rabbitmq", "queue": "old"}, {"transport": "rabbitmq", "queue": queue}
    before = {"transport": {"name": "rabbitmq"}, "queue": "old", "previousQueues": [new]}
    after = status_of(replace(found, actor={**found.actor, "status": before}), NOW)
    assert after["queue"] == queue
    assert after["previousQueues"] == [old]


def test_a_fifth_queue_takes_the_place_of_the_oldest_which_is_told() -> None:
    before = status("a", "b", "c", "d")
    announced = naming(before, ("r", "e"))
    assert announced is not None
    assert [item["queue"] for item in announced["previousQueues"]] == ["b", "c", "d", "e"]
    told = list(forgotten(before, announced))
    assert [event.reason for event in told] == ["QueueLeaked", "QueueLeaked"]
    assert "queue 'a'" in told[0].message
    assert "queue 'a-dlq'" in told[1].message
    assert not list(forgotten(before, status("b", "c", "d"), {("r", "a")})), "dealt with is not forgotten"


def test_old_pods_are_waited_for_within_a_bound() -> None:
    going = pod("a-1", ready=True)
    going["metadata"]["deletionTimestamp"] = (NOW + seconds(30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = world(pods=[going])
    assert draining(found, NOW)
    assert draining(found, NOW + seconds(80))
    assert not draining(found, NOW + seconds(95))
    assert not draining(world(pods=[pod("a-2", ready=True)]), NOW)
