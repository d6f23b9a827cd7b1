"""A real controller process for tests: `python -m asya_controller` with files and ports of its own.

Started with the kubeconfig of a test's cluster and the address of a test's broker; ended by pid, also when the test fails. It sees the
namespaces it is given and no others, so that tests on one cluster do not disturb each other.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.support.console import ROOT
from tests.support.guarded import free_port
from tests.support.rabbitmq import PASSWORD, USER, Broker
from tests.support.wait import until

SCRIPT = ROOT / "runtime" / "asya_runtime.py"
TRANSPORT = "rabbitmq"


class ControllerProcess:
    """One process. `start`, `stop`, `kill`; `metric` and `log` tell what it did."""

    def __init__(
        self,
        kubeconfig: Path,
        namespaces: tuple[str, ...],
        config: Mapping[str, Any],
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="asya-controller-"))
        self.credentials = self._folder / "transports" / TRANSPORT
        self.credentials.mkdir(parents=True)
        (self.credentials / "password").write_text(PASSWORD)
        (self._folder / "controller.yaml").write_text(json.dumps(config))
        self._probe_port, self._metrics_port = free_port(), free_port()
        self._environ = {
            "PATH": os.environ["PATH"],
            "KUBECONFIG": str(kubeconfig),
            "POD_NAMESPACE": namespaces[0],
            "ASYA_CONFIG_FILE": str(self._folder / "controller.yaml"),
            "ASYA_RUNTIME_SCRIPT_PATH": str(SCRIPT),
            "ASYA_TRANSPORT_CREDENTIALS_PATH": str(self._folder / "transports"),
            "ASYA_WATCH_NAMESPACES": ",".join(namespaces),
            "ASYA_QUEUE_HEALTH_CHECK_INTERVAL": "5s",
            "ASYA_PROBE_ADDR": f"127.0.0.1:{self._probe_port}",
            "ASYA_METRICS_ADDR": f"127.0.0.1:{self._metrics_port}",
            **(environ or {}),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Start, without waiting."""
        with self.log_file.open("ab") as output:
            command = [sys.executable, "-m", "asya_controller"]
            self.process = subprocess.Popen(command, env=self._environ, stderr=output, stdout=output, cwd=self._folder)

    def start(self) -> None:
        """Start, and wait until its caches are full."""
        self.launch()
        until(self.is_ready, 30, what=f"the controller is ready; see {self.log_file}")

    def is_ready(self) -> bool:
        """`/readyz` says so."""
        assert self.process is not None, "started before"
        assert self.process.poll() is None, self.log()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._probe_port}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    @property
    def log_file(self) -> Path:
        """What it wrote."""
        return self._folder / "log"

    def log(self) -> str:
        """What it wrote."""
        return self.log_file.read_text()

    def metric(self, name: str, **labels: str) -> float:
        """The sum of all series of that name that have these labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._metrics_port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        found = (line.rpartition(" ") for line in lines if line.startswith((f"{name}{{", f"{name} ")))
        return sum(float(value) for series, _, value in found if all(part in series for part in wanted))

    def writes(self) -> float:
        """Requests so far that write anything but the lease."""
        return sum(self.metric("rest_client_requests_total", method=method) for method in ("PATCH", "POST", "DELETE"))

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> int:
        process, self.process = self.process, None
        if process is None:
            return 0
        process.send_signal(how)
        return process.wait(45)

    def close(self) -> None:
        """End it, whatever state it is in."""
        if self.process is not None:
            self.kill()


def rabbitmq_config(broker: Broker, vhost: str, **changes: Any) -> dict[str, Any]:
    """An operator configuration with one transport, `rabbitmq`, on a virtual host of a test's broker."""
    address = broker.address(vhost)
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
    return {"transports": {TRANSPORT: {"type": "rabbitmq", "config": kept}}, "sidecar": {"image": "asya-sidecar:test"}}


@contextlib.contextmanager
def running(
    kubeconfig: Path, namespaces: tuple[str, ...], config: Mapping[str, Any], environ: Mapping[str, str] | None = None
) -> Iterator[ControllerProcess]:
    """A controller that runs for one test."""
    found = ControllerProcess(kubeconfig, namespaces, config, environ)
    try:
        found.start()
        yield found
    finally:
        found.close()
