"""What a controller never sees, because the API server refuses it (contract: controller, Situations 57)."""

from typing import Any

import pytest

from tests.support.actors import POD, RUNTIME, actor
from tests.support.admission import as_kubectl_says, refusal
from tests.support.kube.cluster import Cluster
from tests.support.rule_cases import MESSAGES

SITUATIONS: dict[str, tuple[list[Any], str]] = {
    "min 5 with max 2": ([(("spec", "scaling"), {"minReplicas": 5, "maxReplicas": 2})], MESSAGES["V9"]),
    "a name of 55 with scaling": (
        [(("metadata", "name"), "a" * 55), (("spec", "scaling", "enabled"), True)],
        MESSAGES["V2"],
    ),
    "two runtime containers": (
        [((*POD, "containers", 1), actor()["spec"]["workload"]["template"]["spec"]["containers"][0])],
        "Duplicate value",
    ),
    "a command": ([((*RUNTIME, "command"), ["python"])], MESSAGES["V5"]),
    "no handler": ([((*RUNTIME, "env"), [])], MESSAGES["V7"]),
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_row_57_is_refused_at_admission(cluster: Cluster, situation: str) -> None:
    changes, words = SITUATIONS[situation]
    assert words in as_kubectl_says(refusal(cluster, actor(*changes)))
