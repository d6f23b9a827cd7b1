"""What `asya doctor` makes of states that no test may bring about in a cluster that others use."""

from types import SimpleNamespace
from typing import cast

from asya_cli.cluster.checks import definition
from asya_cli.cluster.connection import Cluster
from asya_cli.cluster.findings import Patient


def test_a_definition_that_is_being_deleted_is_told() -> None:
    going = {
        "metadata": {"name": "asyncactors.asya.sh", "deletionTimestamp": "2026-01-01T00:00:00Z"},
        "status": {"conditions": [{"type": "Established", "status": "True"}]},
    }
    cluster = cast("Cluster", SimpleNamespace(api=SimpleNamespace(get=lambda *_: going)))
    (finding,) = definition(Patient(cluster))
    assert (finding.subject, finding.state) == ("CRD", "wrong")
    assert finding.found.startswith("is being deleted")
    assert finding.mend.startswith("kubectl get asyncactors -A, then asya crd | kubectl apply")
