"""Stands between a controller and the API server: writes down every request, and makes one of them go wrong when a test asks for it.

Plain HTTP/1.1 on loopback towards the controller, TLS and the controller's token towards the server; watches stream. A loop of its own in
a thread, so that a test can wait for other things meanwhile. Each connection of the controller has one of its own to the server.
Long because reading, breaking and passing on one stream of HTTP cannot be told apart by file.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import h11

from tests.support.kube.api import Api
from tests.support.kube.faults import Fault, Lines
from tests.support.kube.record import NOT_OBJECTS, Record, Request, understand

HOP_BY_HOP = frozenset(
    {b"connection", b"transfer-encoding", b"content-length", b"keep-alive", b"host", b"accept-encoding"}
)
CHUNK = 1 << 16
Connect = Callable[[], Awaitable["Peer"]]
Change = Callable[[Lines, "Exchange"], Lines]


class Cut(Exception):
    """The connection ends here."""


class Peer:
    """One side of an exchange."""

    def __init__(self, role: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.http = h11.Connection(role)
        self._reader, self.writer = reader, writer

    async def next(self) -> Any:
        """The next part of a message; `h11.ConnectionClosed` at the end."""
        while (event := self.http.next_event()) is h11.NEED_DATA:
            self.http.receive_data(await self._reader.read(CHUNK))
        return event

    async def send(self, *events: Any) -> None:
        """Send parts of a message."""
        for event in events:
            data = self.http.send(event)
            if data:
                self.writer.write(data)
        await self.writer.drain()

    async def body(self) -> bytes:
        """What is left of a message's body."""
        found = b""
        while isinstance(event := await self.next(), h11.Data):
            found += bytes(event.data)
        if not isinstance(event, h11.EndOfMessage):
            raise Cut
        return found

    async def close(self) -> None:
        """Hang up when everything is sent."""
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    def abort(self) -> None:
        """Hang up at once."""
        self.writer.transport.abort()


@dataclass(slots=True)
class Rule:
    """A fault, which requests it meets, and how often still (None: always)."""

    fault: Fault
    meets: Callable[[Request], bool]
    times: int | None
    met: int = 0


class Exchange:
    """One request, on its way."""

    def __init__(
        self, proxy: ApiProxy, request: Request, target: bytes, body: bytes, client: Peer, connect: Connect
    ) -> None:
        self.request = request
        self._proxy, self._target, self._body, self._client, self._connect = proxy, target, body, client, connect
        self._streams = False

    def cut(self) -> None:
        """Hang up on the controller."""
        raise Cut

    async def hang(self) -> None:
        """Nothing more, until the controller hangs up or the proxy ends."""
        if self._streams:
            await asyncio.Event().wait()  # ended by whoever listens for the hang-up
        await self._client.next()
        raise Cut

    async def trickle(self) -> None:
        """Begin to answer, and come to no end until the controller hangs up."""
        head = h11.Response(
            status_code=200, headers=[("Content-Type", "application/json"), ("Transfer-Encoding", "chunked")]
        )
        await self._client.send(head, h11.Data(data=b"{"))
        gone = asyncio.ensure_future(self._client.next())
        while not (await asyncio.wait({gone}, timeout=0.5))[0]:
            await self._client.send(h11.Data(data=b" "))
        gone.exception()
        raise Cut

    async def reply(self, code: int, document: Any, headers: dict[str, str] | None = None) -> None:
        """Answer in the server's place."""
        data = json.dumps(document).encode()
        self.request.code = code
        head = [("Content-Type", "application/json"), ("Content-Length", str(len(data))), *(headers or {}).items()]
        await self._client.send(h11.Response(status_code=code, headers=head), h11.Data(data=data), h11.EndOfMessage())

    async def forward(self, *, deliver: bool = True, lines: Change | None = None, late_s: float = 0.0) -> None:
        """Let the server do it, and hand its answer on, `late_s` later; a watch passes through `lines`."""
        request = self.request
        await self._look()
        server = await self._connect()
        headers = [(name, value) for name, value in request.headers.items() if name.encode() not in HOP_BY_HOP]
        headers = [pair for pair in headers if pair[0] != "authorization"] + self._proxy.own_headers
        head = h11.Request(
            method=request.method, target=self._target, headers=[*headers, ("Content-Length", str(len(self._body)))]
        )
        await server.send(head, h11.Data(data=self._body), h11.EndOfMessage())
        answer = await server.next()
        if not isinstance(answer, h11.Response):
            raise Cut
        if request.verb == "watch" and answer.status_code == 200:
            request.code = 200
            await self._stream(server, answer, lines)
            return
        data = await server.body()
        request.code = answer.status_code
        self._understand(data)
        await asyncio.sleep(late_s)
        if deliver:
            kept = [(name, value) for name, value in answer.headers if name not in HOP_BY_HOP]
            head_back = [*kept, (b"Content-Length", str(len(data)).encode())]
            response = h11.Response(status_code=answer.status_code, headers=head_back)
            await self._client.send(response, h11.Data(data=data), h11.EndOfMessage())

    async def _look(self) -> None:
        """How the object is right before a write, seen with other eyes."""
        request = self.request
        if not request.writes or not request.name:
            return
        find = self._proxy.admin.find
        request.before = await asyncio.to_thread(find, request.resource, request.namespace, request.name)
        if request.sub == "status" and request.resource == "asyncactors":
            for kind in ("deployments", "statefulsets"):
                found = await asyncio.to_thread(find, kind, request.namespace, request.name)
                request.workload = request.workload or found

    def _understand(self, data: bytes) -> None:
        request = self.request
        if request.resource in NOT_OBJECTS or not (request.writes or request.resource == "asyncactors"):
            return
        with contextlib.suppress(ValueError):
            request.after = json.loads(data)
        if request.resource == "asyncactors" and request.code is not None and request.code < 300:
            self._proxy.record.show(request.after)

    async def _stream(self, server: Peer, answer: h11.Response, change: Change | None) -> None:
        kept = [(name, value) for name, value in answer.headers if name not in HOP_BY_HOP]
        head = h11.Response(status_code=200, headers=[*kept, (b"Transfer-Encoding", b"chunked")])
        await self._client.send(head)
        self._streams = True
        source = self._lines(server)
        gone = asyncio.ensure_future(self._client.next())  # a controller that hangs up ends its watch
        pump = asyncio.ensure_future(self._pump(change(source, self) if change else source))
        done, pending = await asyncio.wait({gone, pump}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(gone, pump, return_exceptions=True)
        if pump not in done:
            raise Cut
        pump.result()
        await self._client.send(h11.EndOfMessage())

    async def _pump(self, lines: Lines) -> None:
        async for line in lines:
            if self.request.resource == "asyncactors":
                with contextlib.suppress(ValueError):
                    self._proxy.record.show(json.loads(line).get("object"))
            await self._client.send(h11.Data(data=line))

    @staticmethod
    async def _lines(server: Peer) -> AsyncIterator[bytes]:
        rest = b""
        while isinstance(event := await server.next(), h11.Data):
            *whole, rest = (rest + bytes(event.data)).split(b"\n")
            for line in whole:
                yield line + b"\n"


class ApiProxy:
    """A server on `url`; `record` is what passed it. `inject` makes requests go wrong, `stop` and `begin` close and open the way."""

    def __init__(self, controller: Api, admin: Api) -> None:
        self._controller = controller
        self.admin = admin
        self.record = Record()
        self.own_headers = [
            ("Host", urlsplit(controller.server).netloc),
            ("Authorization", f"Bearer {controller.token}"),
        ]
        self._rules: list[Rule] = []
        self._peers: set[Peer] = set()
        self._port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.begin()

    @property
    def url(self) -> str:
        """Where the controller is to ask."""
        return f"http://127.0.0.1:{self._port}"

    def kubeconfig(self, folder: Path) -> Path:
        """A kubeconfig that leads here."""
        file = folder / "kubeconfig"
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "proxy",
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "nobody"}}],
            "clusters": [{"name": "proxy", "cluster": {"server": self.url}}],
            "users": [{"name": "nobody", "user": {}}],
        }
        file.write_text(json.dumps(document))
        return file

    def inject(
        self,
        fault: Fault,
        *,
        times: int | None = 1,
        verb: str = "",
        resource: str = "",
        where: Callable[[Request], bool] | None = None,
    ) -> Rule:
        """Requests that fit meet this fault, the first rule that fits deciding; its `met` counts them."""

        def meets(request: Request) -> bool:
            return (
                (not verb or request.verb == verb)
                and (not resource or request.resource == resource)
                and (where is None or where(request))
            )

        rule = Rule(fault, meets, times)
        self._rules.append(rule)
        return rule

    def heal(self) -> None:
        """No faults from now on."""
        self._rules.clear()

    def begin(self) -> None:
        """Take connections."""
        asyncio.run_coroutine_threadsafe(self._begin(), self._loop).result(10)

    def stop(self) -> None:
        """Take none, and cut those there are: what a controller sees of an API server that is away."""
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)

    def cut(self) -> None:
        """Cut the connections there are."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(10)

    def close(self) -> None:
        """The end."""
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _begin(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._cut()

    async def _cut(self) -> None:
        for peer in self._peers:
            peer.abort()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        client = Peer(h11.SERVER, reader, writer)
        self._peers.add(client)
        server: list[Peer] = []

        async def connect() -> Peer:
            if server and server[0].http.our_state is h11.IDLE:
                return server[0]
            where = urlsplit(self._controller.server)
            opened = await asyncio.open_connection(where.hostname, where.port, ssl=self._controller.tls)
            server[:] = [Peer(h11.CLIENT, *opened)]
            self._peers.add(server[0])
            return server[0]

        try:
            await self._serve(client, connect, server)
        except (Cut, OSError, h11.ProtocolError):
            pass  # the controller hung up, the server did, or a fault wants it so
        finally:
            for peer in (client, *server):
                await peer.close()
                self._peers.discard(peer)
            self._tasks.discard(task)

    async def _serve(self, client: Peer, connect: Connect, server: list[Peer]) -> None:
        while isinstance(head := await client.next(), h11.Request):
            body = await client.body()
            headers = {name.decode(): value.decode() for name, value in head.headers}
            request = understand(head.method.decode(), head.target.decode(), headers, body)
            self.record.requests.append(request)
            exchange = Exchange(self, request, head.target, body, client, connect)
            rule = self._rule_for(request)
            await (rule.fault(exchange) if rule else exchange.forward())
            client.http.start_next_cycle()
            if server and server[0].http.our_state is server[0].http.their_state is h11.DONE:
                server[0].http.start_next_cycle()
            elif server:  # it may still be answering: the next request takes another connection
                self._peers.discard(server[0])
                await server.pop().close()

    def _rule_for(self, request: Request) -> Rule | None:
        for rule in self._rules:
            if rule.times != 0 and rule.meets(request):
                rule.met += 1
                rule.times = None if rule.times is None else rule.times - 1
                return rule
        return None
