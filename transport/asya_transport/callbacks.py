"""The boundary to the code of a transport's user, whose mistake must not cost the rest of what the broker said. Called by every adapter."""

import asyncio
from collections.abc import Callable


def call_back(loop: asyncio.AbstractEventLoop, kind: str, callback: Callable[..., None], *arguments: object) -> bool:
    """False when it raised: told with its traceback by the loop's handler (contract: sidecar, P10)."""
    try:
        callback(*arguments)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the user's
        loop.call_exception_handler(
            {"message": f"{callback!r} of the {kind} transport's user failed", "exception": error}
        )
        return False
    return True
