"""One connection to the runtime's socket: a request out, its answer in, one after the other.

Called by act/runtime_client.py alone. Knows HTTP framing and nothing of health, retries or envelopes. Works on the bare
socket: asyncio's transport copies a large body three times on its way out and costs a tenth of a small hop.
"""

import asyncio
import socket
import stat
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from asya_sidecar.act.http_answer import AnswerBroken, AnswerReader, AnswerTooLarge

SMALL_READ_BYTES: Final = 65_536
LARGE_READ_BYTES: Final = 1_048_576
SEND_BUFFER_BYTES: Final = 2_097_152
"""Asked for; the system may grant less. A large body then leaves in one piece."""


class RuntimeConnection:
    """`ask` once at a time. `on_end` is called once, when the other side has ended the connection."""

    def __init__(self, path: Path, on_end: Callable[["RuntimeConnection"], None]) -> None:
        """Connect.

        Raises:
            OSError: no socket at `path` (a link does not count: it could lead anywhere), or nobody listens.
        """
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise OSError(f"{path} is no socket")
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._unsent: deque[memoryview] = deque()
        self._reader: AnswerReader | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise
        self._loop.add_reader(self._socket, self._readable)

    @property
    def is_open(self) -> bool:
        """Neither side has closed it, as far as is known here."""
        return self._socket.fileno() >= 0

    def ask(self, parts: tuple[bytes, ...], reader: AnswerReader) -> asyncio.Future[None]:
        """Write a request; the future is done when the answer is complete.

        It fails with ConnectionError when the connection ends first, AnswerBroken or AnswerTooLarge when the answer
        cannot be used; then the connection is closed.

        Raises:
            OSError: no byte of the request has left.
        """
        self._reader = reader
        self._waiter = waiter = self._loop.create_future()
        try:
            sent = self._socket.sendmsg(parts)
        except BlockingIOError:
            sent = 0
        if sent < sum(map(len, parts)):
            self._keep_unsent(parts, sent)
        return waiter

    def close(self) -> None:
        """Drop the connection and what has not been written yet; a request under way fails."""
        if not self.is_open:
            return
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()
        self._unsent.clear()
        self._finish(ConnectionError("the connection to the runtime was dropped"))

    def _keep_unsent(self, parts: tuple[bytes, ...], sent: int) -> None:
        for part in parts:
            if sent < len(part):
                self._unsent.append(memoryview(part)[sent:])
            sent = max(0, sent - len(part))
        self._loop.add_writer(self._socket, self._writable)

    def _writable(self) -> None:
        try:
            sent = self._socket.send(self._unsent[0])
        except BlockingIOError:
            return
        except OSError as error:
            self._lost(error)
            return
        self._unsent[0] = self._unsent[0][sent:]
        if not self._unsent[0]:
            self._unsent.popleft()
        if not self._unsent:
            self._loop.remove_writer(self._socket)

    def _readable(self) -> None:
        reader, waiter = self._reader, self._waiter
        size = LARGE_READ_BYTES if reader is not None and reader.missing > SMALL_READ_BYTES else SMALL_READ_BYTES
        try:
            piece = self._socket.recv(size)
        except BlockingIOError:
            return
        except OSError as error:
            self._lost(error)
            return
        if not piece:
            self._lost(None)
        elif reader is None or waiter is None:
            self._lost(None)  # nobody asked: whatever this is, the next answer could not be told from it
        else:
            self._feed(reader, piece)

    def _feed(self, reader: AnswerReader, piece: bytes) -> None:
        try:
            if reader.feed(piece):
                self._finish(None)
        except (AnswerBroken, AnswerTooLarge) as error:
            self._finish(error)
            self.close()

    def _lost(self, error: OSError | None) -> None:
        self._finish(ConnectionError(f"the runtime's connection ended: {error or 'closed'}"))
        self.close()
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
