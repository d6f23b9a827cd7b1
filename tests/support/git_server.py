"""Git repositories behind `git http-backend`, as Flux and Argo CD read them: smart HTTP on loopback, nothing installed but git.

Used by tests/gitops. A repository is bare, as on a server; commits are made in a working copy beside it and pushed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

AUTHOR = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
    "GIT_CONFIG_GLOBAL": os.devnull,  # whoever runs the tests may sign commits or have hooks
    "GIT_CONFIG_SYSTEM": os.devnull,
}


def git(folder: Path, *arguments: str) -> str:
    """What the command printed."""
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, env=os.environ | AUTHOR, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout.strip()


class Repository:
    """A branch `main` that others read and the test writes."""

    def __init__(self, url: str, bare: Path, work: Path) -> None:
        self.url = url
        self.work = work
        git(bare.parent, "init", "--quiet", "--bare", "--initial-branch=main", bare.name)
        git(bare.parent, "clone", "--quiet", str(bare), str(work))

    def commit(self, files: Mapping[str, str | None]) -> str:
        """Write these files (None removes one), commit, push; the commit's id."""
        for name, text in files.items():
            path = self.work / name
            if text is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
        git(self.work, "add", "--all")
        git(self.work, "commit", "--quiet", "--message", f"Change {', '.join(sorted(files))}"[:70])
        git(self.work, "push", "--quiet", "origin", "HEAD:main")
        return git(self.work, "rev-parse", "HEAD")


class _Backend(BaseHTTPRequestHandler):
    """CGI as git's manual describes it; `server.root` holds the bare repositories."""

    protocol_version = "HTTP/1.0"  # one request per connection: its end is the end of the answer

    def _run(self) -> None:
        target = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        environ = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.server.root),  # type: ignore[attr-defined]
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": target.path,
            "QUERY_STRING": target.query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": self.client_address[0],
        }
        done = subprocess.run(["git", "http-backend"], env=environ, input=body, capture_output=True, check=False)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(fields.pop("Status", "200" if done.returncode == 0 else "500").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = _run

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Silence: pytest shows what a test prints."""


class GitServer:
    """`repository` makes one; `close` ends the server."""

    def __init__(self, folder: Path) -> None:
        assert shutil.which("git"), "the tests need git"
        self._folder = folder
        (folder / "served").mkdir()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Backend)
        self._server.daemon_threads = True
        self._server.root = folder / "served"  # type: ignore[attr-defined]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def repository(self, name: str) -> Repository:
        """A new one, empty."""
        url = f"http://127.0.0.1:{self._server.server_address[1]}/{name}.git"
        return Repository(url, self._folder / "served" / f"{name}.git", self._folder / name)

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def git_server(folder: Path) -> Iterator[GitServer]:
    """A server for one test, with its repositories in `folder`."""
    server = GitServer(folder)
    try:
        yield server
    finally:
        server.close()
