"""Nothing is lost and nothing invented while processes are killed all the time."""

import json
import random
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from asya_transport.choose import open_admin
from asya_transport.port import Outcome
from tests.support.local_mesh import LocalMesh, local_mesh
from tests.support.wait import until

ENVELOPES = 1000
KILL_EVERY_S = 0.2
# Every twentieth payload is one the handler refuses: 5 %.
HANDLER = """\
import time


def work(payload):
    time.sleep(0.004)
    if payload["number"] % 20 == 0:
        raise ValueError("one in twenty")
    return payload
"""


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[LocalMesh]:
    with local_mesh(tmp_path) as found:
        yield found


class Storm(threading.Thread):
    """Kills a random sidecar or runtime, end actors included, until it is told to stop."""

    def __init__(self, mesh: LocalMesh) -> None:
        super().__init__(daemon=True)
        self.kills = 0
        self._mesh = mesh
        self._over = threading.Event()
        self._random = random.Random(17)  # the order of kills is the same in every run

    def run(self) -> None:
        while not self._over.wait(KILL_EVERY_S):
            running = [p for p in self._mesh.processes() if _is_replica(p)]
            if running:
                victim = self._random.choice(sorted(running, key=lambda process: process.pid))
                try:
                    victim.kill()
                    self.kills += 1
                except psutil.NoSuchProcess:
                    continue

    def end(self) -> None:
        self._over.set()
        self.join()


def _is_replica(process: psutil.Process) -> bool:
    try:
        line = " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False
    return "asya_sidecar" in line or "asya_runtime.py" in line


def ended(mesh: LocalMesh) -> set[str]:
    """Ids of all stored results and errors."""
    state = mesh.folder / ".asya"
    return {file.stem for kind in ("results", "errors") for file in (state / kind).glob("*.json")}


def put_all(mesh: LocalMesh, ids: list[str]) -> None:
    admin = open_admin("sqlite", sqlite_path=mesh.folder / ".asya" / "mesh.db")
    for number, name in enumerate(ids):
        body = {"id": name, "route": {"prev": [], "curr": "first", "next": ["second"]}, "payload": {"number": number}}
        assert admin.publish("asya-default-first", json.dumps(body).encode(), message_id=name) is Outcome.CONFIRMED
    admin.close()


@pytest.mark.timeout(600)
def test_every_envelope_ends_once_at_x_sink_or_x_sump_while_processes_are_killed(mesh: LocalMesh) -> None:
    mesh.handler("busy", HANDLER)
    for name in ("first", "second"):
        mesh.actor(name, "busy.work", "  resiliency: {policies: {default: {maxAttempts: 1}}}\n")
    mesh.up()
    ids = [f"e-{number}" for number in range(ENVELOPES)]
    storm = Storm(mesh)
    storm.start()
    try:
        put_all(mesh, ids)
        until(lambda: len(ended(mesh)) >= ENVELOPES, within_s=500, every_s=0.25, what="all envelopes to end")
    finally:
        storm.end()
    assert storm.kills > 20
    assert ended(mesh) == set(ids)
    # What was handed out when its process died may end twice, at both ends even, but only under its own id.
    errors = {file.stem for file in (mesh.folder / ".asya" / "errors").glob("*.json")}
    assert {f"e-{number}" for number in range(0, ENVELOPES, 20)} <= errors
    until(lambda: all(mesh.waiting(queue) == 0 for queue in mesh.queues()), within_s=60, what="empty queues")
    mesh.remember()
    down = mesh.asya("down", within_s=60)
    assert down.returncode == 0, down.stderr
    assert mesh.wait_for_end() == 0
    assert mesh.left() == []


def test_down_during_work_leaves_no_process_and_the_next_up_finishes_the_rest(mesh: LocalMesh) -> None:
    mesh.handler("busy", HANDLER)
    mesh.actor("first", "busy.work")
    mesh.actor("second", "busy.work")
    mesh.up()
    ids = [f"e-{number}" for number in range(300)]
    put_all(mesh, ids)
    until(lambda: len(ended(mesh)) > 5, what="some to end")
    mesh.remember()
    mesh.signal(signal.SIGINT)
    assert mesh.wait_for_end() == 0
    assert mesh.left() == []
    mesh.up()
    until(lambda: ended(mesh) == set(ids), within_s=60, what="the rest to end")
