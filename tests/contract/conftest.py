"""Situations of the sidecar whose outcome must not depend on the broker are run on each of them."""

from collections.abc import Iterator

import pytest

from tests.support.rabbitmq_mesh import rabbitmq_mesh
from tests.support.sidecar_process import MESHES

PAGES = (
    "results",
    "retries",
    "refusals",
    "timeouts",
    "crashes",
    "draining",
    "window",
    "end_actors",
    "gateway",
    "telemetry",
    "queues",
)
ON_EVERY_BROKER = tuple(f"test_sidecar_{page}" for page in PAGES)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Twice, then; the fixture below reads the parameter."""
    if metafunc.module.__name__.endswith(ON_EVERY_BROKER):
        metafunc.parametrize("broker", ["sqlite", "rabbitmq"], indirect=True, scope="module")


@pytest.fixture(autouse=True, scope="module")
def broker(request: pytest.FixtureRequest) -> Iterator[str]:
    """What `mesh()` opens; fixtures of a module that open one depend on it."""
    kind: str = getattr(request, "param", "sqlite")
    if kind == "rabbitmq":
        MESHES.append(rabbitmq_mesh)
    yield kind
    del MESHES[1:]
