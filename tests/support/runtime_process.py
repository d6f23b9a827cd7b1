"""A real runtime process for tests, on any Python that is found, and a client that speaks to it over its socket.

Called by the tests of the runtime and of whatever talks to one. The client is written by hand on a plain socket, so that
tests see the bytes as they come; `curl` is used where the contract names it.
Long because the client reads the wire by hand: a library would forgive what the tests must see.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from tests.support.wait import short_tmp, until

T = TypeVar("T")

HANDLERS = Path(__file__).parent.parent / "runtime" / "handlers"
OLDEST, NEWEST = (3, 7), (3, 13)
SOCKET_NAME = "asya-runtime.sock"
START_S = 30.0


@dataclass(frozen=True, slots=True)
class Python:
    """An interpreter to run the file with."""

    minor: tuple[int, int]
    path: Path

    def __str__(self) -> str:
        return f"{self.minor[0]}.{self.minor[1]}"


def _candidates() -> Iterator[Path]:
    for root in (os.environ.get("PYENV_ROOT"), str(Path.home() / ".pyenv")):
        if root:
            yield from sorted(Path(root).glob("versions/*/bin/python"))
    for folder in os.get_exec_path():
        for minor in range(OLDEST[1], NEWEST[1] + 1):
            path = Path(folder) / f"python3.{minor}"
            if path.is_file() and os.access(path, os.X_OK):
                yield path


def _minor_of(path: Path) -> tuple[int, int] | None:
    command = [str(path), "-c", "import sys; print(*sys.version_info[:2])"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return None
    found = re.fullmatch(r"(\d+) (\d+)", told.stdout.strip())
    return (int(found[1]), int(found[2])) if found else None


@lru_cache
def pythons() -> tuple[Python, ...]:
    """Every interpreter from 3.7 to 3.13, one of each minor version; ours, which has pydantic, for its own."""
    found: dict[tuple[int, int], Path] = {}
    for path in _candidates():
        minor = _minor_of(path)
        if minor is not None and OLDEST <= minor <= NEWEST:
            found[minor] = path
    found[sys.version_info[:2]] = Path(sys.executable)
    return tuple(Python(minor, found[minor]) for minor in sorted(found))


def current() -> Python:
    """The interpreter that runs the tests."""
    return Python(sys.version_info[:2], Path(sys.executable))


def on_all(action: Callable[[Any], T], over: Iterable[Any] | None = None) -> list[T]:
    """Do something slow for every interpreter at once, in threads; the first failure is raised."""
    items = list(pythons() if over is None else over)
    with ThreadPoolExecutor(len(items)) as pool:
        return list(pool.map(action, items))


def runtime_file() -> Path:
    """The one file."""
    spec = find_spec("asya_runtime")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin)


# ---------------------------------------------------------------- the client


@dataclass(slots=True)
class Event:
    """One server-sent event, and when it came."""

    name: str
    data: Any
    at: float


@dataclass(slots=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes
    events: list[Event] = field(default_factory=list)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def frames(self) -> list[dict[str, Any]]:
        """Frames of a plain answer or of a stream."""
        if self.events:
            return [event.data for event in self.events if event.name == "frame"]
        return list(self.json["frames"])

    @property
    def payloads(self) -> list[Any]:
        return [frame["payload"] for frame in self.frames]

    @property
    def details(self) -> dict[str, Any]:
        return dict(self.json["details"])


class Client:
    """One connection."""

    def __init__(self, path: Path, timeout_s: float = 30.0) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout_s)
        self.sock.connect(str(path))
        self.rest = b""

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def at_end(self) -> bool:
        """Whether the server has closed and nothing is left to read."""
        try:
            return not self.rest and self.sock.recv(1) == b""
        except ConnectionResetError:
            return True

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, object] | None = None
    ) -> Answer:
        self.send(request_bytes(method, path, body, headers))
        return self.answer()

    def _more(self) -> None:
        piece = self.sock.recv(65536)
        if not piece:
            raise ConnectionError(f"closed after {self.rest!r}")
        self.rest += piece

    def _until(self, mark: bytes) -> bytes:
        while mark not in self.rest:
            self._more()
        found, _, self.rest = self.rest.partition(mark)
        return found

    def _take(self, size: int) -> bytes:
        while len(self.rest) < size:
            self._more()
        found, self.rest = self.rest[:size], self.rest[size:]
        return found

    def head(self) -> Answer:
        """Status line and headers alone."""
        lines = self._until(b"\r\n\r\n").decode("ascii").split("\r\n")
        protocol, status, _ = lines[0].split(" ", 2)
        assert protocol == "HTTP/1.1"
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        return Answer(int(status), headers, b"")

    def answer(self) -> Answer:
        found = self.head()
        if found.headers.get("transfer-encoding") == "chunked":
            found.events = list(self.events())
        elif "content-length" in found.headers:
            found.body = self._take(int(found.headers["content-length"]))
        return found

    def events(self) -> Iterator[Event]:
        """Events of a chunked stream, to its end."""
        while True:
            size = int(self._until(b"\r\n"), 16)
            chunk = self._take(size)
            assert self._take(2) == b"\r\n"
            if not size:
                return
            name, data, *empty = chunk.decode("ascii").split("\n")
            assert empty == ["", ""]
            yield Event(name.removeprefix("event: "), json.loads(data.removeprefix("data: ")), time.monotonic())


def request_bytes(
    method: str, path: str, body: bytes | None = None, headers: Mapping[str, object] | None = None
) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: runtime"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body is not None and "Content-Length" not in (headers or {}):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


def envelope(payload: Any = None, **members: Any) -> dict[str, Any]:
    """`E` of the contract; members replace or add."""
    whole = {"id": "e-1", "route": {"prev": [], "curr": "a", "next": ["b"]}, "payload": payload}
    return {**whole, **members}


# ---------------------------------------------------------------- the process


class RuntimeProcess:
    """A runtime that has been started, ready or not."""

    def __init__(self, process: "subprocess.Popen[bytes]", folder: Path, output: Path) -> None:
        self.process = process
        self.folder = folder
        self.output = output
        self.pid = process.pid
        self.socket = folder / SOCKET_NAME
        self.ready_file = folder / "runtime-ready"

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def wait_ready(self) -> None:
        until(lambda: self.ready_file.exists() or not self.alive, START_S, what="ready file")
        assert self.alive, f"ended with {self.process.poll()}: {self.stderr()}"

    def wait_end(self, within_s: float = START_S) -> int:
        return self.process.wait(within_s)

    def terminate(self, number: int = signal.SIGTERM) -> None:
        os.kill(self.pid, number)

    def terminate_inside(self, number: int = signal.SIGTERM) -> None:
        """Signal the runtime itself where a wrapper stands before it."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        os.kill(int(children[0]) if children else self.pid, number)

    def connect(self, timeout_s: float = 30.0) -> Client:
        return Client(self.socket, timeout_s)

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, object] | None = None
    ) -> Answer:
        with self.connect() as client:
            return client.request(method, path, body, headers)

    def call(self, payload: Any = None, deadline_ms: object = None, **members: Any) -> Answer:
        """POST /invoke with `E`, this payload and these members."""
        headers = {} if deadline_ms is None else {"X-Asya-Deadline-Ms": deadline_ms}
        return self.post(json.dumps(envelope(payload, **members)).encode(), headers)

    def post(self, body: bytes, headers: Mapping[str, object] | None = None) -> Answer:
        return self.request("POST", "/invoke", body, headers)

    def stderr(self) -> str:
        return (self.output / "stderr").read_text(errors="replace")

    def stdout(self) -> str:
        return (self.output / "stdout").read_text(errors="replace")

    def log(self) -> list[dict[str, Any]]:
        """Its log lines, but for one that is being written; what else is on stderr is the user's."""
        whole = self.stderr().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines() if line.startswith('{"time"')]

    def log_of(self, envelope_id: str) -> dict[str, Any]:
        """The one line of one call."""

        def found() -> list[dict[str, Any]]:
            return [line for line in self.log() if line.get("envelope_id") == envelope_id]

        until(found, what=f"log line of {envelope_id}")
        assert len(found()) == 1
        return found()[0]


@contextmanager
def started(
    python: Python,
    handler: str | None,
    *,
    code: str | None = None,
    wrapper: tuple[str, ...] = (),
    folder: Path | None = None,
    isolated: bool = False,
    **environ: str,
) -> Iterator[RuntimeProcess]:
    """Start a runtime without waiting for it; it is killed at the end.

    `code` becomes module `m` in the working directory; without it the working directory holds the modules in
    tests/runtime/handlers. `wrapper` is a command in front of the interpreter; `isolated` keeps site-packages out.
    """
    with short_tmp() as made:
        sockets = folder or made / "s"
        work = HANDLERS
        if code is not None:
            work = made / "work"
            work.mkdir()
            (work / "m.py").write_text(code)
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("ASYA_", "PYTHON"))}
        clean.update({"ASYA_SOCKET_DIR": str(sockets), "PYTHONDONTWRITEBYTECODE": "1"}, **environ)
        if handler is not None:
            clean["ASYA_HANDLER"] = handler
        with (made / "stdout").open("wb") as out, (made / "stderr").open("wb") as err:
            process = subprocess.Popen(
                [*wrapper, str(python.path), *(["-I", "-S"] if isolated else []), str(runtime_file())],
                cwd=work,
                env=clean,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        try:
            yield RuntimeProcess(process, sockets, made)
        finally:
            process.kill()
            process.wait()


@contextmanager
def running(python: Python, handler: str, **options: Any) -> Iterator[RuntimeProcess]:
    """A runtime that is ready."""
    with started(python, handler, **options) as process:
        process.wait_ready()
        yield process


def refused_to_start(python: Python, handler: str | None, code: str | None = None, **environ: str) -> tuple[int, str]:
    """Exit status and stderr of a runtime that ends before it serves."""
    options: dict[str, Any] = dict(environ)
    with started(python, handler, code=code, **options) as process:
        status = process.wait_end()
        assert not process.socket.is_socket()
        assert not process.ready_file.exists()
        return status, process.stderr()


@lru_cache
def as_process_1() -> tuple[str, ...]:
    """A command that makes what follows process 1 of a pid namespace, like that of a container.

    Where namespaces are not allowed, the next best: every signal that a program might end itself with is ignored, which
    is what being process 1 means for signals with a default action.
    """
    for options in ((), ("--user", "--map-root-user")):
        command = ("unshare", *options, "--pid", "--fork", "--kill-child")
        try:
            if subprocess.run([*command, "true"], capture_output=True, timeout=30, check=False).returncode == 0:
                return command
        except OSError:
            break
    return ("sh", "-c", 'trap "" TERM ABRT ALRM INT HUP QUIT USR1 USR2; exec "$@"', "sh")
