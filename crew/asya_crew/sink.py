"""x-sink: where routes end well, or end because their time was over (contract: gateway, Crew).

`ASYA_HANDLER=asya_crew.sink.handle`, envelope mode. The runtime imports this module once; a wrong setting stops it
there.
"""

import os
from typing import Any

from asya_crew.end import open_end_actor

_actor = open_end_actor(os.environ, is_sump=False)


def handle(envelope: dict[str, Any]) -> dict[str, Any]:
    """Log the final payload, store it under its outcome's prefix, and answer what the report shall hold."""
    return _actor.handle(envelope)
