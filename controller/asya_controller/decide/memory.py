"""What must be remembered until the next evaluation, besides the status itself?

Called by `status_of`, and by its caller to fill the next World's `memory`. Applying it twice at one time changes nothing.
"""

from datetime import datetime

from asya_controller.decide.world import Memory, World


def remember(world: World, now: datetime) -> Memory:
    """The memory after looking at `world`."""
    raise AssertionError
