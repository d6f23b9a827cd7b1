"""The row that kubectl prints about an actor, cell by cell, empty ones included. Used by tests of statuses."""

from __future__ import annotations

from itertools import pairwise

from tests.support.kube.cluster import Cluster

COLUMNS = (
    "NAME", "STATUS", "RUNNING", "PENDING", "FAILING", "TOTAL", "DESIRED", "MIN", "MAX", "LAST-SCALE", "AGE",
    "WORKLOAD", "TRANSPORT", "SCALING", "QUEUED", "PROCESSING",
)  # fmt: skip


def row(cluster: Cluster, namespace: str, name: str) -> dict[str, str]:
    """Column -> text of `kubectl get asya NAME -o wide`; an empty cell is an empty text."""
    shown = cluster.kubectl("get", "asya", name, f"--namespace={namespace}", "--output=wide").stdout
    head, line = shown.splitlines()
    assert tuple(head.split()) == COLUMNS, head
    starts = [head.index(column) if at == 0 else head.index(f" {column}") + 1 for at, column in enumerate(COLUMNS)]
    ends = [*(end for _, end in pairwise(starts)), None]
    return {column: line[start:end].strip() for column, start, end in zip(COLUMNS, starts, ends, strict=True)}
