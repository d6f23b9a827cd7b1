"""Requests and answers on the way to the API server, as a server may really send them."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from urllib3 import HTTPConnectionPool

from asya_controller.act.wire import Broken, Wire

WAIT_S = 5.0


class Server:
    """Answers each request with the next of its texts; `hang_up` closes after an answer. `heads` are the requests."""

    def __init__(self, *answers: bytes, hang_up: bool = False) -> None:
        self._answers = list(answers)
        self._hang_up = hang_up
        self.heads: list[bytes] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while self._answers:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # closed by the test
            self.connections += 1
            with connection:
                self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        while self._answers:
            data = b""
            while b"\r\n\r\n" not in data:
                if not (more := connection.recv(65536)):
                    return
                data += more
            self.heads.append(data)
            for part in self._answers.pop(0).split(b"|"):  # each part by itself: an answer may be cut anywhere
                connection.sendall(part)
            if self._hang_up:
                return

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes who waits for a connection
        self._listener.close()
        self._thread.join(WAIT_S)


@contextmanager
def server(*answers: bytes, hang_up: bool = False) -> Iterator[tuple[Server, Wire]]:
    found = Server(*answers, hang_up=hang_up)
    wire = Wire(HTTPConnectionPool("127.0.0.1", found.port), f"http://127.0.0.1:{found.port}", 4)
    try:
        yield found, wire
    finally:
        wire.close()
        found.close()


def asked(wire: Wire, body: bytes | None = None, method: str = "GET") -> tuple[int, bytes]:
    answer = wire.ask(method, "/x?a=b", {"Accept": "application/json"}, body, WAIT_S, WAIT_S)
    return answer.status, answer.read()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", (200, b"hi")),
        (b"HT|TP/1.1 200 OK\r\nContent-Len|gth: 2\r\n\r|\nh|i", (200, b"hi")),
        (
            b"HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n|3;x=y\r\n yo\r\n0\r\n\r\n",
            (201, b"hi yo"),
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r|\n!\r\n0\r\nTrailer: 1\r\n\r\n", (200, b"!")),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n", (409, b"")),
        (b"HTTP/1.1 204 No Content\r\n\r\n", (204, b"")),
    ],
)
def test_an_answer_is_read_and_its_connection_kept(text: bytes, expected: tuple[int, bytes]) -> None:
    with server(text, text) as (found, wire):
        assert [asked(wire), asked(wire)] == [expected, expected]
        assert found.connections == 1


def test_a_request_is_whole() -> None:
    with server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as (found, wire):
        asked(wire, b"{}", "PATCH")
        assert found.heads == [
            b"PATCH /x?a=b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: application/json\r\nContent-Length: 2\r\n\r\n{}"
            % found.port
        ]


def test_a_name_with_a_space_stays_one_target() -> None:
    with server(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") as (found, wire):
        wire.ask("GET", "/a b\r\nX: y", {}, None, WAIT_S, WAIT_S).read()
        assert found.heads[0].startswith(b"GET /a%20b%0D%0AX:%20y HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\n\r\nhi",  # its end is that of the connection
    ],
)
def test_a_connection_that_ends_is_not_used_again(text: bytes) -> None:
    with server(text, text, hang_up=True) as (found, wire):
        assert [asked(wire), asked(wire)] == [(200, b"hi"), (200, b"hi")]
        assert found.connections == 2


def test_a_server_that_hung_up_meanwhile_is_met_on_a_new_connection() -> None:
    with server(*[b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"] * 2, hang_up=True) as (found, wire):
        asked(wire)
        line = wire._free[0]
        line._poll.poll(WAIT_S * 1000)  # until the hang-up has arrived
        assert asked(wire) == (200, b"")
        assert found.connections == 2


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfive\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"",
    ],
)
def test_half_an_answer_is_none(text: bytes) -> None:
    with server(text, hang_up=True) as (_, wire), pytest.raises(Broken):
        asked(wire)


def test_silence_ends_a_request() -> None:
    with server(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi", b"") as (_, wire):
        answer = wire.ask("GET", "/", {}, None, WAIT_S, 0.2)
        with pytest.raises(TimeoutError):
            answer.read()


def test_a_stream_comes_piece_by_piece() -> None:
    text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na\n\r\n|2\r\nb\n\r\n"
    with server(text, b"") as (_, wire):
        answer = wire.ask("GET", "/", {}, None, WAIT_S, WAIT_S)
        pieces = answer.pieces()
        assert [next(pieces), next(pieces)] == [b"a\n", b"b\n"]
        answer.close()
