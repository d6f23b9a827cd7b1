"""A local mesh for tests, driven as a person drives it: through the `asya` command in a folder of its own.

Called by tests/cli, tests/contract/test_cli_local*.py and tests/e2e. Ends every process it started, also after a failure. On the embedded
broker, or on a virtual host of its own of the tests' RabbitMQ.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil

from asya_transport.admin import Admin
from asya_transport.choose import open_admin
from asya_transport.port import Outcome
from asya_transport.rabbitmq.address import address_of, parse_url
from tests.support.rabbitmq import shared_node
from tests.support.wait import until

ASYA = str(Path(sys.executable).with_name("asya"))
# Generous: the machine runs other tests at the same time, and nothing here is about speed.
WITHIN_S = 60.0

ACTOR = """\
apiVersion: asya.sh/v1alpha1
kind: AsyncActor
metadata:
  name: {name}
spec:
  transport: rabbitmq
  timeout: {{processing: 20, gracefulShutdown: 25}}
  workload:
    template:
      spec:
        containers:
        - name: asya-runtime
          image: registry.example.com/{name}:1
          env:
          - {{name: ASYA_HANDLER, value: {handler}}}
"""


def environment() -> dict[str, str]:
    """The environment of a command: no colours, no stray settings of ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ASYA_")} | {"NO_COLOR": "1"}


class LocalMesh:
    """A folder with actor files, and perhaps a mesh that runs in it."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        """`url`: address of the RabbitMQ to use; None is the embedded broker."""
        self.folder = folder
        self.url = url
        self.transport = () if url is None else ("--transport", f"rabbitmq={url}")
        self.up_process: subprocess.Popen[bytes] | None = None
        self.seen: dict[int, psutil.Process] = {}

    # --- files --------------------------------------------------------------------------------------------------------

    def handler(self, module: str, source: str) -> Path:
        """Write a handler module."""
        file = self.folder / "handlers" / f"{module}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(source)
        return file

    def actor(self, name: str, handler: str, extra: str = "") -> Path:
        """Write an actor's file; `extra` is put in front of `  workload:`."""
        file = self.folder / f"{name}.yaml"
        file.write_text(ACTOR.format(name=name, handler=handler).replace("  workload:\n", extra + "  workload:\n"))
        return file

    # --- commands -----------------------------------------------------------------------------------------------------

    def asya(
        self, *arguments: str, within_s: float = WITHIN_S, cwd: Path | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run one command to its end."""
        return subprocess.run(
            [ASYA, *arguments],
            cwd=cwd or self.folder,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=within_s,
            stdin=subprocess.DEVNULL,
        )

    def up(self, *arguments: str, wait_for: str | None = "Running") -> None:
        """Start `asya up` and wait until every actor has that status (None: until it is published)."""
        started = self.start(*(arguments or (".",)))

        def there() -> bool:
            assert started.poll() is None, f"asya up ended with {started.returncode}:\n{self.printed}"
            words = self.statuses()
            return bool(words) and (wait_for is None or set(words.values()) == {wait_for})

        until(there, WITHIN_S, what="the mesh to be up")
        self.remember()

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start `asya up` and wait for nothing."""
        log = (self.folder / "up.out").open("ab")
        with log:
            self.up_process = subprocess.Popen(
                [ASYA, "up", *self.transport, *arguments],
                cwd=self.folder,
                env=environment(),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        return self.up_process

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to `asya up`."""
        assert self.up_process is not None
        self.up_process.send_signal(number)

    def wait_for_end(self, within_s: float = WITHIN_S) -> int:
        """Exit code of `asya up`."""
        assert self.up_process is not None
        return self.up_process.wait(within_s)

    @property
    def printed(self) -> str:
        """What `asya up` has printed."""
        return (self.folder / "up.out").read_text(errors="replace")

    # --- facts --------------------------------------------------------------------------------------------------------

    @property
    def state(self) -> dict[str, Any]:
        """The published state, empty before there is one."""
        try:
            found: dict[str, Any] = json.loads((self.folder / ".asya" / "state.json").read_text())
        except OSError:
            return {}
        return found if found.get("pid") else {}

    def entry(self, actor: str) -> dict[str, Any]:
        """One actor in the published state, empty when it is not there."""
        return next((entry for entry in self.state.get("actors", []) if entry["label"] == actor), {})

    def statuses(self) -> dict[str, str]:
        """Actor -> status."""
        return {e["label"]: e["document"]["status"].get("status", "") for e in self.state.get("actors", [])}

    def becomes(self, actor: str, status: str, within_s: float = WITHIN_S) -> None:
        """Wait for a status."""
        until(lambda: self.statuses().get(actor) == status, within_s, what=f"{actor} to be {status}: {self.statuses()}")

    def send(self, actor: str, payload: object, envelope_id: str, *following: str) -> None:
        """Put one envelope into an actor's queue, quicker than the command does."""
        body = {"id": envelope_id, "route": {"prev": [], "curr": actor, "next": list(following)}, "payload": payload}
        with self.admin() as admin:
            outcome = admin.publish(f"asya-default-{actor}", json.dumps(body).encode(), message_id=envelope_id)
        assert outcome is Outcome.CONFIRMED, outcome

    def waiting(self, queue: str) -> int:
        """Messages of a queue, whatever their state."""
        with self.admin() as admin:
            counts = admin.counts(queue)
            return counts.queued + (counts.processing or 0) + (counts.delayed or 0)

    def queues(self) -> list[str]:
        """Names of all queues."""
        if self.url is not None:
            vhost = self.url.rpartition("/")[2]
            return sorted(queue["name"] for queue in shared_node().ask("GET", f"queues/{vhost}?columns=name"))
        with self.admin() as admin:
            return admin.queues()

    @contextmanager
    def admin(self) -> Iterator[Admin]:
        """The broker, seen from outside the mesh."""
        if self.url is None:
            opened = open_admin("sqlite", sqlite_path=self.folder / ".asya" / "mesh.db")
        else:
            opened = open_admin("rabbitmq", rabbitmq=address_of(parse_url(self.url)))
        try:
            yield opened
        finally:
            opened.close()

    def result(self, envelope_id: str, within_s: float = WITHIN_S) -> Any:
        """Payload of a stored result, waited for."""
        file = self.folder / ".asya" / "results" / f"{envelope_id}.json"
        until(file.exists, within_s, what=f"a result of {envelope_id}")
        return json.loads(file.read_text())["payload"]

    def error(self, envelope_id: str, within_s: float = WITHIN_S) -> Any:
        """A stored error envelope, waited for."""
        file = self.folder / ".asya" / "errors" / f"{envelope_id}.json"
        until(file.exists, within_s, what=f"an error of {envelope_id}")
        return json.loads(file.read_text())

    # --- processes ----------------------------------------------------------------------------------------------------

    def processes(self, contains: str = "") -> list[psutil.Process]:
        """The living processes below `asya up` whose command line contains a text."""
        assert self.up_process is not None
        found = []
        for process in psutil.Process(self.up_process.pid).children(recursive=True):
            try:
                if contains in " ".join(process.cmdline()):
                    found.append(process)
            except psutil.NoSuchProcess:
                continue
        return found

    def processes_of(self, actor: str) -> list[psutil.Process]:
        """The living sidecars and runtimes of one actor."""
        found = []
        for process in self.processes():
            try:
                if process.environ().get("ASYA_ACTOR_NAME") == actor:
                    found.append(process)
            except psutil.NoSuchProcess:
                continue
        return found

    def remember(self) -> None:
        """Note the present processes, for `left`."""
        self.seen |= {process.pid: process for process in self.processes()}

    def left(self) -> list[psutil.Process]:
        """Those of the noted processes that still live."""
        return [p for p in self.seen.values() if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]

    def close(self) -> None:
        """End everything."""
        process = self.up_process
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        pid = self.state.get("pid")
        if isinstance(pid, int) and (process is None or pid != process.pid):
            self.asya("down", "--now")
        for survivor in self.left():
            survivor.kill()


@contextmanager
def local_mesh(folder: Path, broker: str = "sqlite") -> Iterator[LocalMesh]:
    """A mesh folder that leaves no process behind; `broker` is sqlite or rabbitmq."""
    with ExitStack() as stack:
        url = None if broker == "sqlite" else stack.enter_context(shared_node().vhost_url())
        mesh = LocalMesh(folder, url)
        stack.callback(mesh.close)
        yield mesh
