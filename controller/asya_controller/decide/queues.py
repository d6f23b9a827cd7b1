"""Which queues does an actor have, by what its status names?

A queue is named before it is made and until it has been dealt with, so that whoever comes next knows of it: the next pass, the next
controller, the deletion. Called by status.py, act/reconcile.py, act/report.py and act/deletion.py. Must not look at a broker.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from asya_controller.decide.deletion import DRAIN_ALLOWANCE_S, leaked_event
from asya_controller.decide.events import Event
from asya_controller.decide.pods import time_of
from asya_controller.decide.world import World
from asya_schemas.names import dead_letter_queue

MOST_PREVIOUS_QUEUES = 4
Place = tuple[str, str]
"""Transport and main queue."""


def named(status: Mapping[str, Any]) -> list[Place]:
    """Every queue of the actor: what it has left behind, then the present one."""
    found = former(status)
    transport = (status.get("transport") or {}).get("name")
    if status.get("queue") and transport:
        found.append((str(transport), str(status["queue"])))
    return found


def former(status: Mapping[str, Any]) -> list[Place]:
    """The queues it has left behind."""
    return [(str(item.get("transport")), str(item.get("queue"))) for item in status.get("previousQueues") or ()]


def previous_queues(world: World, transport: str, queue: str) -> list[dict[str, str]]:
    """Queues left behind by a change of transport or template and not dealt with, the newest four."""
    done = {(transport, queue), *world.queues_dealt_with}
    return newest([place for place in named(world.previous) if place not in done])


def naming(status: Mapping[str, Any], place: Place) -> dict[str, Any] | None:
    """`status` with one more queue to be dealt with, which is about to be made; None when it names that one already."""
    if place in named(status):
        return None
    return {**status, "previousQueues": newest([*former(status), place])}


def newest(places: list[Place]) -> list[dict[str, str]]:
    """As written, each once and the newest four."""
    kept = list(dict.fromkeys(places))[-MOST_PREVIOUS_QUEUES:]
    return [{"transport": transport, "queue": queue} for transport, queue in kept]


def forgotten(
    before: Mapping[str, Any], after: Mapping[str, Any], dealt_with: Collection[Place] = ()
) -> Iterator[Event]:
    """What is told of a queue that `after` has no room for any more."""
    for place in named(before):
        if place not in named(after) and place not in dealt_with:
            for queue in (place[1], dead_letter_queue(place[1])):
                why = f"the actor has left more than {MOST_PREVIOUS_QUEUES} queues behind without a finished rollout"
                yield leaked_event(queue, why)


def draining(world: World, now: datetime) -> bool:
    """Whether pods that are going may still work on a former queue. Its own deadline bounds how long one is waited for."""
    deadlines = (time_of(pod["metadata"].get("deletionTimestamp")) for pod in world.pods)
    return any(end is not None and now < end + timedelta(seconds=DRAIN_ALLOWANCE_S) for end in deadlines)
