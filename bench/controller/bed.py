"""What is measured and what it stands on: a control plane, a RabbitMQ with its defaults, and one controller process.

Measures nothing itself. Whatever is started here is stopped here, also after a failure.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from bench.controller.hands import Hands
from tests.support.controller_process import ControllerProcess, rabbitmq
from tests.support.kube.cluster import Cluster, own_cluster
from tests.support.rabbitmq import Node

ROOT = Path(__file__).parents[2]
NAMESPACE = "bench"
QUIET_CPU_S, QUIET_FOR_S, LOOK_EVERY_S = 0.03, 1.5, 0.1
"""At rest: so little CPU time within so long."""
RESYNCED = (sys.executable, "-m", "bench.controller.resynced")


class PlainNode(Node):
    """A node as an operator has it: the tests' own looks at everything several times a second, which two thousand queues make dear."""

    def _make_environ(self, more: str) -> dict[str, str]:
        environ = super()._make_environ(more)
        (self.folder / "advanced.config").write_text("[].\n")
        settings = self.folder / "rabbitmq.conf"
        settings.write_text(settings.read_text().replace("collect_statistics_interval = 300\n", ""))
        return environ


class Subject:
    """The controller under measurement, with the settings of a fresh installation but for the lease, which an outage would end."""

    def __init__(self, cluster: Cluster, broker: Node, vhost: str) -> None:
        self._cluster = cluster
        transports = {"rabbitmq": rabbitmq(broker, vhost)}
        self._config = {"transports": transports, "sidecar": {"image": "asya-sidecar:bench"}}
        self.process: ControllerProcess | None = None
        self._watched: psutil.Process | None = None

    def launch(self, environ: Mapping[str, str] | None = None, *, resynced: bool = False) -> None:
        """Start it, without waiting."""
        variables = {"ASYA_QUEUE_HEALTH_CHECK_INTERVAL": "30s", **(environ or {})}
        variables |= {"PYTHONPATH": str(ROOT)} if resynced else {}
        command = RESYNCED if resynced else None
        self.process = ControllerProcess(self._cluster, (NAMESPACE,), self._config, variables, command)
        self.process.launch()
        assert self.process.process is not None, "just launched"
        self._watched = psutil.Process(self.process.process.pid)

    def start(self, environ: Mapping[str, str] | None = None, *, resynced: bool = False) -> None:
        """Start it, and wait until its caches are full."""
        self.launch(environ, resynced=resynced)
        deadline = time.monotonic() + 60
        while not self.controller.is_ready():
            if time.monotonic() > deadline:
                raise RuntimeError(f"the controller is not ready: {self.controller.log()[-2000:]}")
            time.sleep(LOOK_EVERY_S)

    @property
    def controller(self) -> ControllerProcess:
        """The process that runs now."""
        assert self.process is not None, "started before"
        return self.process

    def stop(self) -> None:
        """End it in good order."""
        if self.process is not None:
            self.process.stop()
            self.process.close()
            self.process = None

    def close(self) -> None:
        """End it, whatever state it is in."""
        if self.process is not None:
            self.process.close()

    def cpu_s(self) -> float:
        """CPU time so far, user and system."""
        assert self._watched is not None, "started before"
        times = self._watched.cpu_times()
        return float(times.user + times.system)

    def rss_mb(self) -> float:
        """Resident memory now, MiB."""
        assert self._watched is not None, "started before"
        return float(self._watched.memory_info().rss / 2**20)

    def rest(self, within_s: float = 300.0) -> float:
        """Wait until it does nothing; the time of the monotonic clock at which it did something last. Silence has no event."""
        last, since, deadline = self.cpu_s(), time.monotonic(), time.monotonic() + within_s
        while time.monotonic() - since < QUIET_FOR_S:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the controller does not come to rest: {self.controller.log()[-2000:]}")
            time.sleep(LOOK_EVERY_S)
            now = self.cpu_s()
            if now - last > QUIET_CPU_S:
                last, since = now, time.monotonic()
        return since

    def passes(self) -> float:
        """Passes so far."""
        return self.controller.metric("controller_runtime_reconcile_total")

    def shown(self) -> float:
        """Actors that a pass has reported on."""
        return self.controller.metric("asya_asyncactor_status")


@contextlib.contextmanager
def bed() -> Iterator[tuple[Cluster, Hands, Subject]]:
    """Everything, running but for the controller."""
    os.environ.pop("KUBECONFIG", None)  # the figures are those of a control plane on this machine
    cluster = own_cluster()
    broker: Node | None = None
    subject: Subject | None = None
    hands: Hands | None = None
    try:
        broker = PlainNode()
        broker.add_vhost(NAMESPACE)
        cluster.api.create("namespaces", "", {"metadata": {"name": NAMESPACE}})
        hands = Hands(cluster.api, NAMESPACE)
        subject = Subject(cluster, broker, NAMESPACE)
        yield cluster, hands, subject
    finally:
        for part in (subject, hands, broker, cluster):
            if part is not None:
                part.close()
