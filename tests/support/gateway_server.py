"""A gateway for tests: a real HTTP server that remembers what it was told, and can be slow, failing or gone.

Called by tests of the sidecar's reports. Answers as contract: gateway, Internal endpoints says, as far as a sidecar can see it.
"""

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

CERTIFICATE = Path(__file__).parent / "tls" / "localhost.pem"
KEY = Path(__file__).parent / "tls" / "localhost-key.pem"


@dataclass
class Request:
    """One request as it came."""

    method: str
    path: str
    body: Any
    size: int
    authorization: str | None
    connection: int
    """Number of the TCP connection, from 0."""


@dataclass
class Gateway:
    """What the server knows and how it behaves; tests read and set the members while it runs."""

    requests: list[Request] = field(default_factory=list)
    delay_s: float = 0.0
    status: int | None = None
    """Every answer, instead of the right one."""
    problem: str | None = None
    """Code of the problem body that goes with `status`; None: a proxy's page."""
    max_body_bytes: int = 100_000_000
    stopped: set[str] = field(default_factory=set)
    """Ids whose task is no longer active."""
    unknown: set[str] = field(default_factory=set)
    port: int = 0
    is_tls: bool = False
    """It speaks TLS with the certificate CERTIFICATE, for `localhost`."""

    @property
    def url(self) -> str:
        """For `ASYA_GATEWAY_URL`."""
        return f"https://localhost:{self.port}" if self.is_tls else f"http://127.0.0.1:{self.port}"

    @property
    def reports(self) -> list[dict[str, Any]]:
        """All reports of all batches that were read, in order."""
        return [one for request in self.requests if request.path == "/reports" for one in request.body["reports"]]

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """Of `reports` those of one kind."""
        return [one for one in self.reports if one["kind"] == kind]

    def posts(self, action: str) -> list[Request]:
        """Requests for `/tasks/{id}/<action>`."""
        return [request for request in self.requests if request.path.endswith(f"/{action}")]

    def answer(self, request: Request) -> tuple[int, dict[str, Any] | None]:
        """Status and JSON body; None: a page that is no gateway's."""
        if self.status is not None:
            return self.status, _problem(self.status, self.problem) if self.problem else None
        if request.size > self.max_body_bytes:
            return 413, _problem(413, "too-large")
        if request.path == "/reports":
            return 200, {"results": [self._result(one) for one in request.body["reports"]]}
        envelope_id = unquote(request.path.split("/")[2])
        if request.method == "GET":
            if envelope_id in self.stopped | self.unknown:
                status = "unknown" if envelope_id in self.unknown else "canceled"
                return 410, {"active": False, "status": status, "reason": status}
            return 200, {"active": True, "status": "running"}
        return 200, {"status": "ok", "outcome": "applied", "active": True, "progress_percent": 100}

    def _result(self, report: dict[str, Any]) -> dict[str, Any]:
        outcome = "unknown" if report["id"] in self.unknown else "applied"
        active = report["id"] not in self.stopped | self.unknown
        return {"id": report["id"], "kind": report["kind"], "outcome": outcome, "active": active, "detail": ""}


@contextmanager
def gateway_server(gateway: Gateway | None = None) -> Iterator[Gateway]:
    """A gateway that runs; given one that ran before, it comes back on the same port."""
    gateway = gateway or Gateway()
    server = _Server(gateway)
    gateway.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield gateway
    finally:
        server.shutdown()
        thread.join()
        server.end()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = True

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.open: dict[socket.socket, int] = {}
        self.accepted = 0
        super().__init__(("127.0.0.1", gateway.port), _Handler)
        if gateway.is_tls:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(CERTIFICATE, KEY)
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open[request] = self.accepted
        self.accepted += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up waiting is what tests of slowness are about: nothing to print."""

    def end(self) -> None:
        for connection in list(self.open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # ended by its client at this moment
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Quiet."""

    def _serve(self) -> None:
        gateway = self.server.gateway
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        number = self.server.open[self.connection]
        token = self.headers.get("Authorization")
        request = Request(self.command, self.path, json.loads(raw) if raw else None, len(raw), token, number)
        gateway.requests.append(request)
        status, body = gateway.answer(request)
        time.sleep(gateway.delay_s)
        content_type = "text/html" if body is None else f"application/{'problem+' if 'code' in body else ''}json"
        text = b"<h1>bad gateway</h1>" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def _problem(status: int, code: str) -> dict[str, Any]:
    return {"type": f"urn:asya:problem:{code}", "title": code, "status": status, "detail": "a sentence", "code": code}
