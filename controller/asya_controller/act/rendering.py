"""What follows from an actor's spec alone, worked out once for each version of it: the verdict, and the objects that should exist.

Called by passes, of which a new actor has half a dozen before it rests. Decides nothing: `decide.check` and `decide.desired` do. What is
kept counts for a generation of the actor with one uid, and for the labels that go on to children, which are no part of it.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from asya_controller.act.actor_state import ActorState
from asya_controller.act.api import encode
from asya_controller.decide.check import Violation, check
from asya_controller.decide.config import OperatorConfig
from asya_controller.decide.desired import Desired, desired_objects
from asya_controller.decide.workload import propagated
from asya_controller.decide.world import World

_read = msgspec.json.Decoder(Desired).decode


def violation(actor: Mapping[str, Any], config: OperatorConfig, state: ActorState) -> Violation | None:
    """The first thing wrong with the spec."""
    generation = actor["metadata"].get("generation")
    if state.checked is None or state.checked[0] != generation:
        state.checked = (generation, check(actor, config))
    return state.checked[1]


def desired(world: World, state: ActorState) -> Desired:
    """The objects that should exist. Kept as JSON text: reading it takes a fiftieth of the time of making them, and whoever asks may change
    what they get.
    """
    url = world.queue.url if world.queue else None
    key = (world.metadata.get("generation"), propagated(world.actor, world.config), url)
    if state.rendered is None or state.rendered[0] != key:
        state.rendered = (key, encode(desired_objects(world.actor, world.config, url)))
    return _read(state.rendered[1])
