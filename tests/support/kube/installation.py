"""The mesh installed on a real cluster as its manifests say: `kubectl apply -k` of an overlay on kustomize/base, and namespaces for actors.

Used by tests/e2e and tests/images. The overlay is the local one of kustomize/ but for the broker, which runs on this machine.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.actors import RUNTIME, actor
from tests.support.console import ROOT
from tests.support.kube.api import JSON
from tests.support.kube.cluster import SYSTEM
from tests.support.kube.images import HANDLERS
from tests.support.kube.node import GATEWAY
from tests.support.kube.real import RealCluster
from tests.support.rabbitmq import PASSWORD, USER, Node
from tests.support.wait import until

SECRET = "asya-rabbitmq"
CONTROLLER = "app.kubernetes.io/name=asya-controller"
OVERLAY = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../../base]
components: [../../components/rabbitmq]
configMapGenerator:
- name: asya-controller
  namespace: asya-system
  behavior: merge
  files: [controller.yaml=config.yaml]
"""


def tree(folder: Path) -> Path:
    """A copy of what people apply from."""
    for part in ("kustomize", "schemas/crd"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("rabbitmq.env"))
    return folder


class Installation:
    """An overlay that is applied, and taken away again. `config` is the operator's configuration beside the transport `rabbitmq`."""

    def __init__(self, cluster: RealCluster, broker: Node, vhost: str, folder: Path, **config: Any) -> None:
        self.cluster = cluster
        self.api = cluster.api
        self.broker = broker
        self.vhost = vhost
        self.overlay = tree(folder) / "kustomize" / "overlays" / "e2e"
        self.overlay.mkdir()
        (self.overlay / "kustomization.yaml").write_text(OVERLAY)
        self.configure(**config)

    def transport(self, **changes: Any) -> JSON:
        """The way to the broker of this machine."""
        return {
            "type": "rabbitmq",
            "config": {
                "host": GATEWAY,
                "port": self.broker.port,
                "vhost": self.vhost,
                "managementUrl": self.broker.management_url,
                "usernameSecretRef": {"name": SECRET, "key": "username"},
                "passwordSecretRef": {"name": SECRET, "key": "password"},
                **changes,
            },
        }

    def configure(self, **config: Any) -> None:
        """Write the operator's configuration; takes effect when it is applied."""
        document = {"transports": {"rabbitmq": self.transport()}, "sidecar": {"image": "asya-sidecar:0.1.0"}, **config}
        (self.overlay / "config.yaml").write_text(json.dumps(document))

    def apply(self) -> str:
        """`kubectl apply -k`, typed again where a kind was not served yet; and the Secret that an operator makes. Gives what it printed."""
        said = self.cluster.kubectl("apply", "-k", str(self.overlay)).stdout
        self.secret(SYSTEM)
        return said

    def secret(self, namespace: str, password: str = PASSWORD) -> None:
        """The broker's credentials, for the controller or for the actors of a namespace."""
        data = {"username": USER, "password": password}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, "stringData": data}
        self.api.apply("secrets", namespace, body)

    def ready(self, within_s: float = 60) -> None:
        """Wait until the controller is Ready."""
        until(self._is_ready, within_s, 0.1, what="the controller is Ready")

    def _is_ready(self) -> bool:
        found = self.api.find("deployments", SYSTEM, "asya-controller") or {}
        status = found.get("status", {})
        current = status.get("observedGeneration") == found.get("metadata", {}).get("generation")
        wanted = found.get("spec", {}).get("replicas")
        return bool(
            current and status.get("updatedReplicas") == status.get("readyReplicas") == wanted == status.get("replicas")
        )

    def controllers(self) -> list[JSON]:
        """Its pods."""
        return self.api.items("pods", SYSTEM, labelSelector=CONTROLLER)

    def log(self) -> str:
        """What the controller wrote."""
        return self.cluster.kubectl("logs", "-n", SYSTEM, "-l", CONTROLLER, "--tail=40", check=False).stdout

    @contextlib.contextmanager
    def namespace(self, password: str = PASSWORD, **labels: str) -> Iterator[Actors]:
        """A namespace for actors, with the broker's credentials; at the end its actors end, their finalizers too, and it goes."""
        name = f"t-{uuid.uuid4().hex[:10]}"
        self.api.create("namespaces", "", {"metadata": {"name": name, "labels": labels}})
        try:
            self.secret(name, password)
            yield Actors(self, name)
        finally:
            self.cluster.kubectl("delete", "asyncactors", "--all", "-n", name, "--wait=false")
            self.api.delete("namespaces", "", name)

    def remove(self) -> None:
        """`kubectl delete -k`, after the actors: the documented order."""
        if self.api.find("customresourcedefinitions", "", "asyncactors.asya.sh"):
            self.cluster.kubectl("delete", "asyncactors", "--all", "--all-namespaces", "--timeout=100s")
        self.cluster.kubectl("delete", "-k", str(self.overlay), "--ignore-not-found", "--timeout=100s")


class Actors:
    """The actors of one namespace, and their queues."""

    def __init__(self, installation: Installation, namespace: str) -> None:
        self.installation = installation
        self.cluster = installation.cluster
        self.api = installation.api
        self.namespace = namespace

    def create(self, name: str, *changes: Any, handler: str = "work.greet", **spec: Any) -> JSON:
        """Make an actor of the handlers' image; `changes` and `spec` as in tests/support/controller_bed.py."""
        return self.api.create("asyncactors", self.namespace, self.document(name, *changes, handler=handler, **spec))

    def document(self, name: str, *changes: Any, handler: str = "work.greet", **spec: Any) -> JSON:
        """What `create` makes."""
        ours = (
            (("metadata", "name"), name),
            (("metadata", "namespace"), self.namespace),
            ((*RUNTIME, "image"), HANDLERS[0]),
            ((*RUNTIME, "env"), [{"name": "ASYA_HANDLER", "value": handler}]),
        )
        found = actor(*ours, *changes)
        for key, value in spec.items():
            found["spec"][key] = {**found["spec"].get(key, {}), **value}
        return found

    def status(self, name: str) -> JSON:
        """As stored; empty when there is none."""
        found = self.api.find("asyncactors", self.namespace, name)
        return dict((found or {}).get("status") or {})

    def reaches(self, name: str, value: str, reason: str = "", within_s: float = 60) -> JSON:
        """The status once its value is `value` and, if given, a condition has `reason`."""

        def found() -> JSON | None:
            item = self.api.get("asyncactors", self.namespace, name)
            status = item.get("status") or {}
            current = status.get("observedGeneration") == item["metadata"]["generation"]
            reasons = {entry["reason"] for entry in status.get("conditions") or ()}
            return status if current and status.get("status") == value and (not reason or reason in reasons) else None

        try:
            result = until(found, within_s, 0.1)
        except AssertionError:
            pods = self.cluster.kubectl("get", "pods", "-n", self.namespace, check=False).stdout
            told = f"{json.dumps(self.status(name), indent=1)}\n{pods}\n{self.installation.log()[-2000:]}"
            raise AssertionError(f"{name} is not {value} {reason} within {within_s:g} s: {told}") from None
        assert result is not None
        return result

    def pods(self, name: str) -> list[JSON]:
        """The actor's pods that are not going."""
        found = self.api.items("pods", self.namespace, labelSelector=f"asya.sh/actor={name}")
        return [pod for pod in found if not pod["metadata"].get("deletionTimestamp")]

    def queue(self, name: str) -> str:
        """The actor's main queue."""
        return f"asya-{self.namespace}-{name}"
