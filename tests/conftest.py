"""Fixtures that every test may use."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kube.fixtures import cluster, namespace, real
from tests.support.wait import short_tmp

__all__ = ["cluster", "namespace", "real", "short_folder"]


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A temporary folder with a path short enough for unix sockets."""
    with short_tmp() as folder:
        yield folder
