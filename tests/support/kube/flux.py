"""Flux as two processes beside a test's control plane: source-controller reads git, kustomize-controller applies and waits for health.

Built by tools/cluster-binaries from Flux' own modules, with their CRDs. Used by tests/gitops and, beside pods and KEDA, by tests/e2e.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from tests.support.console import ROOT
from tests.support.guarded import Guarded, free_port
from tests.support.kube.api import JSON
from tests.support.kube.binaries import binaries
from tests.support.kube.cluster import Cluster
from tests.support.kube.real import RealCluster
from tests.support.wait import until

T = TypeVar("T")
NAMESPACE = "flux-system"
SOURCES = "apis/source.toolkit.fluxcd.io/v1"
KUSTOMIZATIONS = "apis/kustomize.toolkit.fluxcd.io/v1"
# As gitops/flux has it, with the addresses of a test and shorter intervals.
OVERLAY = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [flux]
patches:
- target: {{kind: GitRepository}}
  patch: |
    - {{op: replace, path: /spec/url, value: "{url}"}}
    - {{op: replace, path: /spec/interval, value: 2s}}
    - {{op: replace, path: /metadata/name, value: "{namespace}"}}
- target: {{kind: Kustomization}}
  patch: |
    - {{op: replace, path: /spec/targetNamespace, value: "{namespace}"}}
    - {{op: replace, path: /spec/interval, value: 5s}}
    - {{op: replace, path: /spec/timeout, value: 2m}}
    - {{op: replace, path: /metadata/name, value: "{namespace}"}}
    - {{op: replace, path: /spec/sourceRef/name, value: "{namespace}"}}
"""


class Flux:
    """Both controllers at work on a cluster, in namespace flux-system."""

    def __init__(self, cluster: Cluster | RealCluster) -> None:
        self._cluster = cluster
        self._programs = binaries("flux")
        self.folder = Path(tempfile.mkdtemp(prefix="asya-flux-"))
        self._guarded = Guarded(self.folder)
        try:
            cluster.kubectl("create", "namespace", NAMESPACE, check=False)
            crds = [f"--filename={self._programs[f'flux-{part}-crds']}" for part in ("source", "kustomize")]
            cluster.kubectl("apply", "--server-side", "--force-conflicts", *crds)
            until(self._serves, what="the API server serves Flux' kinds")
            storage = free_port()
            self._start(
                "source-controller",
                f"--storage-path={self.folder / 'storage'}",
                f"--storage-addr=127.0.0.1:{storage}",
                f"--storage-adv-addr=127.0.0.1:{storage}",
            )
            self._start("kustomize-controller")
        except BaseException:
            self._guarded.close()
            raise

    def _serves(self) -> bool:
        found = self._cluster.kubectl("get", "gitrepositories,kustomizations", "-n", NAMESPACE, check=False)
        return found.returncode == 0

    def _start(self, name: str, *flags: str) -> None:
        (self.folder / "storage").mkdir(exist_ok=True)
        health = free_port()
        process = self._guarded.start(
            [
                self._programs[name],
                "--enable-leader-election=false",
                "--events-addr=",
                f"--metrics-addr=127.0.0.1:{free_port()}",
                f"--health-addr=127.0.0.1:{health}",
                *flags,
            ],
            self.folder / f"{name}.log",
            env=os.environ | {"RUNTIME_NAMESPACE": NAMESPACE, "KUBECONFIG": str(self._cluster.kubeconfig)},
            cwd=self.folder,
        )
        until(lambda: self._answers(process, name, health), what=f"{name} is ready")

    def _answers(self, process: subprocess.Popen[bytes], name: str, port: int) -> bool:
        assert process.poll() is None, self.log(name)[-3000:]
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
            return True
        return False

    def log(self, name: str) -> str:
        """What one of them wrote."""
        return (self.folder / f"{name}.log").read_text()

    def words(self, name: str) -> str:
        """What both have to say about a source and its Kustomization, for who waits in vain."""
        kinds = "gitrepository,kustomization"
        shown = self._cluster.kubectl("get", kinds, name, "-n", NAMESPACE, "-o", "yaml", check=False)
        logs = (f"{log}: {self.log(log)[-2000:]}" for log in ("source-controller", "kustomize-controller"))
        return "\n".join([shown.stdout[-4000:], *logs])

    def kustomization(self, name: str) -> JSON:
        """As stored."""
        path = f"/{KUSTOMIZATIONS}/namespaces/{NAMESPACE}/kustomizations/{name}"
        return dict(self._cluster.api.ask("GET", path))

    def ready(self, name: str) -> JSON:
        """The Ready condition of a Kustomization; empty when there is none."""
        conditions = self.kustomization(name).get("status", {}).get("conditions", [])
        return next((dict(entry) for entry in conditions if entry["type"] == "Ready"), {})

    def revision(self, name: str) -> str:
        """The commit that a Kustomization applied last."""
        applied: str = self.kustomization(name).get("status", {}).get("lastAppliedRevision", "")
        return applied.rpartition(":")[2]

    def reconcile(self, kind: str, name: str) -> str:
        """Ask for a pass now, as `flux reconcile` does; gives the mark by which its end is known."""
        mark = uuid.uuid4().hex
        annotation = f"reconcile.fluxcd.io/requestedAt={mark}"
        self._cluster.kubectl("annotate", "--overwrite", kind, name, "-n", NAMESPACE, annotation)
        return mark

    def reconciled(self, name: str) -> None:
        """A whole pass of a Kustomization, from now on."""
        mark = self.reconcile("kustomization", name)
        until(
            lambda: self.kustomization(name).get("status", {}).get("lastHandledReconcileAt") == mark,
            60,
            0.1,
            what=f"a pass of Kustomization {name}",
        )

    def follow(self, url: str, namespace: str, folder: Path) -> None:
        """What docs/installation.md applies, for the repository behind `url`. Source and Kustomization are called like the namespace."""
        shutil.copytree(ROOT / "gitops" / "flux", folder / "flux")
        (folder / "kustomization.yaml").write_text(OVERLAY.format(url=url, namespace=namespace))
        self._cluster.kubectl("apply", "-k", str(folder))

    def leave(self, name: str) -> None:
        """As a person takes Flux off: its Kustomization prunes what it has applied."""
        self._cluster.kubectl("delete", "kustomization,gitrepository", name, "-n", NAMESPACE, "--wait")

    def until(self, name: str, condition: Callable[[], T], what: str, within_s: float = 90) -> T:
        """Wait; a failure says what Flux has to say of `name`."""
        try:
            return until(condition, within_s, 0.2, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.words(name)}") from None

    def applied(self, name: str, commit: str, within_s: float = 90) -> None:
        """Wait until Flux says that this commit is applied and healthy."""

        def is_applied() -> bool:
            return self.ready(name).get("status") == "True" and self.revision(name) == commit

        self.until(name, is_applied, f"{commit} is applied", within_s)

    def told(self, name: str) -> list[str]:
        """What its Events say, oldest first."""
        found = self._cluster.api.items("events", NAMESPACE, fieldSelector=f"regarding.name={name}")
        return [item.get("note", "") for item in sorted(found, key=lambda item: item["metadata"]["creationTimestamp"])]

    def close(self) -> None:
        """End both."""
        self._guarded.close()


@contextlib.contextmanager
def flux(cluster: Cluster | RealCluster) -> Iterator[Flux]:
    """Flux for the tests of a module."""
    found = Flux(cluster)
    try:
        yield found
    finally:
        found.close()
