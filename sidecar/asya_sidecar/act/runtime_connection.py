"""One connection to the runtime's socket: a request out, its answer in, one after the other.

Called by act/runtime_client.py alone. Knows HTTP framing and nothing of health, retries or envelopes.
A buffered protocol, because the plain one allocates 256 KiB for every read of a few hundred bytes.
"""

import asyncio
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from asya_sidecar.act.http_answer import AnswerBroken, AnswerReader, AnswerTooLarge

READ_BUFFER_BYTES: Final = 262_144


class RuntimeConnection(asyncio.BufferedProtocol):
    """`ask` once at a time. `on_end` is called once, when the connection is gone for whatever reason."""

    def __init__(self, on_end: Callable[["RuntimeConnection"], None]) -> None:
        self._on_end = on_end
        self._view = memoryview(bytearray(READ_BUFFER_BYTES))
        self._transport: asyncio.Transport | None = None
        self._reader: AnswerReader | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.received = False
        """Some byte of the answer that is being waited for, or of the last one, has come."""

    @property
    def is_open(self) -> bool:
        """Neither side has closed it, as far as is known here."""
        return self._transport is not None and not self._transport.is_closing()

    def ask(self, parts: tuple[bytes, ...], reader: AnswerReader) -> asyncio.Future[None]:
        """Write a request; the future is done when the answer is complete.

        It fails with ConnectionError when the connection ends first, AnswerBroken or AnswerTooLarge when the answer cannot be used;
        then the connection is closed.
        """
        assert self._transport is not None, "ask() before the connection was made"
        self._reader = reader
        self.received = False
        self._waiter = waiter = asyncio.get_running_loop().create_future()
        self._transport.writelines(parts)
        return waiter

    def close(self) -> None:
        """Drop the connection and what has not been written yet."""
        if self._transport is not None:
            self._transport.abort()

    # what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio names it
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        reader, waiter = self._reader, self._waiter
        if reader is None or waiter is None:
            self.close()  # nobody asked: whatever this is, the next answer could not be told from it
            return
        self.received = True
        try:
            if not reader.feed(bytes(self._view[:nbytes])):
                return
        except (AnswerBroken, AnswerTooLarge) as error:
            self._finish(error)
            self.close()
            return
        self._finish(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish(ConnectionError(f"the runtime's connection ended: {exc or 'closed'}"))
        self._on_end(self)

    def _finish(self, error: Exception | None) -> None:
        waiter = self._waiter
        self._reader = self._waiter = None
        if waiter is None or waiter.done():
            return
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)


async def connect(path: Path, on_end: Callable[[RuntimeConnection], None]) -> RuntimeConnection:
    """A new connection to the socket at `path`.

    Raises:
        OSError: no socket there (a link does not count: it could lead anywhere), or nobody listens.
    """
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise OSError(f"{path} is no socket")
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_unix_connection(lambda: RuntimeConnection(on_end), path=str(path))
    return connection
