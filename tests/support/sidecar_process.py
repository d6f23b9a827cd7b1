"""A mesh of real processes for tests: sidecars and runtimes around one SQLite file, watched from outside.

Used by tests of the sidecar (tests/contract/test_sidecar_*.py, tests/sidecar). Everything started through a `Mesh` is killed, by pid,
when the mesh is closed. A little over the usual length: broker, sidecar, runtime and their end are one harness.
"""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from asya_transport.admin import Counts, Stored
from asya_transport.choose import open_admin
from asya_transport.port import Outcome
from tests.support.wait import short_tmp, until

HANDLERS = Path(__file__).parent / "handlers"
NAMESPACE = "ns"


def runtime_file() -> Path:
    """The one file of the runtime."""
    spec = importlib.util.find_spec("asya_runtime")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin)


def envelope(payload: Any = None, **members: Any) -> dict[str, Any]:
    """E of the contract: id e-1, from nowhere, at `a`, then `b`."""
    base = {"id": "e-1", "route": {"prev": [], "curr": "a", "next": ["b"]}, "payload": {"x": 1}}
    if payload is not None:
        base["payload"] = payload
    return base | members


def route(*names: str, at: int = 0) -> dict[str, Any]:
    """The new shape of a route, `at` hops done."""
    curr = names[at] if at < len(names) else ""
    return {"prev": list(names[:at]), "curr": curr, "next": list(names[at + 1 :])}


class Process:
    """A child with its output in a file."""

    def __init__(self, command: list[str], env: Mapping[str, str], log: Path, cwd: Path | None = None) -> None:
        self.log_path = log
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("ASYA_", "OTEL_"))}
        with log.open("ab") as output:
            self.popen = subprocess.Popen(command, env=clean | dict(env), stdout=output, stderr=output, cwd=cwd)

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def log(self) -> str:
        """Everything it has written."""
        return self.log_path.read_text(errors="replace")

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Its JSON log lines."""
        found = []
        for line in self.log.rpartition("\n")[0].splitlines():  # the last one may be half written
            if line.startswith("{") and line.endswith("}"):
                found.append(json.loads(line))
        return found

    def terminate(self) -> None:
        self.popen.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, and wait."""
        self.popen.kill()
        self.popen.wait()

    def exit_code(self, within_s: float = 30.0) -> int:
        """Wait for its end."""
        return self.popen.wait(within_s)


class Runtime(Process):
    """A real runtime."""

    def __init__(self, folder: Path, log: Path, handler: str, env: Mapping[str, str]) -> None:
        self.folder = folder
        base = {"ASYA_HANDLER": handler, "ASYA_SOCKET_DIR": str(folder), "PYTHONPATH": str(HANDLERS)}
        super().__init__([sys.executable, str(runtime_file())], base | dict(env), log, cwd=HANDLERS)


class Sidecar(Process):
    """A real sidecar."""

    def __init__(self, log: Path, env: Mapping[str, str]) -> None:
        super().__init__([sys.executable, "-m", "asya_sidecar"], env, log)

    @cached_property
    def address(self) -> str:
        """Where it answers HTTP, as its log says."""
        return str(until(self._address, what="address of the sidecar's status server"))

    def _address(self) -> str | None:
        if self.popen.poll() is not None:
            raise AssertionError(f"the sidecar ended with {self.popen.returncode}:\n{self.log[-2000:]}")
        return next((line["metrics"] for line in self.lines if line["msg"] == "starting"), None)

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a GET."""
        try:
            with urllib.request.urlopen(f"http://{self.address}{path}", timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    @property
    def reasons(self) -> list[str]:
        """Why it is not ready."""
        reasons: list[str] = json.loads(self.get("/readyz")[1])["reasons"]
        return reasons

    def ready(self) -> "Sidecar":
        """Wait until it is."""
        until(lambda: self.get("/readyz")[0] == 200, 60, what="the sidecar is ready")
        return self

    def metric(self, name: str, **labels: str) -> float:
        """The value of one series, the prefix left out; the labels given must all be there."""
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith((f"asya_actor_{name}{{", f"asya_actor_{name} ")) and all(
                f'{label}="{value}"' in line for label, value in labels.items()
            ):
                return float(line.rsplit(" ", 1)[1])
        raise AssertionError(f"no series {name} {labels}")

    def done(self) -> list[dict[str, Any]]:
        """The lines that say what became of each delivery."""
        return [line for line in self.lines if line["msg"] == "envelope done"]


def told(sidecar: Sidecar, reason: str, times: int = 1) -> str:
    """What the log said when this reason for not being ready began: one warning each time, and as many in `stalls_total`."""
    until(lambda: len(_beginnings(sidecar, reason)) >= times, what=f"{reason} is in the log")
    lines = _beginnings(sidecar, reason)
    counted = sidecar.metric("stalls_total", reason=reason) if sidecar.popen.poll() is None else times
    assert (len(lines), counted) == (times, times), lines
    assert {line["level"] for line in lines} == {"WARNING"}
    return str(lines[-1][f"detail_{reason}"])


def _beginnings(sidecar: Sidecar, reason: str) -> list[dict[str, Any]]:
    """The lines in which it is new."""
    before: set[str] = set()
    found = []
    for line in sidecar.lines:
        if line["msg"] in ("ready", "not ready"):
            reasons = set(line.get("reasons", ()))
            if reason in reasons - before:
                found.append(line)
            before = reasons
    return found


class Mesh:
    """One SQLite file and the processes around it."""

    def __init__(self, folder: Path, *actors: str, namespace: str = NAMESPACE) -> None:
        self.folder = folder
        self.namespace = namespace
        self.database = folder / "mesh.db"
        self.calls_path = folder / "calls"
        self.calls_path.touch()
        self.admin = open_admin("sqlite", sqlite_path=self.database)
        self._processes: list[Process] = []
        self.declare("a", "b", "x-sink", "x-sump", *actors)

    def queue(self, actor: str) -> str:
        return f"asya-{self.namespace}-{actor}"

    def declare(self, *actors: str) -> None:
        for actor in actors:
            self.admin.declare(self.queue(actor))

    def runtime(self, handler: str = "act", pod: str = "a", **env: str) -> Runtime:
        """Start a runtime whose socket lies in the folder `pod`."""
        folder = self.folder / pod
        base = {"CALLS": str(self.calls_path)}
        runtime = Runtime(folder, self.folder / f"{pod}-runtime.log", f"sidecar_handlers.{handler}", base | env)
        self._processes.append(runtime)
        return runtime

    def environ(self, name: str = "a", pod: str | None = None, **env: str) -> dict[str, str]:
        """Variables of a sidecar for actor `name` that speaks to the runtime in the folder `pod` (the name, unless given)."""
        base = {
            "ASYA_ACTOR_NAME": name,
            "ASYA_NAMESPACE": self.namespace,
            "ASYA_TRANSPORT": "sqlite",
            "ASYA_SQLITE_PATH": str(self.database),
            "ASYA_SOCKET_DIR": str(self.folder / (pod or name)),
            "ASYA_METRICS_ADDR": "127.0.0.1:0",
        }
        return base | env

    def adopt(self, process: Process) -> None:
        """Kill it too when the mesh is closed."""
        self._processes.append(process)

    def sidecar(self, name: str = "a", pod: str | None = None, **env: str) -> Sidecar:
        """Start a sidecar with these variables."""
        log = self.folder / f"{name}-sidecar-{len(self._processes)}.log"
        sidecar = Sidecar(log, self.environ(name, pod, **env))
        (self.folder / "sidecar.pid").write_text(str(sidecar.pid))
        self.adopt(sidecar)
        return sidecar

    def pair(
        self, handler: str = "act", name: str = "a", pod: str | None = None, **env: str
    ) -> tuple[Sidecar, Runtime]:
        """Both, and the sidecar consumes."""
        shared = {key: value for key, value in env.items() if key in RUNTIME_VARIABLES}
        runtime = self.runtime(handler, pod or name, **shared)
        return self.sidecar(name, pod, **env).ready(), runtime

    def send(self, message: dict[str, Any] | bytes, actor: str = "a", **properties: Any) -> None:
        """Put a message into an actor's queue; a dict gets its id as message id."""
        if isinstance(message, dict):
            properties.setdefault("message_id", message.get("id"))
            message = json.dumps(message).encode()
        outcome = self.admin.publish(self.queue(actor), message, **properties)
        assert outcome is Outcome.CONFIRMED, outcome

    def stored(self, actor: str, limit: int = 1000) -> list[Stored]:
        return self.admin.peek(self.queue(actor), limit)

    def send_all(self, messages: Iterable[dict[str, Any]], actor: str = "a") -> None:
        """Many, as fast as the broker takes them; all are there when this returns."""
        for message in messages:
            self.send(message, actor)

    def at(self, actor: str, limit: int = 1000) -> list[dict[str, Any]]:
        """Envelopes in an actor's queue."""
        return [json.loads(stored.body) for stored in self.stored(actor, limit)]

    def counts(self, actor: str) -> Counts:
        return self.admin.counts(self.queue(actor))

    def arrived(self, actor: str, count: int = 1, within_s: float = 40.0) -> list[dict[str, Any]]:
        """Wait until so many envelopes are in the queue of `actor`."""
        until(lambda: len(self.at(actor)) >= count, within_s, what=f"{count} messages at {actor}")
        return self.at(actor)

    def arrived_one(self, actor: str, envelope_id: str, within_s: float = 40.0) -> dict[str, Any]:
        """Wait for the envelope with this id in the queue of `actor`."""

        def find() -> dict[str, Any] | None:
            return next((found for found in self.at(actor) if found["id"] == envelope_id), None)

        found = until(find, within_s, what=f"{envelope_id} at {actor}")
        assert found is not None
        return found

    def calls(self) -> list[Any]:
        """Payloads the handlers were called with, in order."""
        return [payload for _, payload in self.timed_calls()]

    def timed_calls(self) -> list[tuple[float, Any]]:
        """The same with the wall clock of each call's begin."""
        return [tuple(json.loads(line)) for line in self.calls_path.read_text().rpartition("\n")[0].splitlines()]

    def is_gone(self, actor: str = "a") -> bool:
        """Nothing is left in the queue of `actor`, in whatever state."""
        return not self.stored(actor, 1)

    @contextmanager
    def until_closed(self) -> Iterator[None]:
        """Close it at the end; the error of a test notes what its processes said last and what is queued."""
        try:
            yield
        except BaseException as error:
            for process in self._processes:
                error.add_note("\n  ".join([process.log_path.name, *process.log.splitlines()[-LAST_LINES:]]))
            error.add_note("\n".join(f"{queue}: {counts}" for queue, counts in self.admin.all_counts().items()))
            raise
        finally:
            self.close()

    def close(self) -> None:
        for process in self._processes:
            if process.popen.poll() is None:
                process.kill()
        self.admin.close()


LAST_LINES = 20
RUNTIME_VARIABLES = ("ASYA_HANDLER_MODE", "ASYA_ENABLE_VALIDATION", "ASYA_MAX_MESSAGE_BYTES")


@contextmanager
def sqlite_mesh(*actors: str) -> Iterator[Mesh]:
    """A mesh in a short folder of its own, closed at the end whatever happens."""
    with short_tmp() as folder:
        opened = Mesh(folder, *actors)
        with opened.until_closed():
            yield opened


MESHES: list[Callable[..., AbstractContextManager[Mesh]]] = [sqlite_mesh]
"""The last one is opened by `mesh`: tests/contract/conftest.py adds another for tests that run on every broker."""


def mesh(*actors: str) -> AbstractContextManager[Mesh]:
    """A mesh on the embedded broker, or on the one that the test is run on."""
    return MESHES[-1](*actors)
