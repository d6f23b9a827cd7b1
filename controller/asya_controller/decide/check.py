"""What is wrong with this actor's spec, by itself and against its transport?

Called first in every pass and by the status (contract: controller, Bad input): the first violation decides, and a violated spec is not
applied. `asya validate` and `asya up` call it too, so that a file gets offline the verdict a cluster would give.
Must not look at queues or children: their faults are facts of the World.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from asya_controller.decide.config import OperatorConfig


@dataclass(frozen=True, slots=True)
class Violation:
    """The first thing wrong with a spec. `condition` is the one that turns False; all of these are terminal."""

    condition: Literal["WorkloadReady", "TransportReady"]
    reason: str
    message: str


def check(actor: Mapping[str, Any], config: OperatorConfig) -> Violation | None:
    """The first violation of section 12's order, None for a spec that can be applied.

    Never raises for a bad actor: stored objects of any shape get a verdict.
    """
    raise AssertionError
