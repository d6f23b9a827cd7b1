"""KEDA as it is, without pods: operator and metrics adapter as two processes on this machine, and the objects that lead to them.

Started by tests/support/kube/real.py on a control plane that has aggregated APIs. Certificates are ours, because the operator's own
rotation patches objects that only an installation by its chart has.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.support.certificates import Authority
from tests.support.guarded import Guarded, free_port
from tests.support.kube.api import Api
from tests.support.kube.binaries import binaries
from tests.support.wait import until

Kubectl = Callable[..., object]
NAMESPACE = "keda"
METRICS_API = "v1beta1.external.metrics.k8s.io"


class Keda:
    """A KEDA. `install` it, `stop` and `start` it, `remove` it, and `close`."""

    def __init__(self, kubeconfig: Path, api: Api, kubectl: Kubectl, resolver: str) -> None:
        """`resolver` is the /etc/resolv.conf that its pods would have."""
        self.folder = Path(tempfile.mkdtemp(prefix="asya-keda-"))
        self._kubeconfig = kubeconfig
        self._api = api
        self._kubectl = kubectl
        self._running: list[subprocess.Popen[bytes]] = []
        self._programs = binaries("keda")
        self._guarded = Guarded(self.folder)
        (self.folder / "resolv.conf").write_text(resolver)
        self._service_port, self._adapter_port = free_port(), free_port()
        try:
            self._write_certificates()
        except BaseException:
            self._guarded.close()
            raise

    def _write_certificates(self) -> None:
        authority = Authority(self.folder, "keda")
        certificate, key = authority.issue("localhost", f"DNS:keda-operator.{NAMESPACE}.svc", "IP:127.0.0.1")
        self._certificates = self.folder / "certificates"
        self._certificates.mkdir()
        for source, name in (
            (authority.ca, "ca.crt"),
            (authority.key, "ca.key"),
            (certificate, "tls.crt"),
            (key, "tls.key"),
        ):
            shutil.copy(source, self._certificates / name)

    def kinds(self) -> None:
        """Apply its CRDs."""
        self._kubectl("apply", "--server-side", f"--filename={binaries()['keda-crds']}")

    def install(self) -> None:
        """All of it, running."""
        if self._running:
            return
        self.kinds()
        service = {
            "metadata": {"name": "keda-metrics", "namespace": NAMESPACE},
            "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": self._adapter_port}]},
        }
        registration = {
            "metadata": {"name": METRICS_API},
            "spec": {
                "group": "external.metrics.k8s.io",
                "version": "v1beta1",
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "insecureSkipTLSVerify": True,
                "service": {"name": "keda-metrics", "namespace": NAMESPACE, "port": self._adapter_port},
            },
        }
        self._api.apply("namespaces", "", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        self._api.apply("services", NAMESPACE, {"apiVersion": "v1", "kind": "Service", **service})
        kind = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService"}
        self._api.apply("apiservices", "", kind | registration)
        self.start()

    def remove(self) -> None:
        """As if it had never been there."""
        self.stop()
        self._api.delete("apiservices", "", METRICS_API)
        self._kubectl("delete", "--ignore-not-found", f"--filename={binaries()['keda-crds']}")
        self._api.delete("namespaces", "", NAMESPACE)
        until(lambda: self._api.find("namespaces", "", NAMESPACE) is None, 60, 0.1, what="KEDA's namespace is gone")

    def start(self) -> None:
        """Start both processes, and wait until the metrics of scaled objects can be asked for."""
        environ = os.environ | {
            "KUBECONFIG": str(self._kubeconfig),
            "KEDA_CLUSTER_OBJECT_NAMESPACE": NAMESPACE,
            "POD_NAMESPACE": NAMESPACE,
            "WATCH_NAMESPACE": "",
        }
        operator = [
            self._programs["keda-operator"],
            "--leader-elect=false",
            f"--cert-dir={self._certificates}",
            f"--ca-dir={self._certificates}",
            "--metrics-bind-address=127.0.0.1:0",
            "--health-probe-bind-address=127.0.0.1:0",
            f"--metrics-service-bind-address=127.0.0.1:{self._service_port}",
        ]
        adapter = [
            self._programs["keda-adapter"],
            f"--secure-port={self._adapter_port}",
            f"--cert-dir={self._certificates}",
            f"--port={free_port()}",
            f"--lister-kubeconfig={self._kubeconfig}",
            f"--authentication-kubeconfig={self._kubeconfig}",
            f"--authorization-kubeconfig={self._kubeconfig}",
            f"--metrics-service-address=localhost:{self._service_port}",
        ]
        self._running = [
            self._guarded.start([*self._resolving(), *command], self.folder / f"{name}.log", environ, self.folder)
            for name, command in (("operator", operator), ("adapter", adapter))
        ]
        until(self._is_served, 60, 0.1, what=f"KEDA's metrics are served; see {self.folder}")

    def _resolving(self) -> list[str]:
        """In front of a command: names of the cluster are found as in a pod. Its mounts are its own."""
        mount = f"mount --bind {self.folder}/resolv.conf /etc/resolv.conf"
        return ["unshare", "--mount", "sh", "-c", f'{mount} && exec "$@"', "keda"]

    def stop(self) -> None:
        """End both; their objects stay."""
        while self._running:
            self._guarded.end(self._running.pop())

    def _is_served(self) -> bool:
        for process in self._running:
            assert process.poll() is None, (self.folder / "operator.log").read_text()[-3000:]
        status = (self._api.find("apiservices", "", METRICS_API) or {}).get("status", {})
        return any(found["type"] == "Available" and found["status"] == "True" for found in status.get("conditions", ()))

    def close(self) -> None:
        """End both, and remove their folder."""
        self._guarded.close()
