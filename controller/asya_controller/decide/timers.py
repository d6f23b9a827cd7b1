"""When does this status change although no fact does?

Called after status_of; the caller starts a pass at that time (contract: controller, Watching and queueing).
"""

from datetime import datetime
from typing import Any

from asya_controller.decide.world import World


def next_look(world: World, status: dict[str, Any], now: datetime) -> datetime | None:
    """The next time mark at which `status_of` may say something else with the same facts; None when there is none."""
    raise AssertionError
