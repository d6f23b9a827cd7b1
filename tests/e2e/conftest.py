"""The mesh installed on the real cluster, with a RabbitMQ on this machine, for all tests of the session; and traffic for actors."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.kube.installation import Actors, Installation
from tests.support.kube.real import RealCluster, broker_for_pods
from tests.support.kube.traffic import Traffic
from tests.support.rabbitmq import Node


@pytest.fixture(scope="session")
def broker(real: RealCluster) -> Iterator[Node]:
    """Where pods reach it. `real` has made the address."""
    assert real
    with broker_for_pods() as found:
        yield found


@pytest.fixture(scope="session")
def installation(real: RealCluster, broker: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Applied, the controller Ready."""
    with broker.vhost() as vhost:
        found = Installation(real, broker, vhost, tmp_path_factory.mktemp("installation"))
        found.apply()
        found.ready()
        yield found


@pytest.fixture
def away(installation: Installation) -> Iterator[Installation]:
    """The session's own installation, not applied; put back afterwards."""
    installation.remove()
    try:
        yield installation
    finally:
        installation.apply()
        installation.ready(90)


@pytest.fixture
def actors(installation: Installation) -> Iterator[Actors]:
    """A namespace of the test's own."""
    with installation.namespace() as found:
        yield found


@pytest.fixture
def traffic(tmp_path: Path) -> Iterator[Callable[[Actors], Traffic]]:
    """Makes traffic for the actors of a namespace."""
    with ExitStack() as stack:

        def make(actors: Actors) -> Traffic:
            found = Traffic(actors, tmp_path)
            stack.callback(found.close)
            return found

        yield make
