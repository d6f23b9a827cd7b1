"""The mesh a storm rages in: three actors of two pods each, x-sink and x-sump of the crew, on a RabbitMQ node of its own.

Every pod is a real sidecar and a real runtime. A supervisor starts again what has ended, each for itself, as a kubelet does but without
its pauses, and writes every end into the ledger. The sidecars enter the broker as a user with the rights the contract names and no more.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from pathlib import Path

import psutil

from asya_transport.rabbitmq.admin import RabbitmqAdmin
from tests.faults.ledger import Ledger
from tests.faults.storm_plan import ACTORS
from tests.faults.storm_report import Scale
from tests.support.rabbitmq import Node
from tests.support.rabbitmq_mesh import TIERS, tiers_of
from tests.support.sidecar_process import Process, Runtime, Sidecar
from tests.support.wait import until

NAMESPACE = "ns"
VHOST = "storm"
USER = "mesh"
ENDS = {"x-sink": "asya_crew.sink.handle", "x-sump": "asya_crew.sump.handle"}
REPLICAS = 2
ACTOR_TIMEOUT = "4s"
LOOK_EVERY_S = 0.02
MEASURE_EVERY_S = 1.0
POLICY = {"default": {"maxAttempts": 3, "backoff": "constant", "initialDelay": "500ms", "jitter": False}}
RIGHTS = {"configure": "^$", "write": r"^(amq\.default|asya\.delay\..*)$", "read": f"^asya-{NAMESPACE}-.*$"}


def queue_of(actor: str) -> str:
    return f"asya-{NAMESPACE}-{actor}"


class Pod:
    """A folder, a sidecar and a runtime. `start` replaces one of them."""

    def __init__(self, name: str, actor: str, folder: Path, broker_env: dict[str, str], window: int) -> None:
        self.name = name
        self.actor = actor
        self.folder = folder
        folder.mkdir()
        self.processes: dict[str, Process] = {}
        self._lives = dict.fromkeys(("runtime", "sidecar"), 0)
        common = {"ASYA_ACTOR_NAME": actor, "ASYA_SOCKET_DIR": str(folder)}
        self._sidecar = common | broker_env | {"ASYA_METRICS_ADDR": "127.0.0.1:0", "ASYA_PREFETCH_MAX": str(window)}
        self._runtime = common | {"ASYA_HANDLER_MODE": "envelope", "RUNS": str(self.runs)}
        if actor in ENDS:
            # Payloads in the crew's log are its purpose, and would hide whether anybody else logs them.
            self._runtime |= {"ASYA_PERSISTENCE_MOUNT": str(folder.parent / "store"), "ASYA_LOG_PAYLOADS": "false"}
            self._runtime["ASYA_ENABLE_VALIDATION"] = "false"
            self._sidecar["ASYA_IS_END_ACTOR"] = "true"
        else:
            self._runtime["SIDECAR_PID"] = str(folder / "sidecar.pid")
            self._sidecar["ASYA_RESILIENCY_ACTOR_TIMEOUT"] = ACTOR_TIMEOUT
            self._sidecar["ASYA_RESILIENCY_POLICIES"] = json.dumps(POLICY)
        for role in ("runtime", "sidecar"):
            self.start(role)

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    def logs(self, role: str) -> list[Path]:
        """One for each life, in order."""
        return [self.folder / f"{role}-{life}.log" for life in range(1, self._lives[role] + 1)]

    def start(self, role: str) -> None:
        self._lives[role] += 1
        log = self.logs(role)[-1]
        if role == "runtime":
            handler = ENDS.get(self.actor, "storm_handlers.handle")
            self.processes[role] = Runtime(self.folder, log, handler, self._runtime)
        else:
            self.processes[role] = process = Sidecar(log, self._sidecar)
            (self.folder / "sidecar.pid").write_text(str(process.pid))


class StormMesh:
    """`pods` and the broker. `close` ends all of them."""

    def __init__(self, folder: Path, node: Node, ledger: Ledger, password: str, scale: Scale) -> None:
        self.folder = folder
        self.node = node
        self.store = folder / "store"
        self.store.mkdir()
        self.rss_mb: dict[str, float] = {}
        """Pod -> the most its sidecars ever had."""
        self.supervisor_error: BaseException | None = None
        self._ledger = ledger
        self._over = threading.Event()
        node.add_vhost(VHOST)
        node.add_user(USER, password)
        node.permit(VHOST, USER, **RIGHTS)
        self.address = node.address(VHOST, delay_tiers=tiers_of(TIERS))
        self.admin = RabbitmqAdmin(self.address, management_url=node.management_url)
        for actor in (*ACTORS, *ENDS):
            self.admin.declare(queue_of(actor))
        broker = {
            "ASYA_NAMESPACE": NAMESPACE,
            "ASYA_TRANSPORT": "rabbitmq",
            "ASYA_RABBITMQ_HOST": "127.0.0.1",
            "ASYA_RABBITMQ_PORT": str(node.port),
            "ASYA_RABBITMQ_VHOST": VHOST,
            "ASYA_RABBITMQ_USERNAME": USER,
            "ASYA_RABBITMQ_PASSWORD": password,
            "ASYA_RABBITMQ_DELAY_TIERS": TIERS,
            "ASYA_UNKNOWN_ACTOR_WAIT": f"{scale.unknown_actor_wait_s:g}s",
        }
        names = [(f"{actor}-{number}", actor) for actor in ACTORS for number in range(REPLICAS)]
        names += [(actor, actor) for actor in ENDS]
        self.pods = [Pod(name, actor, folder / name, broker, scale.window) for name, actor in names]
        self._supervisor = threading.Thread(target=self._supervise, daemon=True)
        self._supervisor.start()

    # the supervisor

    def _supervise(self) -> None:
        try:
            measured_at = 0.0
            looked_at = time.time()
            while not self._over.wait(LOOK_EVERY_S):
                before, looked_at = looked_at, time.time()
                for pod in self.pods:
                    for role, process in pod.processes.items():
                        if process.popen.poll() is not None:
                            # Written before the new one starts: until then nothing else can be interrupted.
                            self._ledger.write("fault", kind=role, pod=pod.name, begin=before, until=time.time())
                            pod.start(role)
                if time.monotonic() > measured_at + MEASURE_EVERY_S:
                    measured_at = time.monotonic()
                    self._measure()
        except Exception as error:  # noqa: BLE001 - a thread's end must be told to the test
            self.supervisor_error = error

    def _measure(self) -> None:
        for pod in self.pods:
            try:
                rss_mb = psutil.Process(pod.processes["sidecar"].pid).memory_info().rss / 2**20
            except psutil.NoSuchProcess:
                continue
            self.rss_mb[pod.name] = max(self.rss_mb.get(pod.name, 0.0), rss_mb)

    def kill_one(self, chance: random.Random) -> None:
        """SIGKILL for a sidecar or a runtime, whichever it hits; the supervisor notices."""
        living = [
            (pod, role) for pod in self.pods for role, process in pod.processes.items() if process.popen.poll() is None
        ]
        pod, role = chance.choice(living)
        self._ledger.write("killed", pod=pod.name, role=role)
        pod.processes[role].popen.kill()

    # the broker

    def left(self) -> dict[str, int]:
        """Messages in every queue, delay tiers and dead letters too, in whatever state."""
        found = self.node.ask("GET", f"queues/{VHOST}?columns=name,messages")
        # A node that has just started has no figures yet: not known is not empty.
        return {queue["name"]: count for queue in found if (count := queue.get("messages", -1)) != 0}

    def is_empty(self) -> bool:
        """Also when the broker is asked itself, whose figures are not old; unsettled ones only the management interface knows."""
        return not self.left() and not any(self.admin.counts(queue_of(actor)).queued for actor in (*ACTORS, *ENDS))

    # the end

    def ended(self) -> set[str]:
        """Ids of all stored results and errors."""
        folders = [folder for kind in ("results", "errors") if (folder := self.store / kind).is_dir()]
        listed = (name for folder in folders for name in os.listdir(folder))  # noqa: PTH208 - a path for each of 100,000 is slow
        return {name[:-5] for name in listed if name[0] != "."}

    def stop(self) -> None:
        """Ask all sidecars, then all runtimes, to end, so that their logs are whole."""
        self._over.set()
        self._supervisor.join()
        for role in ("sidecar", "runtime"):
            for pod in self.pods:
                pod.processes[role].terminate()
            for pod in self.pods:
                until(
                    lambda ended=pod.processes[role].popen: ended.poll() is not None,
                    20,
                    what=f"end of {pod.name}'s {role}",
                )

    def close(self) -> None:
        self._over.set()
        self._supervisor.join()
        for pod in self.pods:
            for process in pod.processes.values():
                if process.popen.poll() is None:
                    process.kill()
        self.admin.close()
