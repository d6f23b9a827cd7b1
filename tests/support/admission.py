"""What a real API server says of an AsyncActor that it is asked to create, and what kubectl makes of that."""

import pytest

from tests.support.kube.api import JSON, Refused
from tests.support.kube.cluster import Cluster


def submit(cluster: Cluster, document: JSON) -> JSON:
    """Create it without storing it, as strict as kubectl."""
    document = document | {"metadata": document["metadata"] | {"namespace": "default"}}
    return cluster.api.create("asyncactors", "default", document, dryRun="All", fieldValidation="Strict")


def refusal(cluster: Cluster, document: JSON) -> Refused:
    with pytest.raises(Refused) as refused:
        submit(cluster, document)
    return refused.value


def as_kubectl_says(refused: Refused) -> str:
    """The sentence that kubectl makes of an answer."""
    details = refused.status.get("details", {})
    lines = [f"{cause['field']}: {cause['message']}" for cause in details.get("causes", [])]
    if not lines:
        return refused.message
    head = f'The AsyncActor "{details["name"]}" is invalid: '
    return head + (lines[0] if len(lines) == 1 else "".join(f"\n* {line}" for line in lines))
