"""Calls that may block for long (a name to be resolved, a file to be read), away from the event loop.

Called by client.py and token.py. Not asyncio's own executor: the event loop waits for its threads when it ends, so that a name server
which does not answer would keep the sidecar from ending in time. A daemon thread is left behind instead.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

T = TypeVar("T")


async def apart(call: Callable[[], T]) -> T:
    """What `call` returns or raises, without blocking the loop; abandoned when the caller is cancelled."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def work() -> None:
        try:
            result = call()
        except Exception as error:  # noqa: BLE001 - handed to who awaits, as it is
            _hand_over(loop, future, partial(future.set_exception, error))
        else:
            _hand_over(loop, future, partial(future.set_result, result))

    threading.Thread(target=work, name="apart", daemon=True).start()
    return await future


def _hand_over(loop: asyncio.AbstractEventLoop, future: "asyncio.Future[T]", settle: Callable[[], None]) -> None:
    def unless_abandoned() -> None:
        if not future.done():
            settle()

    with suppress(RuntimeError):  # the loop has ended meanwhile, and nobody waits
        loop.call_soon_threadsafe(unless_abandoned)
