"""The same AsyncActors under an operator made with kopf: what each costs it in CPU time.

Called by bench/controller/__main__.py. `tools/bench-controller` installs kopf into build/kopf.
"""

from __future__ import annotations

import os
import subprocess
import time

import psutil

from bench.controller.bed import ROOT
from bench.controller.hands import Hands
from tests.support.kube.cluster import Cluster

KOPF = ROOT / "build" / "kopf" / "bin" / "kopf"
OPERATOR = ROOT / "bench" / "controller" / "kopf_operator.py"
LOG = ROOT / "build" / "bench-kopf.log"
NAMESPACE = "bench-kopf"
WITHIN_S = 60.0


def cpu_ms(cluster: Cluster, batches: int, batch: int) -> list[float]:
    """Milliseconds of CPU time for each actor, for each batch, after one that is not counted.

    Raises:
        RuntimeError: kopf is not installed, or does not get there.
    """
    if not KOPF.exists():
        raise RuntimeError(f"{KOPF} is missing: run tools/bench-controller, or pass --without-kopf")
    cluster.api.create("namespaces", "", {"metadata": {"name": NAMESPACE}})
    hands = Hands(cluster.api, NAMESPACE)
    environ = os.environ | {"KUBECONFIG": str(cluster.kubeconfig)}
    command = [str(KOPF), "run", "--standalone", "--quiet", "--namespace", NAMESPACE, str(OPERATOR)]
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("wb") as log:
        process = subprocess.Popen(command, env=environ, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        watched = psutil.Process(process.pid)
        samples = []
        for number in range(batches + 1):
            names = [f"kopf-{number}-{member}" for member in range(batch)]
            begun = cpu_s(watched)
            hands.create(names)
            hands.wait(names, lambda status: status.get("observedGeneration") == 1, "seen by kopf")
            rest(watched)
            samples.append((cpu_s(watched) - begun) / batch * 1e3)
        return samples[1:]
    finally:
        process.kill()
        process.wait()
        hands.close()


def cpu_s(process: psutil.Process) -> float:
    """CPU time so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def rest(process: psutil.Process) -> None:
    """Until it uses no more CPU time for a second."""
    last, since, deadline = cpu_s(process), time.monotonic(), time.monotonic() + WITHIN_S
    while time.monotonic() - since < 1.0:
        if time.monotonic() > deadline:
            raise RuntimeError(f"kopf does not come to rest; see {LOG}")
        time.sleep(0.1)
        if cpu_s(process) - last > 0.02:
            last, since = cpu_s(process), time.monotonic()
