"""docs/cluster.md is typed as it stands, on a real API server with a real controller and a real broker."""

import json
from pathlib import Path

import pytest

from tests.support.console import ROOT, check, copy_of_the_repository, steps
from tests.support.controller_process import rabbitmq, running
from tests.support.kube.binaries import binaries
from tests.support.kube.cluster import Cluster
from tests.support.rabbitmq import shared_node

PAGE = ROOT / "docs" / "cluster.md"


def in_namespace(cluster: Cluster, namespace: str, folder: Path) -> Path:
    """A kubeconfig whose context has this namespace, as a person sets it."""
    view = json.loads(cluster.kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json").stdout)
    for context in view["contexts"]:
        context["context"]["namespace"] = namespace
    file = folder / "kubeconfig"
    file.write_text(json.dumps(view))
    return file


@pytest.mark.timeout(300)
def test_every_command_of_the_page_prints_what_it_shows(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    copy = copy_of_the_repository(tmp_path / "copy")
    broker = shared_node()
    environ = {
        "KUBECONFIG": str(in_namespace(cluster, namespace, tmp_path)),
        "PATH": str(binaries()["kubectl"].parent),
    }
    with broker.vhost() as vhost:
        config = {"transports": {"rabbitmq": rabbitmq(broker, vhost)}}
        with running(cluster, (namespace,), config):
            check(PAGE, steps(PAGE), copy, 240, **environ)
