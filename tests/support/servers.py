"""Servers that do nothing right, for tests of what becomes of those who ask them."""

import contextlib
import socket
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def silent_server() -> Iterator[int]:
    """Takes connections and says nothing; gives its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server.getsockname()[1]


@contextlib.contextmanager
def counting_server(*, silent: bool) -> Iterator[tuple[int, list[socket.socket]]]:
    """Takes connections and says nothing, or closes each at once; gives its port, and the connections as they come."""
    taken: list[socket.socket] = []

    def take(server: socket.socket) -> None:
        with contextlib.suppress(OSError):  # closed: the end
            while True:
                taken.append(server.accept()[0])
                if not silent:
                    taken[-1].close()

    server = socket.create_server(("127.0.0.1", 0), backlog=64)
    thread = threading.Thread(target=take, args=(server,))
    thread.start()
    try:
        yield server.getsockname()[1], taken
    finally:
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()
        for connection in taken:
            connection.close()
