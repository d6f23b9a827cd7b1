"""The command in the test's namespace, a source of two actors, and what is in the namespace."""

import subprocess
from pathlib import Path

import pytest

from tests.support.asya_command import asya
from tests.support.kube.cluster import Cluster
from tests.support.source_files import Asya, State, write


@pytest.fixture
def command(cluster: Cluster, namespace: str) -> Asya:
    """The command, as a process, in the test's namespace."""

    def run(verb: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        environ = {"KUBECONFIG": str(cluster.kubeconfig)}
        return asya(verb, *arguments, "--namespace", namespace, environ=environ)

    return run


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    write(folder, "a", "b")
    return folder


@pytest.fixture
def state(cluster: Cluster, namespace: str) -> State:
    return State(cluster, namespace)
