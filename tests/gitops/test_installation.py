"""docs/installation.md and docs/debugging.md are typed as they stand, on a real API server, as far as that goes without containers.

The way with a RabbitMQ that people have; tests/e2e/test_pages.py goes the other one, with containers. Git clone to uninstalled: overlay,
controller, actors, health, upgrade, removal in the documented order. No kubelet runs here, so pods are made ready by the test, the
controller is a process beside the API server, and what needs a container (building images, a message through `kubectl exec`, logs) is left
out: `CONTAINERS` names it. A cluster of its own, because an installation is more than a namespace.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.actors import actor
from tests.support.console import ROOT, Step, check, copy_of_the_repository, part, steps
from tests.support.controller_process import ControllerProcess, rabbitmq
from tests.support.kube.api import Api
from tests.support.kube.binaries import binaries
from tests.support.kube.cluster import SYSTEM, Cluster, own_cluster
from tests.support.kube.control_plane import TOKEN
from tests.support.kube.hands import hands
from tests.support.rabbitmq import PASSWORD, USER, shared_node

INSTALLATION = ROOT / "docs" / "installation.md"
DEBUGGING = ROOT / "docs" / "debugging.md"
CONTAINERS = ("docker build", "kubectl exec", "kubectl logs")


def without_containers(page: Path) -> list[Step]:
    """The steps that need no container."""
    other = part(page, "### With a RabbitMQ in the cluster") if page == INSTALLATION else ()
    found = (step for step in steps(page) if step.line not in other)
    return [step for step in found if not any(word in step.command for word in CONTAINERS)]


@pytest.fixture
def fresh() -> Iterator[Cluster]:
    """A cluster where nothing of ours is installed but CRD and RBAC."""
    found = own_cluster()
    try:
        yield found
    finally:
        found.close()


@pytest.mark.timeout(400)
def test_the_pages_lead_from_a_clone_to_healthy_actors_and_back_to_nothing(fresh: Cluster, tmp_path: Path) -> None:
    copy = copy_of_the_repository(tmp_path / "copy")
    broker = shared_node()
    page = without_containers(INSTALLATION)
    upgrade = next(number for number, step in enumerate(page) if step.line in part(INSTALLATION, "## Upgrade"))
    administrator = Api(fresh.server, fresh.ca, TOKEN)  # the tests' accounts go with the namespace of the system
    with broker.vhost() as vhost:
        address = broker.address(vhost)
        environ = {
            "KUBECONFIG": str(fresh.kubeconfig),
            "PATH": str(binaries()["kubectl"].parent),
            "BROKER_HOST": address.hosts[0],
            "BROKER_PORT": str(address.port),
            "BROKER_VHOST": vhost,
            "BROKER_USER": USER,
            "BROKER_PASSWORD": PASSWORD,
            "MANAGEMENT_PORT": broker.management_url.rpartition(":")[2],
            "OVERLAY": "mine",  # as the page sets it; each call of `check` is a shell of its own
        }
        config = {"transports": {"rabbitmq": rabbitmq(broker, vhost)}, "sidecar": {"image": "asya-sidecar:0.1.0"}}
        controller = ControllerProcess(fresh, (), config, {"ASYA_LEADER_ELECT": "true"})
        try:
            with hands(administrator, "default", SYSTEM):
                controller.start()
                check(INSTALLATION, page[:upgrade], copy, 150, **environ)
                check(DEBUGGING, without_containers(DEBUGGING), copy, 60, **environ)
                check(INSTALLATION, page[upgrade:], copy, 150, **environ)
        finally:
            controller.close()
            administrator.close()


def test_actors_whose_controller_is_gone_are_let_go_by_the_command_of_the_page(
    cluster: Cluster, namespace: str
) -> None:
    (command,) = re.findall(r"```sh\n(kubectl patch asya NAME .*?)\n```", INSTALLATION.read_text())
    held = actor((("metadata", "namespace"), namespace), (("metadata", "finalizers"), ["asya.sh/finalizer"]))
    cluster.api.create("asyncactors", namespace, held)
    cluster.api.delete("asyncactors", namespace, "hello")
    assert cluster.api.get("asyncactors", namespace, "hello")["metadata"]["deletionTimestamp"]
    cluster.kubectl("-n", namespace, *shlex.split(command.replace("NAME", "hello"))[1:])
    assert cluster.api.find("asyncactors", namespace, "hello") is None


def test_argo_cd_learns_the_health_of_actors_by_the_command_of_the_page_and_keeps_its_settings(
    cluster: Cluster,
) -> None:
    (command,) = re.findall(r"`(kubectl apply [^`]*gitops/argocd)`", INSTALLATION.read_text())
    cluster.kubectl("create", "namespace", "argocd", check=False)
    theirs = {"metadata": {"name": "argocd-cm"}, "data": {"url": "https://argocd.example.com"}}
    cluster.api.create("configmaps", "argocd", theirs)
    try:
        cluster.kubectl(*shlex.split(command.replace("gitops/argocd", str(ROOT / "gitops" / "argocd")))[1:])
        data = cluster.api.get("configmaps", "argocd", "argocd-cm")["data"]
        assert data.pop("url") == "https://argocd.example.com"
        script = (ROOT / "gitops" / "argocd" / "health.lua").read_text()
        assert data == {"resource.customizations.health.asya.sh_AsyncActor": script}
    finally:
        cluster.kubectl("delete", "namespace", "argocd", "--wait=false")
