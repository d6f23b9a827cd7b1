"""What a real API server says to an AsyncActor (contract: crd): the rules V1-V18 in its own words, defaults, columns, pruning, status.

Its sentences are held against those recorded in tests/schemas/actor/data, which another definition of the same rules caused.
Long because it follows one page of the contract.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from tests.support.actors import POD, RUNTIME, actor, recorded
from tests.support.admission import as_kubectl_says, refusal, submit
from tests.support.kube.api import APPLY, JSON, MERGE, Refused, path_of
from tests.support.kube.cluster import CRD, Cluster, documents
from tests.support.rule_cases import BROKEN, KEPT, MESSAGES, cases
from tests.support.wait import until

CASES = recorded()
# The recorded definition lacked the quantity pattern and the second name of /var/run.
REFUSED_BY_OURS = {"qty-bad", "V15-/run/asya"}
# Only the controller sees where such a path leads.
NOT_SEEN_AT_ADMISSION = ("/opt//asya", "/opt/x/../asya")


def placed(namespace: str, *changes: Any) -> JSON:
    """An actor in a namespace."""
    return actor((("metadata", "namespace"), namespace), *changes)


def shape(sentence: str) -> list[str]:
    """Its statements in any order, without the part that names the tool's input."""
    sentence = re.sub(r"^Error from server \(BadRequest\): error when creating \"STDIN\": ", "", sentence)
    head, *rest = sentence.split("\n* ")
    return [head, *sorted(rest)]


# --- 1. Identity ------------------------------------------------------------------------------------------------------


def test_the_definition_is_accepted_structural_and_established(cluster: Cluster) -> None:
    definition = cluster.api.get("customresourcedefinitions", "", "asyncactors.asya.sh")
    conditions = {entry["type"]: entry["status"] for entry in definition["status"]["conditions"]}
    assert conditions["Established"] == conditions["NamesAccepted"] == "True"
    assert "NonStructuralSchema" not in conditions
    assert definition["status"]["storedVersions"] == ["v1alpha1"]


def test_the_stored_definition_is_the_file(cluster: Cluster) -> None:
    (ours,) = documents(CRD)
    theirs = cluster.api.get("customresourcedefinitions", "", "asyncactors.asya.sh")["spec"]
    (schema,) = (version.pop("schema") for version in theirs["versions"])
    assert schema == ours["spec"]["versions"][0].pop("schema")
    del theirs["conversion"]  # the server's default
    assert theirs == ours["spec"]


@pytest.mark.parametrize("name", ["asya", "asyas", "asyncactor", "asyncactors", "AsyncActor"])
def test_kubectl_knows_the_kind_by_each_of_its_names(cluster: Cluster, namespace: str, name: str) -> None:
    cluster.api.create("asyncactors", namespace, placed(namespace))
    listed = cluster.kubectl("get", name, "--namespace", namespace, "-o", "name").stdout
    assert listed == "asyncactor.asya.sh/hello\n"


def test_there_is_a_status_and_no_scale(cluster: Cluster) -> None:
    found = cluster.api.ask("GET", "/apis/asya.sh/v1alpha1")["resources"]
    assert {entry["name"] for entry in found} == {"asyncactors", "asyncactors/status"}


# --- 3. Rules ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_server_says_what_was_recorded(cluster: Cluster, name: str) -> None:
    case = CASES[name]
    if case["rc"] == 0 and name not in REFUSED_BY_OURS:
        submit(cluster, case["object"])
        return
    said = as_kubectl_says(refusal(cluster, case["object"]))
    if name not in REFUSED_BY_OURS:
        assert shape(said) == shape(case["stderr"])


@pytest.mark.parametrize(("rule", "changes"), cases(BROKEN))
def test_a_broken_rule_is_refused_in_its_own_words(cluster: Cluster, rule: str, changes: list[Any]) -> None:
    document = actor(*changes)
    if any(text in str(document) for text in NOT_SEEN_AT_ADMISSION):
        submit(cluster, document)
    else:
        assert MESSAGES[rule] in " ".join(refusal(cluster, document).causes)


@pytest.mark.parametrize(("rule", "changes"), cases(KEPT))
def test_the_last_allowed_value_is_admitted(cluster: Cluster, rule: str, changes: list[Any]) -> None:
    assert submit(cluster, actor(*changes)), rule


# --- 2. Defaults, 4. Shape ---------------------------------------------------------------------------------------------


def test_a_block_that_is_present_gets_its_stored_defaults(cluster: Cluster) -> None:
    blocks: list[Any] = [
        (("spec", "sidecar"), {}),
        (("spec", "scaling"), {"advanced": {}}),
        (("spec", "resiliency"), {"policies": {"default": {}}}),
        (("spec", "timeout"), {}),
    ]
    spec = submit(cluster, actor(*blocks))["spec"]
    assert spec["sidecar"] == {"imagePullPolicy": "IfNotPresent"}
    assert spec["scaling"] == {
        "enabled": False,
        "minReplicas": 0,
        "maxReplicas": 50,
        "pollingInterval": 10,
        "cooldownPeriod": 60,
        "queueLength": 5,
        "advanced": {"metricType": "AverageValue", "restoreToOriginalReplicaCount": False},
    }
    assert spec["resiliency"]["policies"]["default"] == {
        "maxAttempts": 3,
        "backoff": "exponential",
        "initialDelay": "1s",
        "maxInterval": "5m",
        "jitter": True,
        "onExhausted": [],
    }
    assert spec["timeout"] == {}


def test_a_block_that_is_absent_stays_absent(cluster: Cluster) -> None:
    assert submit(cluster, actor())["spec"] == actor()["spec"]


def test_a_fresh_object_says_that_nobody_has_looked_at_it(cluster: Cluster, namespace: str) -> None:
    cluster.api.create("asyncactors", namespace, placed(namespace))
    assert cluster.api.get("asyncactors", namespace, "hello")["status"] == {"observedGeneration": -1}


UNKNOWN: list[Any] = [
    ((*POD, "hostUsers"), False),
    ((*RUNTIME, "livenessProbe"), {"exec": {"command": ["true"]}}),
    ((*POD, "volumes"), [{"name": "a", "aNewKindOfVolume": {"size": 1}}]),
    ((*POD, "initContainers"), [{"name": "i", "image": "x", "restartPolicy": "Always"}]),
    ((*RUNTIME, "volumeMounts"), [{"name": "a", "mountPath": "/a", "recursiveReadOnly": "Enabled"}]),
    (("spec", "workload", "template", "aFieldOfTomorrow"), {"x": [1]}),
]


def test_the_pod_template_keeps_fields_that_the_definition_does_not_know(cluster: Cluster) -> None:
    document = actor(*UNKNOWN)
    assert submit(cluster, document)["spec"] == document["spec"]


def test_elsewhere_unknown_fields_are_pruned_or_refused_as_asked(cluster: Cluster, namespace: str) -> None:
    document = placed(namespace, (("spec", "replicas"), 3), (("spec", "scaling"), {"max": 4}))
    assert cluster.api.create("asyncactors", namespace, document)["spec"].keys() == {"transport", "workload", "scaling"}
    assert "max" not in cluster.api.get("asyncactors", namespace, "hello")["spec"]["scaling"]
    assert 'unknown field "spec.replicas"' in refusal(cluster, document).message


def test_two_authors_apply_entries_of_one_list(cluster: Cluster, namespace: str) -> None:
    """Lists are maps by name: what one manager applies does not remove what another did."""
    cluster.api.apply("asyncactors", namespace, placed(namespace), manager="one")
    other = {"name": "other", "image": "x"}
    partial = {"apiVersion": "asya.sh/v1alpha1", "kind": "AsyncActor", "metadata": {"name": "hello"}}
    partial["spec"] = {"transport": "rabbitmq", "workload": {"template": {"spec": {"containers": [other]}}}}
    merged = cluster.api.apply("asyncactors", namespace, partial, manager="two")
    containers = merged["spec"]["workload"]["template"]["spec"]["containers"]
    assert [container["name"] for container in containers] == ["asya-runtime", "other"]


# --- 6. Status, 9. Columns --------------------------------------------------------------------------------------------

STATUS = {
    "observedGeneration": 1,
    "status": "ScalingUp",
    "message": "waiting for pods",
    "conditions": [
        {
            "type": "Ready",
            "status": "False",
            "reason": "ScalingUp",
            "message": "waiting for pods",
            "observedGeneration": 1,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
    ],
    "readyReplicas": 1,
    "pendingReplicas": 2,
    "failingPods": 0,
    "totalReplicas": 3,
    "desiredReplicas": 3,
    "lastScaleFormatted": "2m ago (up)",
    "scalingMode": "KEDA",
    "transportStatus": "Ready",
    "queuedMessages": 17,
    "processingMessages": 4,
    "workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "hello"},
}


def with_status(cluster: Cluster, namespace: str, status: JSON) -> JSON:
    """Write it as the controller does."""
    document = {"apiVersion": "asya.sh/v1alpha1", "kind": "AsyncActor", "metadata": {"name": "hello"}, "status": status}
    return cluster.as_controller.ask(
        "PATCH",
        path_of("asyncactors/status", namespace, "hello"),
        document,
        APPLY,
        fieldManager="asya-status",
        force="true",
    )


def columns(cluster: Cluster, namespace: str, *options: str) -> dict[str, str]:
    """Column -> what is printed in it."""
    head, row = cluster.kubectl("get", "asya", "--namespace", namespace, *options).stdout.splitlines()
    starts = [found.start() for found in re.finditer(r"\S+", head)] + [1000]
    return {head[a:b].strip(): row[a:b].strip() for a, b in pairwise(starts)}


def test_status_is_written_apart_from_spec(cluster: Cluster, namespace: str) -> None:
    cluster.api.create("asyncactors", namespace, placed(namespace))
    written = with_status(cluster, namespace, STATUS)
    assert (written["status"], written["metadata"]["generation"]) == (STATUS, 1)
    document = placed(namespace, (("spec", "workload", "replicas"), 2)) | {"status": {"status": "Running"}}
    applied = cluster.api.apply("asyncactors", namespace, document)
    assert (applied["status"], applied["metadata"]["generation"]) == (STATUS, 2)


def test_kubectl_prints_the_columns_of_the_contract(cluster: Cluster, namespace: str) -> None:
    scaling = (("spec", "scaling"), {"enabled": True, "minReplicas": 1, "maxReplicas": 9})
    cluster.api.create("asyncactors", namespace, placed(namespace, scaling))
    with_status(cluster, namespace, STATUS)
    shown = columns(cluster, namespace)
    assert re.fullmatch(r"\d+s", shown.pop("AGE"))
    assert shown == {
        "NAME": "hello",
        "STATUS": "ScalingUp",
        "RUNNING": "1",
        "PENDING": "2",
        "FAILING": "0",
        "TOTAL": "3",
        "DESIRED": "3",
        "MIN": "1",
        "MAX": "9",
        "LAST-SCALE": "2m ago (up)",
    }
    wide = columns(cluster, namespace, "-o", "wide")
    assert list(wide)[-5:] == ["WORKLOAD", "TRANSPORT", "SCALING", "QUEUED", "PROCESSING"]
    assert list(wide.values())[-5:] == ["Deployment", "Ready", "KEDA", "17", "4"]


def test_without_a_scaling_block_the_bounds_are_empty(cluster: Cluster, namespace: str) -> None:
    cluster.api.create("asyncactors", namespace, placed(namespace))
    shown = columns(cluster, namespace)
    assert (shown["MIN"], shown["MAX"], shown["STATUS"]) == ("", "", "")


def test_kubectl_wait_sees_ready(cluster: Cluster, namespace: str) -> None:
    cluster.api.create("asyncactors", namespace, placed(namespace))
    condition = STATUS["conditions"][0] | {"status": "True", "reason": "Running"}
    with_status(cluster, namespace, STATUS | {"status": "Running", "conditions": [condition]})
    wait = ("wait", "--for=condition=Ready", "--timeout=5s", "asya/hello", "--namespace", namespace)
    assert "condition met" in cluster.kubectl(*wait).stdout


def test_a_status_outside_the_sixteen_is_refused(cluster: Cluster, namespace: str) -> None:
    cluster.api.create("asyncactors", namespace, placed(namespace))
    with pytest.raises(Refused, match="Unsupported value"):
        with_status(cluster, namespace, STATUS | {"status": "Fine"})


# --- Objects stored before the rules ----------------------------------------------------------------------------------


class Older:
    """Our definition under a name of its own: first without rules, as an earlier version could have been, then as it is now."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._api = cluster.api
        (self._now,) = documents(CRD)
        spec = self._now["spec"]
        spec["group"] = f"{namespace}.asya.sh"
        spec["names"] = {"kind": "OldActor", "listKind": "OldActorList", "plural": "oldactors", "singular": "oldactor"}
        self._now["metadata"] = {"name": f"oldactors.{spec['group']}"}
        self._kind = {"apiVersion": f"{spec['group']}/v1alpha1", "kind": "OldActor"}
        self._path = f"/apis/{spec['group']}/v1alpha1/namespaces/{namespace}/oldactors"
        self._api.create("customresourcedefinitions", "", without_rules(self._now))

    def _send(
        self, method: str, name: str, body: Any, kind: str = APPLY, sub: str = "", manager: str = "author", **query: str
    ) -> JSON:
        path = f"{self._path}/{name}{sub}"
        return dict(self._api.ask(method, path, self._kind | body, kind, fieldManager=manager, force="true", **query))

    def store(self, name: str, *changes: Any) -> None:
        """Apply an object; right after its kind was made the server is not ready for it."""

        def stored() -> bool:
            try:
                self.change(name, *changes)
            except Refused as refused:
                if refused.code not in (404, 429):
                    raise
                return False
            return True

        until(stored, 30, what=f"{name} is stored")

    def change(self, name: str, *changes: Any) -> JSON:
        """Apply the whole spec anew."""
        return self._send("PATCH", name, {"metadata": {"name": name}, "spec": actor(*changes)["spec"]})

    def upgrade(self, probe: str) -> None:
        """Install the rules, and wait until they hold."""
        self._api.apply("customresourcedefinitions", "", self._now)

        breaking = {"metadata": {"name": probe}, "spec": actor((HANDLER, []))["spec"]}

        def holds() -> bool:
            try:
                self._send("PATCH", probe, breaking, dryRun="All")  # once stored, it might stay as it is
            except Refused as refused:
                return MESSAGES["V7"] in refused.message
            return False

        until(holds, 30, what="the rules hold")

    def finish(self, name: str) -> JSON:
        """What the controller writes: finalizer, then status; gives the object."""
        self._send(
            "PATCH", name, {"metadata": {"name": name, "finalizers": ["asya.sh/finalizer"]}}, manager="asya-finalizer"
        )
        return self._send(
            "PATCH", name, {"metadata": {"name": name}, "status": STATUS}, sub="/status", manager="asya-status"
        )

    def end(self, name: str) -> None:
        """Deleted, then without its finalizer: it goes."""
        self._api.ask("DELETE", f"{self._path}/{name}")
        self._api.ask("PATCH", f"{self._path}/{name}", {"metadata": {"finalizers": None}}, MERGE)
        with pytest.raises(Refused, match="404"):
            self._api.ask("GET", f"{self._path}/{name}")

    def close(self) -> None:
        self._api.delete("customresourcedefinitions", "", self._now["metadata"]["name"])


def without_rules(node: Any) -> Any:
    """A schema whose every part accepts what only rules refuse."""
    if isinstance(node, dict):
        return {key: without_rules(value) for key, value in node.items() if key != "x-kubernetes-validations"}
    return [without_rules(value) for value in node] if isinstance(node, list) else node


HANDLER = (*RUNTIME, "env")
REPLICAS = ("spec", "workload", "replicas")


@pytest.fixture
def older(cluster: Cluster, namespace: str) -> Iterator[Older]:
    found = Older(cluster, namespace)
    yield found
    found.close()


LONG = "a" * 60
STORED_BEFORE: dict[str, tuple[str, list[Any]]] = {
    "V1": ("a.b", []),
    "V2": (LONG, [(("spec", "scaling", "enabled"), True)]),
    "V3": (LONG + "b", [(("spec", "workload", "kind"), "StatefulSet")]),
    "V7": ("no-handler", [(HANDLER, [])]),
    "V9": ("bounds", [(("spec", "scaling"), {"minReplicas": 3, "maxReplicas": 2})]),
    "V14": ("volume", [((*POD, "volumes"), [{"name": "asya-x"}])]),
}


def test_objects_stored_before_the_rules_get_finalizer_and_status_and_can_go(older: Older) -> None:
    for name, changes in STORED_BEFORE.values():
        older.store(name, *changes)
    older.upgrade("probe")
    for name, _ in STORED_BEFORE.values():
        assert older.finish(name)["status"] == STATUS
        older.end(name)


def test_an_object_stored_before_the_rules_may_keep_what_it_breaks_and_break_no_more(older: Older) -> None:
    for name, changes in STORED_BEFORE.values():
        older.store(name, *changes)
    older.upgrade("probe")
    for name, changes in STORED_BEFORE.values():
        assert older.change(name, *changes, (REPLICAS, 2))["spec"]["workload"]["replicas"] == 2
    with pytest.raises(Refused, match=re.escape(MESSAGES["V9"])):
        older.change("a.b", (("spec", "scaling"), {"minReplicas": 3, "maxReplicas": 2}))
