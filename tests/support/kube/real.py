"""A whole Kubernetes on this machine: control plane, one node with real containers, and KEDA. No controller of ours: tests install it.

Only one fits on a machine, so who wants one waits until it is free (`lock`). Used by the fixture `real` (tests with the marker `node`) and
by `make cluster`. Needs root. Servers of a test that pods shall reach listen on `GATEWAY`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.certificates import Authority
from tests.support.console import ROOT
from tests.support.kube.api import Api
from tests.support.kube.binaries import binaries
from tests.support.kube.control_plane import TOKEN, ControlPlane, Place
from tests.support.kube.images import CACHE, layout
from tests.support.kube.keda import NAMESPACE as KEDA_NAMESPACE
from tests.support.kube.keda import Keda
from tests.support.kube.names import Names, resolver
from tests.support.kube.node import API_SERVER, GATEWAY, SERVICES, Network, Node
from tests.support.rabbitmq import Node as RabbitmqNode

SHIPPED = ROOT / "kustomize" / "components" / "rabbitmq-server" / "advanced.config"


@contextlib.contextmanager
def lock() -> Iterator[None]:
    """Wait until no other run on this machine has a node."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "node.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _place(folder: Path) -> Place:
    """An API server where pods look for it, that trusts its own authority, and KEDA's adapter through it."""
    authority = Authority(folder, "cluster")
    certificate, key = authority.issue("kubernetes", f"IP:{API_SERVER}", "DNS:kubernetes.default.svc")
    proxy, proxy_key = authority.issue("front-proxy")
    flags = (
        f"--client-ca-file={authority.ca}",
        f"--requestheader-client-ca-file={authority.ca}",
        "--requestheader-allowed-names=front-proxy",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={proxy}",
        f"--proxy-client-key-file={proxy_key}",
        "--kubelet-preferred-address-types=InternalIP",  # else `logs` and `exec` try to resolve the node's name
    )
    return Place(API_SERVER, API_SERVER, 443, authority.ca, certificate, key, SERVICES, flags)


class RealCluster:
    """`api` and `kubectl` with an administrator's rights; `plane`, `node` and `keda` to stop and look at."""

    def __init__(self, stack: contextlib.ExitStack, *, keda: bool = True) -> None:
        folder = Path(tempfile.mkdtemp(prefix="asya-cluster-"))
        stack.callback(shutil.rmtree, folder)
        images = layout()
        stack.callback(Network().close)
        self.plane = ControlPlane(_place(folder))
        stack.callback(self.plane.close)
        self.kubeconfig = self.plane.kubeconfig
        self._environ = os.environ | {"KUBECONFIG": str(self.kubeconfig)}
        self.api = Api(self.plane.server, (folder / "cluster.pem").read_text(), TOKEN)
        stack.callback(self.api.close)
        stack.callback(Names(self.api, GATEWAY).close)
        self.keda: Keda | None = None
        if keda:
            self.keda = Keda(self.kubeconfig, self.api, self.kubectl, resolver(GATEWAY, KEDA_NAMESPACE))
            stack.callback(self.keda.close)
            self.keda.kinds()  # before the controller manager, which collects the garbage of kinds that it finds at its start
        self.plane.start_controller_manager()
        self.plane.start_scheduler()
        self.node = Node(self.kubeconfig, self.api)
        stack.callback(self.node.close)
        self.node.load(images)
        if self.keda is not None:
            self.keda.install()

    def kubectl(
        self, *arguments: str, text: str | None = None, check: bool = True, within_s: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """The command, as a person types it; `text` is its standard input.

        Raises:
            AssertionError: it failed, and `check` was asked for.
        """
        command = [binaries()["kubectl"], *arguments]
        done = subprocess.run(
            command, env=self._environ, input=text, capture_output=True, text=True, timeout=within_s, check=False
        )
        assert not check or done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done


@contextlib.contextmanager
def real_cluster(*, keda: bool = True) -> Iterator[RealCluster]:
    """One, for as long as the block lasts; ended also when its start fails half-way."""
    with lock(), contextlib.ExitStack() as stack:
        yield RealCluster(stack, keda=keda)


@contextlib.contextmanager
def broker_for_pods() -> Iterator[RabbitmqNode]:
    """A RabbitMQ on this machine that pods reach, set as the one that we ship for trying out: KEDA sees its queues through that.

    Its first user may enter from anywhere that reaches the bridge.
    """
    broker = RabbitmqNode("loopback_users = none", GATEWAY, SHIPPED.read_text())
    try:
        yield broker
    finally:
        broker.close()
