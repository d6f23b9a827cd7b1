"""Answers /healthz, /health, /readyz and /metrics (contract: sidecar, Start and health).

A thread of its own with its own event loop, because `/healthz` has to say 503 exactly when the sidecar's loop no
longer turns, and because a scrape must not wait for messages nor messages for a scrape. Reads Health and Metrics,
changes nothing.
"""

import asyncio
import json
import threading
from collections.abc import Callable

import h11

from asya_sidecar.act.health import Health
from asya_sidecar.act.metrics import Metrics
from asya_sidecar.settings import Address

MAX_CONNECTIONS = 64
REQUEST_WITHIN_S = 10.0
# Scrapers keep a connection from one scrape to the next; a minute is the longest usual interval.
IDLE_S = 75.0
READ_BYTES = 16_384
CLOSE_S = 1.0
JSON_TYPE = "application/json"
TEXT_TYPE = "text/plain; charset=utf-8"

Answer = tuple[int, bytes, str]


class StatusServer:
    """The HTTP server on `ASYA_METRICS_ADDR`."""

    def __init__(self, address: Address, health: Health, metrics: Metrics) -> None:
        self._address = address
        self._health = health
        self._metrics = metrics
        self._render: Callable[[str], tuple[bytes, str]] | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="status-server", daemon=True)
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._server: asyncio.Server | None = None
        self._pages: dict[str, Callable[[str], Answer]] = {
            "/healthz": self._healthz,
            "/health": self._healthz,
            "/readyz": self._readyz,
            "/metrics": self._metrics_page,
        }

    def start(self) -> Address:
        """Bind and serve; the address as bound (port 0 has become a real one).

        Raises:
            OSError: the address cannot be had; the text names it and `ASYA_METRICS_ADDR`.
        """
        host, port = self._address.host, self._address.port
        listening = asyncio.start_server(self._accept, host or None, port, limit=READ_BYTES)
        try:
            self._server = self._loop.run_until_complete(listening)
        except OSError as error:
            self._loop.close()
            reason = error.strerror or error
            raise OSError(
                error.errno, f"cannot listen on ASYA_METRICS_ADDR {host}:{port}: {reason}; choose a free address"
            ) from error
        bound = self._server.sockets[0].getsockname()
        self._thread.start()
        return Address(bound[0], bound[1])

    def close(self) -> None:
        """Stop serving, within 1 s. Nothing happens when it was never started."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(CLOSE_S)

    def _run(self) -> None:
        self._loop.run_forever()
        self._loop.run_until_complete(self._end())
        self._loop.close()

    async def _end(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in self._connections.values():
            connection.transport.abort()  # its task reads the end and ends; cancelled, asyncio would complain about it
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._connections) >= MAX_CONNECTIONS:
            writer.close()
            return
        self._connections[task] = writer
        try:
            await self._serve(reader, writer)
        except (OSError, TimeoutError, h11.ProtocolError):
            pass  # the peer went away, slept, or speaks something else: its connection ends, and that is all
        finally:
            del self._connections[task]
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        http, patience_s = h11.Connection(h11.SERVER), REQUEST_WITHIN_S
        while True:
            request = None
            while not isinstance(event := http.next_event(), h11.EndOfMessage):
                if event is h11.NEED_DATA:
                    http.receive_data(await asyncio.wait_for(reader.read(READ_BYTES), patience_s))
                elif isinstance(event, h11.Request):
                    request = event
                elif not isinstance(event, h11.Data):
                    return
            if request is None:
                return
            writer.write(_encode(http, request, self._answer(request)))
            await asyncio.wait_for(writer.drain(), REQUEST_WITHIN_S)
            if http.our_state is not h11.DONE or http.their_state is not h11.DONE:
                return
            http.start_next_cycle()
            patience_s = IDLE_S

    def _answer(self, request: h11.Request) -> Answer:
        page = self._pages.get(request.target.partition(b"?")[0].decode("latin-1"))
        if page is None:
            return 404, b"no such page: try " + ", ".join(self._pages).encode() + b"\n", TEXT_TYPE
        if request.method not in (b"GET", b"HEAD"):
            return 405, b"only GET and HEAD\n", TEXT_TYPE
        accept = b", ".join(value for name, value in request.headers if name == b"accept")
        return page(accept.decode("latin-1"))

    def _healthz(self, _: str) -> Answer:
        if self._health.ticking:
            return 200, b"OK", TEXT_TYPE
        return 503, b"the event loop does not turn", TEXT_TYPE

    def _readyz(self, _: str) -> Answer:
        reasons = self._health.reasons
        body = json.dumps({"ready": not reasons, "reasons": reasons}).encode()
        return (503 if reasons else 200), body, JSON_TYPE

    def _metrics_page(self, accept: str) -> Answer:
        if self._render is None:
            from asya_sidecar.act.exposition import Exposition  # here, not above: see its first lines

            self._render = Exposition(self._metrics).render
        body, content_type = self._render(accept)
        return 200, body, content_type


def _encode(http: h11.Connection, request: h11.Request, answer: Answer) -> bytes:
    status, body, content_type = answer
    headers = [("Content-Type", content_type), ("Content-Length", str(len(body)))]
    if status == 405:
        headers.append(("Allow", "GET, HEAD"))
    parts = [http.send(h11.Response(status_code=status, headers=headers))]
    if request.method != b"HEAD":
        parts.append(http.send(h11.Data(data=body)))
    parts.append(http.send(h11.EndOfMessage()))
    return b"".join(part for part in parts if part)
