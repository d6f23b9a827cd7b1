"""A peer on the runtime's socket that answers with the bytes a test gives it: what no real runtime would say.

Used by the sidecar's tests of broken answers. Serves every connection in a thread of its own; `/healthz` is answered as agreed unless
the test says otherwise.
"""

import socket
import threading
from collections.abc import Callable
from pathlib import Path

HEALTHY = b'{"status":"ready","busy":false}'


def answer(body: bytes, status: bytes = b"200 OK", content_type: bytes = b"application/json") -> bytes:
    """A whole HTTP answer."""
    return b"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (status, content_type, len(body), body)


class ScriptedRuntime:
    """`script(request_body, connection)` answers each POST by writing to the connection, or closing it. Empty `health`: silence."""

    def __init__(self, path: Path, script: Callable[[bytes, socket.socket], None]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.script = script
        self.health = HEALTHY
        self.requests: list[bytes] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def connections(self) -> int:
        """How many were made so far."""
        return len(self._connections)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # ends the accept that waits
        self._listener.close()
        self.drop_connections()

    def drop_connections(self) -> None:
        """As if the process had died; the listener stays."""
        for connection in self._connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # closed by the script or by the peer before

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as stream:
                while line := stream.readline():
                    length = 0
                    while (header := stream.readline().strip().lower()) != b"":
                        if header.startswith(b"content-length:"):
                            length = int(header.split(b":")[1])
                    body = stream.read(length)
                    if line.startswith(b"GET /healthz"):
                        if self.health:
                            connection.sendall(answer(self.health))
                    else:
                        self.requests.append(body)
                        self.script(body, connection)
        except OSError:
            return  # the sidecar has dropped the connection, which is what most tests here are about
