"""x-sump: where failures end (contract: gateway, Crew).

`ASYA_HANDLER=asya_crew.sump.handle`, envelope mode. The runtime imports this module once; a wrong setting stops it
there.
"""

import os
from typing import Any

from asya_crew.end import open_end_actor

_actor = open_end_actor(os.environ, is_sump=True)


def handle(envelope: dict[str, Any]) -> dict[str, Any]:
    """Log the error, store the envelope under the errors prefix, and answer what the report shall hold."""
    return _actor.handle(envelope)
