"""What has to be written so that the cluster looks as desired?

Compares desired objects with live ones, normalised: quantities by value, empties dropped where they mean nothing (contract:
controller, Applying). Called by the pass, and by `asya up` to see whether an actor's pods have to be replaced.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asya_controller.decide.desired import Desired
from asya_controller.decide.world import World


@dataclass(frozen=True, slots=True)
class Step:
    """One write: `apply` the object, or `remove` it with the uid that was read."""

    verb: str
    object: Mapping[str, Any]
    why: str


def plan(world: World, desired: Desired) -> tuple[Step, ...]:
    """The writes that lead from what was observed to what is desired, in order; empty when nothing differs."""
    raise AssertionError
