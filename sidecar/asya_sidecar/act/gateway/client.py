"""HTTP to the gateway over kept connections (contract: sidecar, Gateway reports).

Called by front.py and outbox.py. Knows requests and answers, not what they mean. Every request is one that may be
made twice, so one that met a connection which the other side had just closed is made again at once.
"""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

import h11
import msgspec

from asya_sidecar.act.gateway.apart import apart
from asya_sidecar.act.gateway.token import Token

READ_BYTES = 65_536
MAX_ANSWER_BYTES = 4_194_304
MAX_KEPT_CONNECTIONS = 4


class Unreachable(Exception):
    """No usable answer in time; the text is a sentence without secrets."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer."""

    status: int
    content_type: str
    body: bytes

    @property
    def is_ok(self) -> bool:
        """2xx."""
        return 200 <= self.status < 300

    def object(self) -> Mapping[str, object]:
        """The body when it is a JSON object, else an empty one."""
        try:
            value = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def is_problem(self) -> bool:
        """Written by a gateway of ours, not by a proxy on the way to it (contract: gateway, Errors and bad input)."""
        kind = self.object().get("type")
        return self.content_type == "application/problem+json" and str(kind).startswith("urn:asya:problem:")


class Client:
    """Requests to one address."""

    def __init__(self, url: str, token: Token) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._tls = parts.scheme == "https"
        self._port = parts.port or (443 if self._tls else 80)
        self._authority = parts.netloc
        self._prefix = parts.path
        self._token = token
        self._ssl: ssl.SSLContext | None = None
        self._kept: list[_Connection] = []

    async def request(self, method: str, path: str, body: bytes, within_s: float) -> Answer:
        """One request, answered within `within_s`.

        Raises:
            Unreachable: it was not.
        """
        try:
            async with asyncio.timeout(within_s):
                return await self._request(method, path, body)
        except TimeoutError:
            raise Unreachable(f"{self._authority} did not answer within {within_s:g} s") from None
        except OSError as error:
            raise Unreachable(f"{self._authority} cannot be reached: {error.strerror or error}") from error
        except (h11.ProtocolError, EOFError) as error:
            raise Unreachable(f"{self._authority} gave no HTTP answer: {error}") from error

    def close(self) -> None:
        """Close what is kept."""
        while self._kept:
            self._kept.pop().close()

    async def _request(self, method: str, path: str, body: bytes) -> Answer:
        request = h11.Request(method=method, target=self._prefix + path, headers=await self._headers(body))
        while self._kept:
            try:
                return await self._exchange(self._kept.pop(), request, body)
            except (ConnectionError, EOFError):
                continue  # closed while it was kept: the next one, at last a new one
        return await self._exchange(await self._connect(), request, body)

    async def _exchange(self, connection: "_Connection", request: h11.Request, body: bytes) -> Answer:
        try:
            answer = await connection.exchange(request, body)
        except BaseException:  # cancelled by the time limit too: half an exchange must never be used again
            connection.close()
            raise
        if connection.reusable and len(self._kept) < MAX_KEPT_CONNECTIONS:
            self._kept.append(connection)
        else:
            connection.close()
        return answer

    async def _connect(self) -> "_Connection":
        if self._tls and self._ssl is None:
            self._ssl = ssl.create_default_context()
        name = self._host if self._tls else None
        trouble = OSError("it has no address")
        for address in await self._addresses():
            try:
                streams = await asyncio.open_connection(
                    address, self._port, ssl=self._ssl, server_hostname=name, limit=READ_BYTES
                )
            except OSError as error:
                trouble = error
            else:
                return _Connection(*streams)
        raise trouble

    async def _addresses(self) -> list[str]:
        """All addresses of the host, without repeats; given an address, asyncio does not resolve anything itself."""
        found = await apart(partial(socket.getaddrinfo, self._host, self._port, type=socket.SOCK_STREAM))
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    async def _headers(self, body: bytes) -> list[tuple[str, str]]:
        headers = [("Host", self._authority), ("User-Agent", "asya-sidecar"), ("Accept", "application/json")]
        if body:
            headers += [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        if token := await self._token.text():
            headers.append(("Authorization", f"Bearer {token}"))
        return headers


class _Connection:
    """One connection, used for one exchange at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.CLIENT)

    @property
    def reusable(self) -> bool:
        """Ready for another exchange."""
        return self._http.our_state is h11.IDLE and not self._reader.at_eof()

    async def exchange(self, request: h11.Request, body: bytes) -> Answer:
        """Send a request and read its answer.

        Raises:
            EOFError: the other side ended the connection first.
            ConnectionError, h11.ProtocolError: as they say.
        """
        events = (request, h11.Data(data=body), h11.EndOfMessage()) if body else (request, h11.EndOfMessage())
        # Not drained: the answer may come before the whole body is sent (too large), and is to be read then.
        self._writer.write(b"".join(self._http.send(event) or b"" for event in events))
        response: h11.Response | None = None
        chunks: list[bytes] = []
        size = 0
        while not isinstance(event := self._http.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                await self._receive()
            elif isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                chunks.append(bytes(event.data))
                size += len(event.data)
                if size > MAX_ANSWER_BYTES:
                    raise h11.RemoteProtocolError(f"its answer is longer than {MAX_ANSWER_BYTES} bytes")
            elif isinstance(event, h11.ConnectionClosed):
                raise EOFError("it closed the connection")
        if response is None:
            raise EOFError("it closed the connection")
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        content_type = b"".join(value for name, value in response.headers if name == b"content-type")
        return Answer(response.status_code, content_type.partition(b";")[0].decode("latin-1").strip(), b"".join(chunks))

    def close(self) -> None:
        """End it at once: what was to be said was said, and a farewell by TLS could take half a minute."""
        self._writer.transport.abort()

    async def _receive(self) -> None:
        data = await self._reader.read(READ_BYTES)
        if not data and self._http.their_state is h11.SEND_RESPONSE:
            raise EOFError("it closed the connection")
        self._http.receive_data(data)
