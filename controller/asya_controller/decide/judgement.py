"""Everything one look at an actor yields, with the facts judged once.

For callers that look often, such as the local mesh: the same as `status_of`, `explained`, `remember` and `next_look` together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asya_controller.decide.assessment import assess
from asya_controller.decide.status import value_of, written
from asya_controller.decide.timers import earliest
from asya_controller.decide.world import Memory, World


@dataclass(frozen=True, slots=True)
class Judgement:
    """The status to write, the rule that fired, the memory for the next World, and when to look again without a new fact."""

    status: Mapping[str, Any]
    rule: str
    memory: Memory
    next_look: datetime | None


def judge(world: World, now: datetime) -> Judgement:
    """The judgement of `world` at `now`."""
    found = assess(world, now)
    decided = value_of(found)
    status = written(found, decided)
    return Judgement(status, decided.rule, found.world.memory, earliest(found, status))
