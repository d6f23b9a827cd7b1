"""One AMQP connection on the running event loop: pika's protocol, asyncio's sockets.

pika's own asyncio adapter brings a second set of sockets, buffers and timers, has no limit for the handshake and no way to let go of a
peer that answers nothing; this is the same adapter interface on `asyncio.Protocol`. Used by link.py. Knows no queue and no message:
frames of a channel go to its `reader` first, and to pika when the reader does not want them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable
from typing import Any, Final

import pika.connection
import pika.credentials
import pika.exceptions
import pika.frame

from asya_transport.rabbitmq import frames
from asya_transport.rabbitmq.address import RabbitmqAddress

HEARTBEAT_S: Final = 10
CONNECT_WITHIN_S: Final = 5.0
HANDSHAKE_WITHIN_S: Final = 10.0
"""Contract: sidecar, P1 and P7."""

CONNECTION_FORCED: Final = 320
"""Reply code of a broker that an operator stops, or whose operator ends the connection."""

GATHER_S: Final = 0.002
"""Frames that may wait for more are written after so long."""
GATHER_BYTES: Final = 65_536

Reader = Callable[[int, bytes, int, int], bool]
"""(frame type, buffer, begin, end of the payload) -> it was taken."""

# What pika tells its log is told by `reasons`, once and without parts of the address.
logging.getLogger("pika").addHandler(logging.NullHandler())
logging.getLogger("pika").propagate = False


class Connection(pika.connection.Connection, asyncio.Protocol):
    """Made, then `connect`ed once; ends with `on_end`, whoever ends it."""

    def __init__(self, parameters: pika.connection.Parameters, on_end: Callable[[Connection, Exception], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._wire: asyncio.Transport | None = None
        self._out: list[bytes] = []
        self._gathered = self._gathered_bytes = 0
        self._gathering: asyncio.TimerHandle | None = None
        self._flush_coming = self._ending = False
        self._rest = b""
        self._up: asyncio.Future[None] = self._loop.create_future()
        self._on_end = on_end
        self.readers: dict[int, Reader] = {}
        self.received_at = self._loop.time()
        super().__init__(parameters, self._opened_fully, self._ended, self._ended, internal_connection_workflow=False)

    @property
    def body_piece_bytes(self) -> int:
        """Largest body frame."""
        return self._body_max_length

    @property
    def server_version(self) -> str:
        """As the server says it."""
        return str((self.server_properties or {}).get("version", ""))

    async def connect(self, address: RabbitmqAddress, host: str) -> None:
        """Open it.

        Raises:
            OSError, TimeoutError: nothing answers there.
            pika.exceptions.AMQPError: the broker does not let us in.
        """
        async with asyncio.timeout(HANDSHAKE_WITHIN_S):
            context = tls_context(address) if address.tls else None
            name = (address.tls_server_name or host) if context is not None else None
            async with asyncio.timeout(CONNECT_WITHIN_S):
                await self._loop.create_connection(lambda: self, host, address.port, ssl=context, server_hostname=name)
            await self._up

    def send(self, *parts: bytes) -> None:
        """Frames, written together with all others of this round of the loop."""
        self._out += parts
        if not self._flush_coming:
            self._flush_coming = True
            self._loop.call_soon(self._flush)

    def gather(self, most: int, *parts: bytes) -> None:
        """Frames that may wait for others, because more are sure to come: one larger write costs both sides much less.

        They leave with the next `send`, when there are `most` messages or GATHER_BYTES of them, or after GATHER_S.
        """
        self._out += parts
        if self._flush_coming:
            return
        self._gathered += 1
        self._gathered_bytes += sum(map(len, parts))
        if self._gathered >= most or self._gathered_bytes > GATHER_BYTES:
            self._flush()
        elif self._gathering is None:
            self._gathering = self._loop.call_later(GATHER_S, self._flush)

    def drop(self, error: Exception) -> None:
        """Let go at once, without a word to the peer."""
        if not self._ending:
            self._error = error
            if self._wire is None:
                self._ending = True
            else:
                self._terminate_stream(error)

    def _flush(self) -> None:
        self._flush_coming = False
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
        self._gathered = self._gathered_bytes = 0
        out, self._out = self._out, []
        if self._wire is not None and not self._wire.is_closing():
            self._wire.write(b"".join(out))

    def _opened_fully(self, _connection: object) -> None:
        if not self._up.done():
            self._up.set_result(None)

    def _ended(self, _connection: object, error: Exception) -> None:
        if not self._up.done():
            self._up.set_exception(error)
        else:
            self._on_end(self, error)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open."""
        assert isinstance(transport, asyncio.Transport)
        self._wire = transport
        if self._ending:
            transport.abort()
        else:
            self._on_stream_connected()

    def connection_lost(self, error: Exception | None) -> None:
        """The socket is gone, by our wish or not."""
        lost = None if self._ending else pika.exceptions.StreamLostError(str(error or "closed by the peer"))
        self._ending = True
        if lost is None and self._error is None:
            return  # given up before the broker had said a word
        self._on_stream_terminated(lost)

    def data_received(self, data: bytes) -> None:
        """Hand out the frames that are complete."""
        self.received_at = self._loop.time()
        buffer = self._rest + data if self._rest else data
        begin, size, readers, head = 0, len(buffer), self.readers, frames.HEAD
        while size - begin > frames.HEAD_BYTES and not self._ending:
            kind, channel, length = head.unpack_from(buffer, begin)
            end = begin + frames.HEAD_BYTES + length
            if end >= size:
                break
            reader = readers.get(channel)
            if reader is None or not reader(kind, buffer, begin + frames.HEAD_BYTES, end):
                _, value = pika.frame.decode_frame(buffer[begin : end + 1])
                if value is not None:
                    self._process_frame(value)
            begin = end + 1
        self.bytes_received += begin
        self._rest = buffer[begin:]

    # What pika asks of an adapter

    def _adapter_connect_stream(self) -> None:
        raise AssertionError("pika does not connect by itself here: `connect` does it")

    def _adapter_disconnect_stream(self) -> None:
        if self._wire is not None and not self._ending:
            self._flush()
            self._wire.abort()
        self._ending = True

    def _adapter_emit_data(self, data: bytes) -> None:
        self.send(data)

    def _adapter_call_later(self, delay: float, callback: Callable[[], Any]) -> object:
        return self._loop.call_later(delay, callback)

    def _adapter_remove_timeout(self, timeout_id: object) -> None:
        assert isinstance(timeout_id, asyncio.TimerHandle)
        timeout_id.cancel()

    def _adapter_add_callback_threadsafe(self, callback: Callable[..., Any]) -> None:
        self._loop.call_soon_threadsafe(callback)


def parameters_of(address: RabbitmqAddress, host: str, name: str) -> pika.connection.Parameters:
    """pika's form; the password file is read now. `name` is what operators see in the management interface.

    Raises:
        OSError: the password file cannot be read.
    """
    return pika.connection.ConnectionParameters(
        host=host,
        port=address.port,
        virtual_host=address.vhost,
        credentials=pika.credentials.PlainCredentials(address.username, password_of(address)),
        heartbeat=HEARTBEAT_S,
        client_properties={"connection_name": name},
    )


def password_of(address: RabbitmqAddress) -> str:
    """The password, or the first line of its file.

    Raises:
        OSError: the file cannot be read.
    """
    if address.password is not None:
        return address.password
    assert address.password_file is not None, "settings demand one of the two"
    return address.password_file.read_text().partition("\n")[0].strip()


def tls_context(address: RabbitmqAddress) -> ssl.SSLContext:
    """Verifies the server unless told otherwise.

    Raises:
        OSError: the file of certificates cannot be read or holds none; the text names it.
    """
    path = address.tls_ca_file
    try:
        context = ssl.create_default_context(cafile=None if path is None else str(path))
    except OSError as error:
        raise OSError(f"cannot use the certificates in {path}: {error.strerror or error}") from error
    if address.tls_insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def close_code(error: Exception) -> tuple[int, str] | None:
    """Reply code and text when the broker itself has closed a connection or channel."""
    if isinstance(error, (pika.exceptions.ConnectionClosedByBroker, pika.exceptions.ChannelClosedByBroker)):
        return error.reply_code, error.reply_text
    return None


def refuses_access(error: BaseException) -> str | None:
    """Why the broker does not let us in, when that is about the user or the virtual host; else None."""
    if isinstance(error, pika.exceptions.ProbableAuthenticationError) and "(403)" in str(error):
        return "refuses the user or the password"
    if isinstance(error, (pika.exceptions.ProbableAccessDeniedError, pika.exceptions.ConnectionClosedByBroker)):
        for code in ("(530)", "(403)"):
            if code in str(error):
                return "has no such virtual host, or the user may not use it"
    return None


def explain(error: BaseException) -> str:
    """In words."""
    # pika wraps what the socket said, and then says nothing itself.
    error = getattr(error.args[0], "exception", error) if error.args else error
    if isinstance(error, pika.exceptions.IncompatibleProtocolError):
        return "what answers there does not speak AMQP"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    with contextlib.suppress(AttributeError, TypeError):
        if isinstance(error, OSError) and error.strerror:
            return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__
