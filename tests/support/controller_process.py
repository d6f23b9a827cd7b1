"""A real controller process for tests: `python -m asya_controller` with files and ports of its own.

Started with a way to a test's cluster, usually through the proxy that judges it, and the address of a test's broker; ended by pid, also
when the test fails. It sees the namespaces it is given and no others, so that tests on one cluster do not disturb each other.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.console import ROOT
from tests.support.guarded import Guarded
from tests.support.kube.cluster import SYSTEM, Cluster
from tests.support.kube.proxy import ApiProxy
from tests.support.rabbitmq import PASSWORD, USER, Broker
from tests.support.wait import until

SCRIPT = ROOT / "runtime" / "asya_runtime.py"
TRANSPORT = "rabbitmq"


class ControllerProcess:
    """One process. `start`, `stop`, `kill`; `metric` and `log` tell what it did."""

    def __init__(
        self,
        way: ApiProxy | Cluster,
        namespaces: tuple[str, ...],
        config: Mapping[str, Any],
        environ: Mapping[str, str] | None = None,
        command: Sequence[str] | None = None,
    ) -> None:
        self._command = command or (sys.executable, "-m", "asya_controller")
        self._folder = Path(tempfile.mkdtemp(prefix="asya-controller-"))
        self._guarded = Guarded(self._folder)
        for transport in config["transports"]:
            self.password(transport, PASSWORD)
        self.configure(config)
        if isinstance(way, Cluster):
            self._write_kubeconfig(way)
        else:
            way.kubeconfig(self._folder)
        self._ports: list[int] = []
        """Of probes and metrics, as the process chose them."""
        self._environ = {
            "PATH": os.environ["PATH"],
            # Where a planted bug is looked for, the code is in a copy of the tree.
            **{name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ},
            "KUBECONFIG": str(self._folder / "kubeconfig"),
            "POD_NAMESPACE": SYSTEM,
            # One lease for all tests of a cluster would make them wait for each other; the lease has tests of its own.
            "ASYA_LEADER_ELECT": "false",
            "ASYA_CONFIG_FILE": str(self._folder / "controller.yaml"),
            "ASYA_RUNTIME_SCRIPT_PATH": str(SCRIPT),
            "ASYA_TRANSPORT_CREDENTIALS_PATH": str(self._folder / "transports"),
            "ASYA_WATCH_NAMESPACES": ",".join(namespaces),
            "ASYA_QUEUE_HEALTH_CHECK_INTERVAL": "5s",
            "ASYA_PROBE_ADDR": "127.0.0.1:0",
            "ASYA_METRICS_ADDR": "127.0.0.1:0",
            **(environ or {}),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def configure(self, config: Mapping[str, Any]) -> None:
        """Write the operator's configuration; read at the next start."""
        (self._folder / "controller.yaml").write_text(json.dumps(config))

    def password(self, transport: str, text: str) -> None:
        """Write the controller's own password for a transport."""
        folder = self._folder / "transports" / transport
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "password").write_text(text)

    def without_password(self, transport: str) -> None:
        """Take it away."""
        (self._folder / "transports" / transport / "password").unlink()

    def environ(self, more: Mapping[str, str]) -> None:
        """Set variables; read at the next start."""
        self._environ |= more

    def _write_kubeconfig(self, cluster: Cluster) -> None:
        """With the rights that the shipped manifests give, and no others."""
        api = cluster.as_controller
        place: dict[str, Any] = {"server": api.server}
        if cluster.ca:
            place["certificate-authority-data"] = base64.b64encode(cluster.ca.encode()).decode()
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "clusters": [{"name": "test", "cluster": place}],
            "users": [{"name": "test", "user": {"token": api.token}}],
        }
        (self._folder / "kubeconfig").write_text(json.dumps(document))

    def launch(self) -> None:
        """Start, without waiting."""
        self._ports = []
        self._log_begins = self.log_file.stat().st_size if self.log_file.exists() else 0
        self.process = self._guarded.start(self._command, self.log_file, self._environ, self._folder)

    def start(self) -> None:
        """Start, and wait until its caches are full; a machine with forty waiting needs more than 30 s for the imports alone."""
        self.launch()
        until(self.is_ready, 90, what=f"the controller is ready; see {self.log_file}")

    def is_ready(self) -> bool:
        """`/readyz` says so."""
        assert self.process is not None, "started before"
        assert self.process.poll() is None, self.log()
        try:
            return self.probe("/readyz")[0] == 200
        except (urllib.error.URLError, OSError):
            return False

    def probe(self, path: str) -> tuple[int, str]:
        """Code and text of an answer, as a kubelet gets it.

        Raises:
            OSError: there is none yet.
        """
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port(0)}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode().strip()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode().strip()

    def _port(self, which: int) -> int:
        """Of the probes (0) or the metrics (1). Chosen by the process: two that are started together never meet.

        Raises:
            ConnectionError: it has not said so yet.
        """
        if not self._ports:
            for line in self.log()[self._log_begins :].splitlines():
                if line.startswith("{") and '"ports"' in line and line.endswith("}"):
                    self._ports = json.loads(line)["ports"]
        if not self._ports:
            raise ConnectionError("the controller does not listen yet")
        return self._ports[which]

    @property
    def log_file(self) -> Path:
        """What it wrote."""
        return self._folder / "log"

    def log(self) -> str:
        """What it wrote."""
        return self.log_file.read_text()

    @property
    def metrics_address(self) -> str:
        """Where it answers Prometheus."""
        return f"127.0.0.1:{self._port(1)}"

    def metric(self, series: str, **labels: str) -> float:
        """The sum of all series of that name that have these labels."""
        with urllib.request.urlopen(f"http://{self.metrics_address}/metrics", timeout=20) as answer:
            lines = answer.read().decode().splitlines()
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        found = (line.rpartition(" ") for line in lines if line.startswith((f"{series}{{", f"{series} ")))
        return sum(float(value) for shown, _, value in found if all(part in shown for part in wanted))

    def writes(self) -> float:
        """Requests so far that write anything but the lease."""
        return sum(self.metric("rest_client_requests_total", method=method) for method in ("PATCH", "POST", "DELETE"))

    def stop(self) -> int:
        """SIGTERM; the exit code.

        Raises:
            AssertionError: it does not obey.
        """
        code = self._end(signal.SIGTERM)
        assert code != -signal.SIGKILL, self.log()[-3000:]
        return code

    def kill_now(self) -> None:
        """SIGKILL, without waiting: for who stands in the middle of a request."""
        assert self.process is not None, "started before"
        self.process.kill()

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> int:
        process, self.process = self.process, None
        return 0 if process is None else self._guarded.end(process, how, 45)

    def close(self) -> None:
        """End it, whatever state it is in; what it wrote is gone."""
        self.process = None
        self._guarded.close()


def rabbitmq(broker: Broker, vhost: str, **changes: Any) -> dict[str, Any]:
    """A transport on a virtual host of a test's broker; None takes a key away, `enabled` is the transport's own."""
    address = broker.address(vhost)
    enabled = changes.pop("enabled", True)
    config = {
        "host": address.hosts[0],
        "port": address.port,
        "vhost": vhost,
        "username": USER,
        "passwordSecretRef": {"name": "rabbitmq", "key": "password"},
        "managementUrl": broker.management_url,
        **changes,
    }
    kept = {key: value for key, value in config.items() if value is not None}
    return {"type": "rabbitmq", "enabled": enabled, "config": kept}


@contextlib.contextmanager
def running(
    way: ApiProxy | Cluster,
    namespaces: tuple[str, ...],
    config: Mapping[str, Any],
    environ: Mapping[str, str] | None = None,
    command: Sequence[str] | None = None,
) -> Iterator[ControllerProcess]:
    """A controller that runs for one test."""
    found = ControllerProcess(way, namespaces, config, environ, command)
    try:
        found.start()
        yield found
    finally:
        found.close()
