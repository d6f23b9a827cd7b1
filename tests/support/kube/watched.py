"""A way to the API server under watch: the proxy for one controller, and at its end the verdict on everything that went through.

Used by tests/support/controller_bed.py, so that every test of the controller is judged whether it thinks of it or not.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cache

from tests.support.kube.api import JSON
from tests.support.kube.cluster import RBAC, Cluster, documents
from tests.support.kube.oracles import violations
from tests.support.kube.proxy import ApiProxy

MOST_SHOWN = 5


@cache
def shipped_rules() -> tuple[JSON, ...]:
    """What the shipped manifest permits the controller."""
    roles = [found for found in documents(RBAC) if found["metadata"]["name"] == "asya-controller"]
    return tuple(rule for role in roles for rule in role.get("rules", ()))


@contextlib.contextmanager
def watched(cluster: Cluster, *more: JSON) -> Iterator[ApiProxy]:
    """A proxy with the controller's rights; `more` are rules that a test has given it.

    Raises:
        AssertionError: at the end, when the controller did what no controller may.
    """
    proxy = ApiProxy(cluster.as_controller, cluster.api)
    try:
        yield proxy
    finally:
        proxy.close()
    wrong = violations(proxy.record, (*shipped_rules(), *more))
    assert not wrong, "\n".join([f"{len(wrong)} requests that no controller may make:", *wrong[:MOST_SHOWN]])
