"""The cluster that tests work on: a control plane of our own, or the one that KUBECONFIG names. Our CRD and KEDA's are in it.

Called by the fixtures in tests/support/kube/fixtures.py: one cluster for all tests of a process (with xdist: of a worker), a namespace for
each test. What the shipped manifests permit the controller is what it may do here as well.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

from ruamel.yaml import YAML

from tests.support.console import ROOT
from tests.support.kube.api import JSON, Api, Refused
from tests.support.kube.binaries import binaries
from tests.support.kube.control_plane import ControlPlane
from tests.support.wait import until

CRD = ROOT / "schemas" / "crd" / "asyncactors.yaml"
RBAC = ROOT / "kustomize" / "base" / "rbac.yaml"
SYSTEM = "asya-system"
CONTROLLER = "asya-controller"
TESTER = "asya-tester"
KEDA_KINDS = ("scaledobjects", "triggerauthentications")
ADMINISTRATOR = f"""
apiVersion: v1
kind: ServiceAccount
metadata: {{name: {TESTER}, namespace: {SYSTEM}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: {TESTER}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}}
subjects:
- {{kind: ServiceAccount, name: {TESTER}, namespace: {SYSTEM}}}
"""


def documents(path: Path) -> list[JSON]:
    """Every object of a YAML file."""
    return [dict(document) for document in YAML(typ="safe").load_all(path) if document]


class Cluster:
    """A running cluster: `api` with an administrator's rights, `as_controller` with the controller's, and `kubectl`."""

    def __init__(self, kubeconfig: Path, plane: ControlPlane | None = None, *, keda: bool = True) -> None:
        self.kubeconfig = kubeconfig
        self._plane = plane
        self.own = plane is not None
        self.has_keda = keda
        self._environ = os.environ | {"KUBECONFIG": str(kubeconfig)}
        self._install()
        if plane is not None:
            # Pods have no node here. Those that wait to go would be taken for lost and marked as failed, every 20 s.
            plane.start_controller_manager("--controllers=*,-pod-garbage-collector-controller")
        view = json.loads(self.kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json").stdout)
        place = view["clusters"][0]["cluster"]
        self.server: str = place["server"]
        data = place.get("certificate-authority-data")
        self.ca = base64.b64decode(data).decode() if data else None
        self._enter()

    def _enter(self) -> None:
        self.api = self.identity(TESTER)
        self.as_controller = self.identity(CONTROLLER)
        self.wait_served()

    def renew(self) -> None:
        """Install what the tests need once more: for who has removed an installation, and with it the namespace of its accounts."""
        self.api.close()
        self.as_controller.close()
        self._install()
        self._enter()

    def wait_served(self) -> None:
        """Wait until the kinds of the CRDs can be asked for, after a start of the API server, too."""
        until(self._serves_our_kinds, 30, 0.05, what="the API server serves the kinds of the CRDs")

    def _serves_our_kinds(self) -> bool:
        """A new kind is unknown (404) for a moment, and then its storage is not ready (429)."""
        kinds = [resource for resource in ("asyncactors", *KEDA_KINDS) if resource == "asyncactors" or self.has_keda]
        try:
            return all(self.api.items(resource) is not None for resource in kinds)
        except Refused as refused:
            if refused.code in (404, 429):
                return False
            raise

    @property
    def plane(self) -> ControlPlane:
        """The control plane, for tests that stop it.

        Raises:
            AssertionError: the cluster is somebody else's.
        """
        assert self._plane is not None, "this test stops the API server: unset KUBECONFIG to let it start its own"
        return self._plane

    def kubectl(self, *arguments: str, text: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        """The command, as a person types it; `text` is its standard input.

        Raises:
            AssertionError: it failed, and `check` was asked for.
        """
        done = subprocess.run(
            [binaries()["kubectl"], *arguments],
            env=self._environ,
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert not check or done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done

    def _install(self) -> None:
        """What the tests need. Applying, because another worker may do the same on the same cluster."""
        present = self.kubectl("get", "crd,namespace", "-o", "name").stdout.split()
        if f"namespace/{SYSTEM}" not in present:
            self.kubectl("create", "namespace", SYSTEM, check=False)
        files = [str(CRD), str(RBAC)]
        scaled = "customresourcedefinition.apiextensions.k8s.io/scaledobjects.keda.sh"
        if self.has_keda and scaled not in present:  # else KEDA itself is installed, with CRDs of its own version
            files.append(str(binaries()["keda-crds"]))
        apply = ("apply", "--server-side", "--force-conflicts")
        self.kubectl(*apply, *(f"--filename={file}" for file in files))
        self.kubectl(*apply, "--filename=-", text=ADMINISTRATOR)

    def identity(self, account: str) -> Api:
        """The API as a ServiceAccount of the system's namespace."""
        token = self.kubectl("create", "token", account, "--namespace", SYSTEM, "--duration=8h").stdout.strip()
        return Api(self.server, self.ca, token)

    @contextlib.contextmanager
    def namespace(self, **labels: str) -> Iterator[str]:
        """A namespace of one's own; at the end it goes, with all that is in it, while the next test runs."""
        name = f"t-{uuid.uuid4().hex[:10]}"
        self.api.create("namespaces", "", {"metadata": {"name": name, "labels": labels}})
        try:
            yield name
        finally:
            self.remove_namespace(name)

    def remove_namespace(self, name: str) -> None:
        """Begin to remove it. Its controller is gone, and a test that held an object may have failed: nobody else takes finalizers off."""
        for kind in ("asyncactors", "scaledobjects", "deployments", "pods"):
            listed = self.api.find(kind, name)  # None where KEDA's kinds are absent
            for found in listed["items"] if listed else []:
                if found["metadata"].get("finalizers"):
                    self.api.patch(kind, name, found["metadata"]["name"], {"metadata": {"finalizers": None}})
        self.api.delete("namespaces", "", name)

    def close(self) -> None:
        """End the control plane, if it is ours."""
        self.api.close()
        self.as_controller.close()
        if self._plane is not None:
            self._plane.close()


def own_cluster(*, keda: bool = True) -> Cluster:
    """A cluster of our own, with or without KEDA's CRDs."""
    plane = ControlPlane()
    try:
        return Cluster(plane.kubeconfig, plane, keda=keda)
    except BaseException:
        plane.close()
        raise


def any_cluster() -> Cluster:
    """The cluster that KUBECONFIG names, else one of our own."""
    given = os.environ.get("KUBECONFIG")
    return Cluster(Path(given)) if given else own_cluster()
