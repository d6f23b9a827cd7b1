"""HTTP/1.1 with one server over connections that are kept: a request is one write, an answer is read with as little work as it takes.

Called by api.py alone. urllib3 opens the connections (TLS, client certificates, a proxy on the way); what is said on them is written and
read here, because a pass is mostly requests and the layers of urllib3 cost several times what the rest of a request does
(docs/controller.md has figures). One call is one request: nothing is repeated, no redirect is followed. Thread-safe. Must not know what is
asked.
"""

import re
import select
import weakref
from collections.abc import Iterator, Mapping
from urllib.parse import quote, urlsplit

from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection

RECEIVE = 1 << 16
LONGEST_HEAD = 1 << 16
NO_BODY = frozenset({204, 304})
_PLAIN = re.compile(r"[!-~]+")


class Broken(OSError):
    """The connection ended in the middle of an answer, or what came is no answer."""


class Line:
    """One connection, used by one thread at a time."""

    __slots__ = ("_buffer", "_connection", "_poll", "_silence_s", "_socket")

    def __init__(self, connection: HTTPConnection) -> None:
        self._connection = connection
        self._socket = connection.sock
        self._buffer = bytearray()
        self._silence_s: float | None = None
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)

    def at_rest(self) -> bool:
        """Whether nothing has come since the last answer: a server that has hung up meanwhile shows here."""
        return not self._buffer and not self._poll.poll(0)

    def send(self, data: bytes, silence_s: float) -> None:
        """Write a request; from now on the server may be silent for so long."""
        if silence_s != self._silence_s:
            self._silence_s = silence_s
            self._socket.settimeout(silence_s)
        try:
            self._socket.sendall(data)
        except BrokenPipeError:
            return  # a server may answer before it has read everything, and hang up

    def receive(self) -> bool:
        """Wait for more; False at the end."""
        data = self._socket.recv(RECEIVE)
        self._buffer += data
        return bool(data)

    def more(self) -> None:
        """Wait for more, which there has to be."""
        if not self.receive():
            raise Broken("the server hung up in the middle of an answer")

    def until(self, mark: bytes) -> bytes:
        """What comes before the next `mark`, which is dropped."""
        looked = 0
        while (end := self._buffer.find(mark, looked)) < 0:
            looked = max(0, len(self._buffer) - len(mark) + 1)
            if looked > LONGEST_HEAD:
                raise Broken("an answer without an end of its head")
            self.more()
        return self._take(end, end + len(mark))

    def exactly(self, size: int) -> bytes:
        """The next `size` bytes."""
        while len(self._buffer) < size:
            self.more()
        return self._take(size, size)

    def rest(self) -> bytes:
        """Everything until the server hangs up."""
        while self.receive():
            pass
        return self._take(len(self._buffer), len(self._buffer))

    def _take(self, size: int, drop: int) -> bytes:
        found = bytes(self._buffer[:size])
        del self._buffer[:drop]
        return found

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


class Answer:
    """Status, headers (lower-case names) and, when asked for, the body: whole by `read`, or in `pieces` as they come. Ended by `read` or
    `close`.
    """

    __slots__ = ("_kept", "_line", "_method", "_wire", "headers", "status")

    def __init__(self, wire: "Wire", line: Line, method: str) -> None:
        self._wire = wire
        self._line = line
        self._method = method
        self.status = 100
        while 100 <= self.status < 200:  # what is only announced
            first, self.status, self.headers = head_of(line.until(b"\r\n\r\n"))
        self._kept = first == "HTTP/1.1" and self.headers.get("connection", "").lower() != "close"

    def pieces(self) -> Iterator[bytes]:
        """The body as it comes.

        Raises:
            OSError: silence for too long, or a broken connection. ValueError: its length cannot be read.
        """
        line = self._line
        if self._method == "HEAD" or self.status in NO_BODY:
            return
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            while size := int(line.until(b"\r\n").partition(b";")[0], 16):
                yield line.exactly(size + 2)[:-2]
            while line.until(b"\r\n"):
                pass  # trailers
        elif (length := self.headers.get("content-length")) is not None:
            if not length.isdigit():
                raise ValueError(f"Content-Length {length!r}")
            yield line.exactly(int(length))
        else:
            self._kept = False
            yield line.rest()

    def read(self) -> bytes:
        """The whole body; the connection is free for the next request.

        Raises:
            OSError: silence for too long, or a broken connection.
        """
        try:
            found = b"".join(self.pieces())
        except ValueError as error:
            self.close()
            raise Broken(f"an answer of no readable length: {error}") from error
        except BaseException:
            self.close()
            raise
        if self._kept:
            self._wire.give_back(self._line)
        else:
            self.close()
        return found

    def close(self) -> None:
        """Hang up: what is left of the answer is not wanted."""
        self._line.close()


class Wire:
    """One server. `most_kept` connections wait for the next request."""

    def __init__(self, pool: HTTPConnectionPool, base: str, most_kept: int) -> None:
        self._pool = pool
        self._most_kept = most_kept
        parts = urlsplit(base)
        self._host = parts.netloc.rpartition("@")[2]
        # A proxy for plain HTTP is told the whole address; through one for TLS there is a tunnel.
        self._origin = f"{parts.scheme}://{self._host}" if pool.proxy is not None and parts.scheme == "http" else ""
        self._free: list[Line] = []
        weakref.finalize(self, hang_up, self._free)

    def close(self) -> None:
        """Hang up on every connection that waits."""
        hang_up(self._free)

    def ask(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
        connect_s: float,
        silence_s: float,
    ) -> Answer:
        """Send one request; the answer as soon as its head has come.

        Raises:
            OSError, urllib3.exceptions.HTTPError: no connection, or no answer on it.
        """
        if not _PLAIN.fullmatch(target):
            target = quote(target, safe="/?&=%:+,;@!$'()*~")
        head = [f"{method} {self._origin}{target} HTTP/1.1\r\nHost: {self._host}\r\n"]
        head += [f"{name}: {value}\r\n" for name, value in headers.items()]
        if body is not None:
            head.append(f"Content-Length: {len(body)}\r\n")
        head.append("\r\n")
        line = self._take() or self._open(connect_s)
        try:
            line.send("".join(head).encode("latin-1") + (body or b""), silence_s)
            return Answer(self, line, method)
        except BaseException:
            line.close()
            raise

    def give_back(self, line: Line) -> None:
        """A connection whose answer has been read."""
        if len(self._free) < self._most_kept:
            self._free.append(line)
        else:
            line.close()

    def _take(self) -> Line | None:
        """The connection that was used last, if it still stands."""
        while self._free:
            try:
                line = self._free.pop()
            except IndexError:
                return None  # another thread was quicker
            if line.at_rest():
                return line
            line.close()
        return None

    def _open(self, connect_s: float) -> Line:
        connection: HTTPConnection = self._pool._new_conn()  # type: ignore[assignment]  # typed as a protocol
        connection.timeout = connect_s
        try:
            if self._pool.proxy is not None and not self._origin:
                self._pool._prepare_proxy(connection)
            else:
                connection.connect()
        except BaseException:
            connection.close()
            raise
        return Line(connection)


def hang_up(lines: list[Line]) -> None:
    """Close and forget them."""
    while lines:
        lines.pop().close()


def head_of(text: bytes) -> tuple[str, int, dict[str, str]]:
    """Version, status and headers of an answer.

    Raises:
        Broken: it is none.
    """
    first, *rest = text.decode("latin-1").split("\r\n")
    if not first.startswith("HTTP/1.") or not first[9:12].isdecimal():
        raise Broken(f"not an answer of HTTP/1.1: {first[:60]!r}")
    pairs = [line.partition(":") for line in rest]
    return first[:8], int(first[9:12]), {name.lower(): value.strip() for name, _, value in pairs}
