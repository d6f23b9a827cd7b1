"""The fixtures of tests on a real API server; tests/conftest.py makes them known."""

from collections.abc import Iterator

import pytest

from tests.support.kube.cluster import Cluster, any_cluster
from tests.support.kube.real import RealCluster, real_cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """One cluster for all tests of this process."""
    found = any_cluster()
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace of the test's own."""
    with cluster.namespace() as name:
        yield name


@pytest.fixture(scope="session")
def real() -> Iterator[RealCluster]:
    """A cluster with a node and KEDA, for all tests with the marker `node`; waits while another run on this machine has one."""
    with real_cluster() as found:
        yield found
