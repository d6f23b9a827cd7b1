"""A way to a server that can be closed and opened again: what a client sees of a broker that is away.

Used by tests that need many short outages; a real broker takes seconds for each.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable


class TcpProxy:
    """Forwards `listen`:`port` to the target, each connection in two threads."""

    def __init__(self, host: str, port: int, *, listen: str = "127.0.0.1", own_port: int = 0) -> None:
        self._target = (host, port)
        self._listen = listen
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._flowing = threading.Event()
        self._flowing.set()
        self.port = own_port
        self.begin()

    def begin(self) -> None:
        """Take connections."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self._listen, self.port))
        listener.listen()
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def stop(self) -> None:
        """Take none, and cut those there are."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def hold(self) -> None:
        """Forward nothing more, and keep the connections: a peer that answers nothing. `stop` or `cut` ends it; what was held is lost."""
        self._flowing.clear()

    def cut(self) -> None:
        """Cut the connections there are."""
        with self._lock:
            sockets, self._sockets = self._sockets, set()
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._flowing.set()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target, 5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._sockets |= {client, server}
            self.joined(client, server)

    def joined(self, client: socket.socket, server: socket.socket) -> None:
        """A connection there and the one it is forwarded to."""
        for source, sink in ((client, server), (server, client)):
            threading.Thread(target=self.pump, args=(source, sink, sink.sendall), daemon=True).start()

    def pump(self, source: socket.socket, sink: socket.socket, forward: Callable[[bytes], object]) -> None:
        """One direction, until either side ends."""
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                self._flowing.wait()
                forward(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._sockets.discard(source)
        source.close()
