"""Objects that were stored before the rules, and definitions of another version, on a real API server (contract:
controller 12 and 14, crd 3).

The cluster is one of its own, because its definition is replaced: first by one that takes anything, as an earlier version could have been.
Then ours comes back, and the controller finds what no API server would admit any more.
"""

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.actors import RUNTIME, actor
from tests.support.controller_bed import Bed, bed, condition, states
from tests.support.kube.api import JSON, Api, Refused
from tests.support.kube.cluster import CRD, Cluster, documents, own_cluster
from tests.support.rabbitmq import shared_node
from tests.support.rule_cases import BROKEN, MESSAGES, NAME
from tests.support.wait import until

KIND = "asyncactors"
OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
# Of each rule those cases whose name an API server stores at all, and each under a name of its own where the name is not the case.
CASES = [
    (rule, number, changes)
    for rule, many in BROKEN.items()
    for number, changes in enumerate(many)
    if dict(changes).get(NAME, "a").strip("-\n").islower()
    and "\n" not in dict(changes).get(NAME, "a")
    and not dict(changes).get(NAME, "a").startswith("-")
]
WRONG = {
    "type": (
        (("spec", "workload", "replicas"), "two"),
        'spec.workload.replicas: expected an integer from 0 to 1000, got "two"',
    ),
    "range": (
        (("spec", "workload", "replicas"), 1001),
        "spec.workload.replicas: expected an integer from 0 to 1000, got 1001",
    ),
    "enum": (
        (("spec", "workload", "kind"), "Deploymnt"),
        'spec.workload.kind: expected one of Deployment, StatefulSet, got "Deploymnt", did you mean Deployment?',
    ),
}


def named(rule: str, number: int, changes: list[Any]) -> str:
    """The case's own name, with another letter for each case of the rule; else one made of the rule."""
    return str(dict(changes).get(NAME, "")).replace("a", "abc"[min(number, 2)]) or f"{rule.lower()}-{number}"


def define(api: Api, version: JSON) -> None:
    """Replace the definition, and wait until it is the one that counts."""
    (ours,) = documents(CRD)
    name = ours["metadata"]["name"]

    def replaced() -> bool:
        """The server writes its status meanwhile."""
        live = api.get("customresourcedefinitions", "", name)
        try:
            api.replace("customresourcedefinitions", "", live | {"spec": live["spec"] | {"versions": [version]}})
        except Refused as refused:
            if refused.code != 409:
                raise
            return False
        return True

    until(replaced, what="the definition is replaced")


def ours() -> JSON:
    (found,) = documents(CRD)
    return dict(found["spec"]["versions"][0])


def open_version() -> JSON:
    """A version of the definition that takes any spec."""
    version = copy.deepcopy(ours())
    schema = version["schema"]["openAPIV3Schema"]
    schema.pop("x-kubernetes-validations", None)
    schema["properties"]["spec"] = OPEN
    return version


def refuses(api: Api, namespace: str) -> bool | None:
    """Whether the rules hold; None while the server says neither, which it does for a moment after a change of the definition."""
    probe = actor((("metadata", "namespace"), namespace), ((*RUNTIME, "command"), ["x"]), (NAME, "probe"))
    try:
        api.create(KIND, namespace, probe, dryRun="All")
    except Refused as refused:
        return True if MESSAGES["V5"] in refused.message else None
    return False


@pytest.fixture(scope="module")
def old() -> Iterator[Cluster]:
    """A cluster of our own."""
    found = own_cluster()
    yield found
    found.close()


@contextlib.contextmanager
def stored_before_the_rules(home: Bed) -> Iterator[None]:
    """In between, anything is stored; afterwards the rules hold, and the controller runs."""
    home.controller.stop()
    define(home.api, open_version())
    until(lambda: refuses(home.api, home.namespace) is False, what="anything goes")
    yield
    define(home.api, ours())
    until(lambda: refuses(home.api, home.namespace), what="the rules hold")
    home.controller.start()


@pytest.fixture(scope="module")
def home(old: Cluster) -> Iterator[Bed]:
    """Everything that breaks a rule is stored, one actor each."""
    with bed(old, shared_node()) as found:
        with stored_before_the_rules(found):
            for rule, number, changes in CASES:
                found.create(named(rule, number, changes), *(item for item in changes if item[0] != NAME))
            for name, (change, _) in WRONG.items():
                found.create(f"wrong-{name}", change)
            found.create("unknown", (("spec", "scalling"), {"enabled": True}), (("spec", "workload", "replicas"), 0))
        yield found


@pytest.mark.parametrize(("rule", "number", "changes"), CASES, ids=[f"{rule}-{number}" for rule, number, _ in CASES])
def test_row_33_a_stored_object_that_breaks_a_rule_is_told_so(home: Bed, rule: str, number: int, changes: Any) -> None:
    name = named(rule, number, changes)
    refused(home, name, MESSAGES[rule])


@pytest.mark.parametrize("name", WRONG)
def test_row_33_a_stored_value_of_another_type_or_range_is_told_so(home: Bed, name: str) -> None:
    refused(home, f"wrong-{name}", WRONG[name][1])


def refused(home: Bed, name: str, message: str) -> None:
    status = home.reaches(name, "ConfigError", "ValidationError")
    assert status["message"] == message
    assert condition(status, "WorkloadReady") == ("False", "ValidationError")
    assert condition(status, "TransportReady") == ("Unknown", "NotChecked")
    assert condition(status, "Stalled") == ("True", "ValidationError")
    assert states(status) == ("False", "", "True")
    assert home.child("deployments", name) is None
    home.told(name, "ConfigError")


def test_a_field_that_no_version_knows_does_no_harm(home: Bed) -> None:
    assert states(home.reaches("unknown", "Running", "ScaledToZero")) == ("True", "", "")


def test_row_33_its_pods_stay_it_is_looked_at_once_and_a_good_version_heals_it(old: Cluster) -> None:
    with bed(old, shared_node()) as home:
        home.create("working")
        home.make_ready("working", 1)
        home.reaches("working", "Running")
        with stored_before_the_rules(home):
            home.change("working", {"spec": {"workload": {"template": {"spec": {"containers": without_handler()}}}}})
        refused_before = home.reaches("working", "ConfigError", "ValidationError")
        assert states(refused_before) == ("False", "", "True")
        assert home.pods("working")[0]["status"]["phase"] == "Running"
        assert home.controller.metric("workqueue_retries_total") == 0
        assert home.controller.metric("terminal_reconcile_errors_total") == 0
        children = [request for request in home.proxy.record.writes() if request.resource == "deployments"]
        mark = len(children)
        home.change("working", {"spec": {"workload": {"template": actor()["spec"]["workload"]["template"]}}})
        home.reaches("working", "Running", "WorkloadAvailable")
        home.told("working", "Recovered")
        now = [request for request in home.proxy.record.writes() if request.resource == "deployments"]
        assert not [request for request in now[mark:] if request.effect], "the good version is the one that runs"


def without_handler() -> list[JSON]:
    return [{"name": "asya-runtime", "image": "registry.example.com/hello:1.0.0", "env": []}]


def test_a_definition_without_a_field_of_ours_gets_the_rest_of_the_status(old: Cluster) -> None:
    """Another version of the definition is installed: what it does not know is left out and said, and nothing is tried for ever."""
    with bed(old, shared_node()) as home:
        version = copy.deepcopy(ours())
        status = version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
        for name in ("shortSince", "scalingMode"):
            del status[name]
        home.controller.stop()
        try:
            define(home.api, version)
            home.controller.start()
            home.create("partly")
            found = home.reaches("partly", "ScalingUp", "Progressing")
            assert "scalingMode" not in found
            home.make_ready("partly", 1)
            home.reaches("partly", "Running")
            until(lambda: "scalingMode" in home.controller.log(), what="the log names the field")
            writes = [request for request in home.proxy.record.writes() if request.sub == "status"]
            assert len(writes) < 20, [str(request)[:200] for request in writes]
        finally:
            define(home.api, ours())
            until(lambda: refuses(home.api, home.namespace), what="the rules hold again")
        home.controller.stop()
        home.controller.start()
        until(lambda: "scalingMode" in home.status("partly"), what="with our definition all of it is written")
        home.delete("partly")
        home.gone("partly")
