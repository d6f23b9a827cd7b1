"""docs/installation.md and docs/debugging.md are typed as they stand on a real node: from a clone to a processed message and back.

The way with a RabbitMQ in the cluster, so with nothing but the repository and a cluster; tests/gitops/test_installation.py types the other
one on an API server alone. What a machine without Docker and a registry cannot do is replaced, and nothing else:

- `kind create` and KEDA's release: the tests' node, and KEDA's own programs beside it, of the release's version
  (tests/repository/test_prerequisites.py has the commands);
- `docker build`: tests/support/kube/docker.py; what it built is loaded into the node as `kind load` would do it;
- the image `rabbitmq:4.1-management`: one of Debian's RabbitMQ (broker/Dockerfile);
- the volume of a default StorageClass: a PersistentVolume of this machine.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.console import ROOT, check, copy_of_the_repository, part, steps
from tests.support.kube.binaries import binaries
from tests.support.kube.images import build, push
from tests.support.kube.installation import Installation
from tests.support.kube.node import NAME

pytestmark = [pytest.mark.node, pytest.mark.timeout(900)]

INSTALLATION = ROOT / "docs" / "installation.md"
DEBUGGING = ROOT / "docs" / "debugging.md"
RABBITMQ = "docker.io/library/rabbitmq:4.1-management"


def docker(folder: Path) -> Path:
    """A folder for PATH with a `docker` that builds."""
    folder.mkdir()
    program = folder / "docker"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m tests.support.kube.docker "$@"\n')
    program.chmod(0o755)
    return folder


@pytest.fixture
def volume(away: Installation, tmp_path: Path) -> Iterator[None]:
    """One for the claim of RabbitMQ."""
    (tmp_path / "volume").mkdir()
    here = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [NAME]}]}
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "local": {"path": str(tmp_path / "volume")},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [here]}},
    }
    away.api.create("persistentvolumes", "", {"metadata": {"name": "rabbitmq"}, "spec": spec})
    yield
    away.api.delete("persistentvolumes", "", "rabbitmq")


@pytest.mark.usefixtures("volume")
def test_the_pages_lead_from_a_clone_to_a_processed_message_and_back_to_nothing(
    away: Installation, tmp_path: Path
) -> None:
    copy = copy_of_the_repository(tmp_path / "copy")
    other = part(INSTALLATION, "### With a RabbitMQ that you have")
    page = [step for step in steps(INSTALLATION) if step.line not in other]
    controller, upgrade = (
        next(number for number, step in enumerate(page) if step.line in part(INSTALLATION, heading))
        for heading in ("## The controller", "## Upgrade")
    )
    environ = {
        "KUBECONFIG": str(away.cluster.kubeconfig),
        "PATH": f"{docker(tmp_path / 'bin')}:{binaries()['kubectl'].parent}",
        "ASYA_TEST_IMAGES": str(tmp_path / "images"),
        "OVERLAY": "kustomize/overlays/local",  # as the page sets it; each call of `check` is a shell of its own
    }
    check(INSTALLATION, page[:controller], copy, 400, **environ)
    build(RABBITMQ, ROOT / "tests" / "e2e" / "broker", None)
    push(RABBITMQ, tmp_path / "images")
    away.cluster.node.load(tmp_path / "images")
    check(INSTALLATION, page[controller:upgrade], copy, 300, **environ)
    check(DEBUGGING, steps(DEBUGGING), copy, 150, **environ)
    check(INSTALLATION, page[upgrade:], copy, 300, **environ)
    kinds = "deployments,pods,scaledobjects,triggerauthentications,horizontalpodautoscalers,secrets"
    left = away.cluster.kubectl("get", kinds, "--namespace", "default", "-o", "name", "--ignore-not-found")
    assert left.stdout == "", "the actors' children went with them, and no finalizer keeps any"
    away.api.delete("namespaces", "", "team-a")
