"""etcd, kube-apiserver and kube-controller-manager on free ports of this machine, with their data in a temporary folder.

No kubelet and no scheduler: pods stay Pending, and a test that needs another state writes pod status as a kubelet would.
Started by tests/support/kube/cluster.py; tests that stop the API server have it restarted here.
"""

from __future__ import annotations

import json
import signal
import ssl
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from tests.support.guarded import Guarded, free_port
from tests.support.kube.binaries import binaries
from tests.support.wait import until

TLS = Path(__file__).parents[1] / "tls"
CERTIFICATE, KEY = TLS / "localhost.pem", TLS / "localhost-key.pem"
TOKEN = "administrator-of-the-test"  # enters a server that listens on loopback and dies with the test


class ControlPlane:
    """A running control plane. `stop_api_server`, `start_api_server`, `freeze`, `thaw` and `close`."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="asya-kube-"))
        self.kubeconfig = self.folder / "kubeconfig"
        self._etcd_port, self._peer_port, self._port, self._manager_port = (free_port() for _ in range(4))
        self._guarded = Guarded(self.folder)
        self._programs = binaries()
        (self.folder / "tokens.csv").write_text(f'{TOKEN},admin,admin,"system:masters"\n')
        self._write_kubeconfig()
        try:
            self._start_etcd()
            self.start_api_server()
        except BaseException:
            self._guarded.close()
            raise

    @property
    def server(self) -> str:
        """Its URL."""
        return f"https://localhost:{self._port}"

    def _write_kubeconfig(self) -> None:
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
            "clusters": [
                {"name": "test", "cluster": {"server": self.server, "certificate-authority": str(CERTIFICATE)}}
            ],
            "users": [{"name": "admin", "user": {"token": TOKEN}}],
        }
        self.kubeconfig.write_text(json.dumps(document))

    def _start(self, name: str, *flags: str) -> subprocess.Popen[bytes]:
        return self._guarded.start([self._programs[name], *flags], self.folder / f"{name}.log", cwd=self.folder)

    def _start_etcd(self) -> None:
        clients, peers = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{self._peer_port}"
        self._start(
            "etcd",
            "--data-dir=etcd",
            "--unsafe-no-fsync",  # the data need not outlive the test
            f"--listen-client-urls={clients}",
            f"--advertise-client-urls={clients}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
            "--log-level=warn",
        )

    def start_api_server(self) -> None:
        """Start it, and wait until it is ready."""
        self._api_server = self._start(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._port}",
            f"--tls-cert-file={CERTIFICATE}",
            f"--tls-private-key-file={KEY}",
            "--cert-dir=certificates",
            f"--service-account-issuer={self.server}",
            f"--service-account-key-file={CERTIFICATE}",
            f"--service-account-signing-key-file={KEY}",
            "--token-auth-file=tokens.csv",
            "--authorization-mode=Node,RBAC",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--allow-privileged=true",
        )
        until(self._is_ready, 60, 0.05, what="the API server is ready")

    def start_controller_manager(self) -> None:
        """Start it. After the CRDs: what it finds then is under garbage collection at once, later kinds only after up to 30 s."""
        self._start(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig}",
            f"--authentication-kubeconfig={self.kubeconfig}",
            f"--authorization-kubeconfig={self.kubeconfig}",
            f"--service-account-private-key-file={KEY}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._manager_port}",
            "--cert-dir=certificates",
            "--leader-elect=false",
            "--horizontal-pod-autoscaler-sync-period=2s",
            "--kube-api-qps=200",  # tests make and remove much at once
            "--kube-api-burst=400",
        )

    def _is_ready(self) -> bool:
        assert self._api_server.poll() is None, (self.folder / "kube-apiserver.log").read_text()[-3000:]
        request = urllib.request.Request(f"{self.server}/readyz", headers={"Authorization": f"Bearer {TOKEN}"})
        context = ssl.create_default_context(cafile=CERTIFICATE)
        try:
            with urllib.request.urlopen(request, timeout=5, context=context) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError as error:
            error.close()
            return False
        except OSError:
            return False

    def stop_api_server(self) -> None:
        """Kill it: connections break, nothing is said to clients."""
        self._guarded.end(self._api_server)

    def freeze(self) -> None:
        """It answers nothing any more, and its connections stay."""
        self._api_server.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        self._api_server.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End everything, whatever state it is in."""
        self._guarded.close()
