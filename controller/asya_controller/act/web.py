"""The controller's two small HTTP servers: probes, and metrics.

Started by `__main__`. Answers come from functions it is given; must not know what they mean.
"""

import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = tuple[int, str, bytes]
"""Status, content type, body."""
Page = Callable[[], Answer]


class Server:
    """Pages by path, served from a thread."""

    def __init__(self, address: str, pages: Mapping[str, Page]) -> None:
        """Raises OSError when the address cannot be listened on."""
        host, _, port = address.rpartition(":")
        self._http = ThreadingHTTPServer((host, int(port)), handler_of(pages))
        self._http.daemon_threads = True

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._http.server_address[1])

    def start(self) -> None:
        """Begin to answer."""
        threading.Thread(target=self._http.serve_forever, name=f"http-{self.port}", daemon=True).start()

    def close(self) -> None:
        """Answer no more."""
        self._http.shutdown()
        self._http.server_close()


def handler_of(pages: Mapping[str, Page]) -> type[BaseHTTPRequestHandler]:
    """The request handler for these pages."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:  # the library's name
            page = pages.get(self.path.partition("?")[0])
            status, content, body = page() if page else (404, "text/plain", b"there is no such page\n")
            self.send_response(status)
            self.send_header("Content-Type", content)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # the library's name
            """Probes every few seconds are no news."""

    return Handler


def text(status: int, words: str) -> Answer:
    """A plain answer."""
    return status, "text/plain; charset=utf-8", f"{words}\n".encode()
