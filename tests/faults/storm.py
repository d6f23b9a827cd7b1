"""The storm: envelopes flow over three hops of a real RabbitMQ while everything is killed, frozen, blocked and deleted.

`run` is called by test_storm.py with small numbers and by storm_main.py, which is `make storm`, with large ones. It makes a ledger and the
report over it: what must hold after it is `Report.troubles`.

About the deleted queue: what lies in a queue that an operator deletes is gone by his hand, not by the mesh's. So the producer pauses, the
storm waits until nothing is in any queue or in hand, deletes the queue of the second actor under its consumers, lets the producer go on,
and makes the queue again once all consumers have noticed. Nothing may be lost of what was sent while it was away.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.ledger import Ledger, check, read
from tests.faults.storm_harvest import harvest
from tests.faults.storm_mesh import REPLICAS, VHOST, Pod, StormMesh, queue_of
from tests.faults.storm_plan import ACTORS, envelopes
from tests.faults.storm_publisher import Publisher
from tests.faults.storm_report import Report, Scale
from tests.support.rabbitmq import Node, node
from tests.support.sidecar_process import Sidecar
from tests.support.wait import short_tmp, until

PASSWORD = "canary-password-5b1e0c"
CANARY = "canary-payload-83f2d7"
BACKLOG = 1000
"""Ends that may be missing before the producer waits: enough for full windows, little enough to be gone soon after the last fault."""
ALARM_S = 20.0
"""Longer than the 15 s after which a sidecar replaces a blocked connection."""
UNWRITTEN_S = 0.5
"""Acknowledgements of so long may be lost with a broker."""
KILL_IN_FAULT_EVERY_S = 4.0
NO_MEMORY, MEMORY = "1MB", "1GB"


class Storm:
    """One run."""

    def __init__(self, scale: Scale, mesh: StormMesh, ledger: Ledger, enough: threading.Event) -> None:
        self.kills = 0
        self._scale = scale
        self._enough = enough
        self._mesh = mesh
        self._ledger = ledger
        self._chance = random.Random(scale.seed)
        self._ended: set[str] = set()
        self._moved_at = self._look_again_at = time.monotonic()
        self._in_fault = threading.Event()
        self._killed_at = 0.0
        self._over = threading.Event()
        self._killer_error: BaseException | None = None
        plan = envelopes(scale.seed, CANARY)
        first = queue_of(ACTORS[0])
        self._publisher = Publisher(mesh.node.port, VHOST, first, plan, scale.envelopes, ledger, self._is_full)
        self._killer = threading.Thread(target=self._kill_all_the_time, daemon=True)

    def rage(self) -> float:
        """From the first envelope to empty queues; seconds from the last fault to these."""
        for pod in self._mesh.pods:
            until(lambda pod=pod: not self._reasons(pod), 60, what=f"{pod.name} is ready")
        kinds = {
            self._freeze: self._scale.freezes,
            self._alarm: self._scale.alarms,
            self._delete: self._scale.deletions,
        }
        events = [event for event, count in kinds.items() for _ in range(count)] + [self._crash] * self._scale.crashes
        self._chance.shuffle(events)
        self._publisher.start()
        self._killer.start()
        try:
            for number, event in enumerate(events, 1):
                share = number / (len(events) + 1) * self._scale.envelopes
                self._wait_or_enough(
                    lambda share=share: self._publisher.accepted >= share, f"{event.__name__[1:]} is due"
                )
                if self._enough.is_set():
                    break
                self._tell(event.__name__[1:])
                event()
            self._wait_or_enough(lambda: self._publisher.over.is_set(), "all is published")
            self._publisher.stop()
            self._wait_or_enough(lambda: self.kills >= self._scale.kills, "all is killed")
            self._over.set()
            self._killer.join()
            last = time.monotonic()
            self._tell("no more faults")
            self._wait(self._is_quiet, "empty queues")
            return time.monotonic() - last
        finally:
            self._over.set()
            self._publisher.stop()
            self._killer.join()

    def _tell(self, what: str) -> None:
        """For who watches; a run may take an hour."""
        done, kills = len(self._ended), self.kills
        said = f"{time.strftime('%X')} {what}; {self._publisher.accepted} accepted, {done} ended, {kills} kills\n"
        sys.stderr.write(said)

    # looking

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        """As long as there is progress."""
        while not condition():
            self._look()
            for error in (self._publisher.error, self._mesh.supervisor_error, self._killer_error):
                if error is not None:
                    raise AssertionError(f"while waiting until {what}") from error
            if time.monotonic() - self._moved_at > self._scale.stuck_s:
                missing = sorted(self._publisher.wanted - self._ended)
                raise AssertionError(f"no progress before {what}; {len(missing)} missing: {missing[:20]}")
            time.sleep(0.2)

    def _wait_or_enough(self, condition: Callable[[], bool], what: str) -> None:
        self._wait(lambda: self._enough.is_set() or condition(), what)

    def _look(self) -> None:
        """What has ended by now. Reads folders that grow to a hundred thousand files, so it rests ten times as long as that takes."""
        if time.monotonic() < self._look_again_at:
            return
        began = time.monotonic()
        ended = self._mesh.ended()
        now = time.monotonic()
        if len(ended) != len(self._ended):
            self._moved_at = now
        self._ended, self._look_again_at = ended, now + max(0.5, 10 * (now - began))

    def _is_full(self) -> bool:
        return len(self._publisher.wanted) - len(self._ended) >= BACKLOG

    def _is_quiet(self) -> bool:
        """All ends are there, and twice in a row nothing is queued or in hand."""
        if not self._publisher.wanted <= self._ended or not self._mesh.is_empty():
            return False
        time.sleep(1.5)  # figures of the management interface are at most 1.3 s old
        return self._mesh.is_empty()

    # killing

    def _kill_all_the_time(self) -> None:
        """As far as the envelopes have come, so far come the kills; and some while the broker is away."""
        try:
            while not (self._over.wait(0.05) or self._enough.is_set()) and self.kills < self._scale.kills:
                done = len(self._ended) / self._scale.envelopes
                waited = time.monotonic() - self._killed_at > KILL_IN_FAULT_EVERY_S
                late = self._publisher.over.is_set() and time.monotonic() - self._killed_at > 0.5
                if self.kills < done / 0.95 * self._scale.kills or late or (self._in_fault.is_set() and waited):
                    self._mesh.kill_one(self._chance)
                    self._killed_at = time.monotonic()
                    self.kills += 1
                    self._over.wait(self._chance.uniform(0, 0.5))
        except Exception as error:  # noqa: BLE001 - a thread's end must be told to the test
            self._killer_error = error

    # the broker's faults

    def _interrupt(self, kind: str, begin: Callable[[], None], end: Callable[[], None]) -> None:
        began = time.time() - UNWRITTEN_S
        self._in_fault.set()
        begin()
        end()
        self._in_fault.clear()
        self._ledger.write("fault", kind=kind, pod=None, begin=began, until=time.time())
        self._moved_at = time.monotonic()

    def _crash(self) -> None:
        """`kill -9` of the node, which starts again on its data. AMQP confirms no acknowledgement: the last ones may not be on its disk."""
        self._interrupt("broker killed", self._mesh.node.kill, self._mesh.node.start)

    def _freeze(self) -> None:
        """Until no sidecar says that it is ready."""

        def end() -> None:
            try:
                until(lambda: all(self._reasons(pod) for pod in self._mesh.pods), 60, 0.2, what="the freeze is noticed")
            finally:
                self._mesh.node.thaw()

        self._interrupt("broker frozen", self._mesh.node.freeze, end)

    def _alarm(self) -> None:
        """The broker takes no messages."""

        def is_set(amount: str) -> bool:
            try:
                self._mesh.node.control("set_vm_memory_high_watermark", "absolute", amount)
            except subprocess.CalledProcessError as error:
                sys.stderr.write(f"{error}: {error.stderr.decode(errors='replace')}\n")
                return False
            return True

        def watermark(amount: str) -> None:
            """Tried again: a node that is full of work lets rabbitmqctl's own time limits pass."""
            until(lambda: is_set(amount), 180, 1.0, what=f"the memory limit is {amount}")

        def end() -> None:
            try:
                until(
                    lambda: any("publish_blocked" in self._reasons(pod) for pod in self._mesh.pods), 30, what="blocked"
                )
                time.sleep(ALARM_S)  # the fault's length
            finally:
                watermark(MEMORY)

        self._interrupt("memory alarm", lambda: watermark(NO_MEMORY), end)

    def _delete(self) -> None:
        """See this file's beginning."""
        self._publisher.hold()
        self._wait(self._is_quiet, "empty queues before one is deleted")
        began, actor = time.time(), ACTORS[1]
        pods = [pod for pod in self._mesh.pods if pod.actor == actor]
        assert len(pods) == REPLICAS
        before = self._publisher.accepted
        self._mesh.admin.delete(queue_of(actor))
        self._publisher.go()
        # Before the mesh takes it for an actor that does not exist.
        within_s = 0.8 * self._scale.unknown_actor_wait_s
        until(lambda: self._publisher.accepted > before, within_s, what="something is sent while the queue is away")
        until(lambda: all("queue_missing" in self._reasons(pod) for pod in pods), within_s, what="noticed")
        self._mesh.admin.declare(queue_of(actor))
        # Nobody's deliveries were in progress there: no additional run may follow from it.
        self._ledger.write("fault", kind="queue deleted", pod="", begin=began, until=time.time())

    @staticmethod
    def _reasons(pod: Pod) -> list[str]:
        """Why its sidecar is not ready; one that has just been killed cannot say so."""
        sidecar = pod.processes["sidecar"]
        assert isinstance(sidecar, Sidecar)
        try:
            return sidecar.reasons
        except (OSError, AssertionError, ValueError):
            return ["starting"]


def run(scale: Scale, ledger_path: Path, enough: threading.Event | None = None) -> Report:
    """One storm in a folder and with a broker of its own; the ledger stays.

    `enough`: once set nothing more is sent or broken, and what was is judged.
    """
    began = time.monotonic()
    ledger = Ledger(ledger_path)
    with short_tmp() as folder, node() as own:
        mesh = StormMesh(folder, own, ledger, PASSWORD, scale)
        try:
            drained_s = Storm(scale, mesh, ledger, enough or threading.Event()).rage()
            mesh.stop()
            harvest(mesh, ledger)
        except BaseException:
            shutil.copytree(folder, ledger_path.with_name("storm-failed"), dirs_exist_ok=True, ignore=_no_sockets)
            raise
        finally:
            mesh.close()
            ledger.close()
        told = _secrets_told(folder, own)
        report = Report(
            scale,
            check(read(ledger_path), scale.window, unstarted_seen=False),
            time.monotonic() - began,
            drained_s,
            mesh.rss_mb,
            told,
        )
        if report.troubles():
            shutil.copytree(folder, ledger_path.with_name("storm-failed"), dirs_exist_ok=True, ignore=_no_sockets)
        return report


def _no_sockets(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name.endswith(".sock") or Path(folder, name).is_socket()]


def _secrets_told(folder: Path, broker: Node) -> list[str]:
    logs = [*folder.glob("*/*.log"), *(broker.folder / "log").glob("**/*.log"), broker.folder / "output"]
    assert len(logs) > 10, "the logs are not where they were looked for"
    secrets = (PASSWORD.encode(), CANARY.encode())
    found = []
    for log in logs:
        with log.open("rb") as lines:
            if any(secret in line for line in lines for secret in secrets):
                found.append(log.name)
    return found
