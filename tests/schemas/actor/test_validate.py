"""Documents are judged as the API server and the controller would, in words that name field, wish and value."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asya_schemas.actor.problems import Cause, Problem, Severity
from asya_schemas.actor.structure import SCHEMA
from asya_schemas.actor.validate import validate
from tests.support.actors import POD, RUNTIME, actor, recorded

CASES = recorded()
# Accepted by the server: V15 as written only, and a recorded schema without the quantity pattern of the contract.
STRICTER_THAN_THE_RECORD = {"V15-/opt//asya", "V15-/run/asya", "V15-/opt/./asya", "V15-/opt/x/../asya", "qty-bad"}


def errors(document: Any) -> list[Problem]:
    return [problem for problem in validate(document) if problem.severity is Severity.ERROR]


def messages(*changes: Any) -> list[str]:
    return [problem.message for problem in errors(actor(*changes))]


@pytest.mark.parametrize("name", sorted(CASES))
def test_what_the_api_server_refused_is_refused_and_nothing_else(name: str) -> None:
    refused = CASES[name]["rc"] != 0 or name in STRICTER_THAN_THE_RECORD
    assert bool(errors(CASES[name]["object"])) is refused


def test_a_minimal_actor_has_no_problem() -> None:
    assert validate(actor()) == []


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            ("spec", "workload", "replicas"),
            1001,
            "spec.workload.replicas: expected an integer from 0 to 1000, got 1001",
        ),
        (("spec", "workload", "replicas"), "3", 'spec.workload.replicas: expected an integer from 0 to 1000, got "3"'),
        (
            ("spec", "workload", "replicas"),
            True,
            "spec.workload.replicas: expected an integer from 0 to 1000, got true",
        ),
        (("spec", "scaling", "enabled"), "yes", 'spec.scaling.enabled: expected true or false, got "yes"'),
        (("spec", "timeout"), 30, "spec.timeout: expected an object, got 30"),
        (("spec", "resiliency", "rules"), {}, "spec.resiliency.rules: expected a list of 0 to 64 items, got {}"),
        (
            ("spec", "transport"),
            "Rabbit",
            "spec.transport: expected a DNS label (a-z, 0-9, '-') of 1 to 63 characters, got \"Rabbit\"",
        ),
        (
            ("spec", "resiliency", "actorTimeout"),
            "25h",
            'spec.resiliency.actorTimeout: expected a duration above 0s to 24h, such as 90s, 1m30s or 500ms, got "25h"',
        ),
        (
            (*RUNTIME, "env", 1),
            {"name": "DEBUG", "value": True},
            "spec.workload.template.spec.containers[0].env[1].value: expected text, so in quotes, got true",
        ),
        (
            ("spec", "scaling", "advanced", "target"),
            4,
            "spec.scaling.advanced.target: expected text, so in quotes, got 4",
        ),
        (
            ("spec", "sidecar", "resources", "limits", "memory"),
            "2 GB",
            'spec.sidecar.resources.limits.memory: expected a quantity such as 500m or 2Gi, got "2 GB"',
        ),
        (
            (*RUNTIME, "env", 1),
            {"name": "ASYA_HANDLER", "value": "x.y"},
            "spec.workload.template.spec.containers[0].env[1].name: expected a name used once, got ASYA_HANDLER,"
            " as spec.workload.template.spec.containers[0].env[0]",
        ),
        (
            ("spec", "workload", "kind"),
            "Deploymnt",
            'spec.workload.kind: expected one of Deployment, StatefulSet, got "Deploymnt", did you mean Deployment?',
        ),
        (("spec", "scalling"), {}, "spec.scalling: unknown field, did you mean scaling?"),
        (("spec", "replicas"), 3, "spec.replicas: unknown field, did you mean spec.workload.replicas?"),
        (("spec", "flavour"), 3, "spec.flavour: unknown field"),
        (("metadata", "lables"), {}, "metadata.lables: unknown field, did you mean labels?"),
        (
            ("metadata", "annotations"),
            {"asya.sh/suspend": True},
            "metadata.annotations[asya.sh/suspend]: expected text: put it in quotes, got true",
        ),
        (("apiVersion",), "asya.sh/v1", 'apiVersion: expected asya.sh/v1alpha1, got "asya.sh/v1"'),
        (("metadata", "name"), "Hello", "metadata.name must be a DNS label of at most 63 characters (a-z, 0-9, '-')"),
    ],
)
def test_a_mistake_is_told_in_one_sentence(path: Any, value: Any, message: str) -> None:
    assert messages((path, value)) == [message]


def test_a_missing_field_is_named_and_its_rules_stay_silent() -> None:
    document = actor()
    del document["spec"]["workload"]["template"]["spec"]
    assert [problem.message for problem in errors(document)] == [
        "spec.workload.template.spec: expected an object, got nothing"
    ]


def test_every_mistake_of_a_document_is_told_at_once() -> None:
    found = messages((("spec", "scalling"), {}), (("spec", "workload", "kind"), "Pod"), ((*RUNTIME, "command"), ["sh"]))
    assert len(found) == 3


def test_unknown_fields_of_the_pod_template_are_kubernetes_own() -> None:
    assert messages(((*POD, "tolerations"), [{"key": "a"}]), ((*RUNTIME, "resources"), {"limits": {}})) == []


def test_an_unknown_field_of_an_environment_entry_is_a_mistake() -> None:
    assert messages(((*RUNTIME, "env", 0, "vaule"), "x"))[0].endswith("unknown field, did you mean value?")


@pytest.mark.parametrize("path", [("spec", "scaling"), ("metadata", "labels"), (*RUNTIME, "volumeMounts")])
def test_a_null_counts_as_absent(path: Any) -> None:
    assert messages((path, None)) == []


def test_status_is_not_the_authors_and_is_not_judged() -> None:
    assert messages((("status",), {"nonsense": 1})) == []


def test_unknown_fields_are_marked_so_that_the_controller_can_pass_over_them() -> None:
    (problem,) = errors(actor((("spec", "extra"), 1)))
    assert problem.unknown_field
    assert problem.cause is Cause.UNKNOWN


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        ([(("spec", "workload", "type"), "Deployment")], "spec.workload.type: deprecated alias"),
        ([(("spec", "scaling", "maxReplicas"), 3)], "spec.scaling: has no effect without enabled"),
        (
            [(("spec", "scaling", "enabled"), True), (("spec", "workload", "replicas"), 2)],
            "spec.workload.replicas: has no effect",
        ),
        (
            [(("spec", "scaling"), {"enabled": True, "advanced": {"target": "4"}})],
            "spec.scaling.advanced.target: has no effect without a formula",
        ),
        ([(("spec", "timeout"), {"processing": 60, "gracefulShutdown": 10})], "spec.timeout.gracefulShutdown: shorter"),
    ],
)
def test_what_is_probably_not_meant_is_a_warning(changes: Any, start: str) -> None:
    (problem,) = validate(actor(*changes))
    assert problem.severity is Severity.WARNING
    assert problem.message.startswith(start)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def _paths(schema: Any, path: Any) -> list[Any]:
    found = [path]
    for name, inner in schema.get("properties", {}).items():
        found += _paths(inner, (*path, name))
    return found


SPEC_PATHS = [path for path in _paths(SCHEMA["properties"]["spec"], ("spec",)) if "containers" not in path]


@given(st.sampled_from(SPEC_PATHS), json_values)
def test_no_value_anywhere_makes_the_check_itself_fail(path: Any, value: Any) -> None:
    for problem in validate(actor((path, value))):
        assert problem.message


@given(st.dictionaries(st.text(max_size=8), json_values, max_size=4))
def test_no_document_makes_the_check_itself_fail(document: Any) -> None:
    assert validate(document)
