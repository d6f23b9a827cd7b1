"""How is this actor?

One function from facts and a time to the whole status (contract: crd, Status to Write rates; controller, Status). Called by the
controller after every pass and by the local mesh, unchanged. Must not do I/O or read a clock: the same facts and time give the same status.
"""

from datetime import datetime
from typing import Any

from asya_controller.decide.world import World


def status_of(world: World, now: datetime) -> dict[str, Any]:
    """The status to write, complete: what is unknown is left out, foreign conditions are kept.

    `world.actor["status"]` must be the status returned last: previous conditions, Desired and the shortage are read from it.
    `now` is timezone-aware. Keep `memory.remember(world, now)` for the next World.
    """
    raise AssertionError
