"""etcd, kube-apiserver and kube-controller-manager on free ports of this machine, with their data in a temporary folder.

No kubelet and no scheduler: pods stay Pending, and a test that needs another state writes pod status as a kubelet would.
Started by tests/support/kube/cluster.py; tests that stop the API server have it restarted here. tests/support/kube/real.py starts one
that pods reach, at a `Place` of its own, and adds what is missing here.
"""

from __future__ import annotations

import json
import signal
import ssl
import subprocess
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from tests.support.guarded import Guarded, free_port
from tests.support.kube.binaries import binaries
from tests.support.wait import until

TLS = Path(__file__).parents[1] / "tls"
CERTIFICATE, KEY = TLS / "localhost.pem", TLS / "localhost-key.pem"
TOKEN = "administrator-of-the-test"  # enters a server that listens on loopback and dies with the test


@dataclass(frozen=True, slots=True)
class Place:
    """Where an API server listens, as whom, and what more it is told."""

    host: str
    """Name or address in its URL; one of those in the certificate."""
    address: str
    port: int
    ca: Path
    certificate: Path
    key: Path
    services: str
    """The network of Services. Its first address is the API server's for pods."""
    flags: tuple[str, ...] = ()


def loopback() -> Place:
    """For clients on this machine alone."""
    return Place("localhost", "127.0.0.1", free_port(), CERTIFICATE, CERTIFICATE, KEY, "10.0.0.0/24")


class ControlPlane:
    """A running control plane. `stop_api_server`, `start_api_server`, `freeze`, `thaw` and `close`."""

    def __init__(self, place: Place | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="asya-kube-"))
        self.kubeconfig = self.folder / "kubeconfig"
        self.place = place or loopback()
        self._etcd_port, self._peer_port, self._manager_port = (free_port() for _ in range(3))
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
        return f"https://{self.place.host}:{self.place.port}"

    def _write_kubeconfig(self) -> None:
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
            "clusters": [
                {"name": "test", "cluster": {"server": self.server, "certificate-authority": str(self.place.ca)}}
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
            f"--bind-address={self.place.address}",
            f"--secure-port={self.place.port}",
            f"--tls-cert-file={self.place.certificate}",
            f"--tls-private-key-file={self.place.key}",
            "--cert-dir=certificates",
            f"--service-account-issuer={self.server}",
            f"--service-account-key-file={CERTIFICATE}",
            f"--service-account-signing-key-file={KEY}",
            "--token-auth-file=tokens.csv",
            "--authorization-mode=Node,RBAC",
            f"--service-cluster-ip-range={self.place.services}",
            "--allow-privileged=true",
            *self.place.flags,
        )
        until(self._is_ready, 60, 0.05, what="the API server is ready")

    def start_controller_manager(self, *flags: str) -> None:
        """Start it. After the CRDs: what it finds then is under garbage collection at once, later kinds only after up to 30 s."""
        self._start(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig}",
            f"--authentication-kubeconfig={self.kubeconfig}",
            f"--authorization-kubeconfig={self.kubeconfig}",
            f"--service-account-private-key-file={KEY}",
            f"--root-ca-file={self.place.ca}",  # what pods get to know the API server by
            "--bind-address=127.0.0.1",
            f"--secure-port={self._manager_port}",
            "--cert-dir=certificates",
            "--leader-elect=false",
            "--horizontal-pod-autoscaler-sync-period=2s",
            "--kube-api-qps=200",  # tests make and remove much at once
            "--kube-api-burst=400",
            *flags,
        )

    def start_scheduler(self) -> None:
        """Start it: for who has a node."""
        self._programs = self._programs | binaries("node")
        self._start(
            "kube-scheduler",
            f"--kubeconfig={self.kubeconfig}",
            f"--authentication-kubeconfig={self.kubeconfig}",
            f"--authorization-kubeconfig={self.kubeconfig}",
            "--bind-address=127.0.0.1",
            f"--secure-port={free_port()}",
            "--cert-dir=certificates",
            "--leader-elect=false",
        )

    def _is_ready(self) -> bool:
        assert self._api_server.poll() is None, (self.folder / "kube-apiserver.log").read_text()[-3000:]
        request = urllib.request.Request(f"{self.server}/readyz", headers={"Authorization": f"Bearer {TOKEN}"})
        context = ssl.create_default_context(cafile=self.place.ca)
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
