"""V1-V18 as functions: they agree with a real API server, and see what only the controller sees."""

from typing import Any

import pytest

from asya_schemas.actor.rules import CONTROLLER_RULES, RULES, Rule
from tests.support.actors import RUNTIME, actor, recorded

CASES = recorded()
BY_ID = {rule.id: rule for rule in RULES}
# The server compares as written; the controller also refuses what means the same path (contract: crd, V15).
STRICTER_THAN_THE_SERVER = {"V15-/opt//asya", "V15-/run/asya", "V15-/opt/./asya", "V15-/opt/x/../asya"}


def messages_of_broken_rules(document: dict[str, Any]) -> set[str]:
    return {rule.message for rule in RULES if rule.broken(document) is not None}


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_same_rules_are_broken_as_for_the_api_server(name: str) -> None:
    case = CASES[name]
    skipped = "some validation rules were not checked" in case["stderr"]
    said = {rule.message for rule in RULES if rule.message in case["stderr"]}
    broken = messages_of_broken_rules(case["object"])
    if name in STRICTER_THAN_THE_SERVER:
        assert broken == {BY_ID["V15"].message}
    elif not skipped:
        assert broken == said


def test_every_rule_is_broken_by_some_recorded_object() -> None:
    broken = {rule.id for rule in RULES for case in CASES.values() if rule.broken(case["object"])}
    assert broken == set(BY_ID)


@pytest.mark.parametrize(
    ("rule", "path", "value", "where"),
    [
        ("V5", (*RUNTIME, "command"), ["python"], (*RUNTIME, "command")),
        ("V8", ("spec", "workload"), {"kind": "Deployment", "type": "StatefulSet"}, ("spec", "workload", "type")),
        ("V10", ("spec", "scaling", "advanced", "formula"), "queue", ("spec", "scaling", "advanced", "formula")),
        ("V12", ("spec", "sidecar", "env"), [{"name": "ASYA_NAMESPACE"}], ("spec", "sidecar", "env", 0, "name")),
        (
            "V15",
            (*RUNTIME, "volumeMounts"),
            [{"name": "a", "mountPath": "/data"}, {"name": "b", "mountPath": "/opt/asya/x"}],
            (*RUNTIME, "volumeMounts", 1, "mountPath"),
        ),
        (
            "V17",
            ("spec", "resiliency", "rules"),
            [{"errors": ["KeyError"], "policy": "none"}],
            ("spec", "resiliency", "rules", 0, "policy"),
        ),
        ("V18", ("spec", "resiliency", "policies"), {"a b": {}}, ("spec", "resiliency", "policies", "a b")),
    ],
)
def test_a_broken_rule_names_the_field_to_change(rule: str, path: Any, value: Any, where: Any) -> None:
    assert BY_ID[rule].broken(actor((path, value))) == where


@pytest.mark.parametrize(
    "mount",
    [
        "/var/run/asya",
        "/run/asya/",
        "/var/run/../../opt/asya",
        "/opt/./asya/x",
        "//opt//asya",
        "opt/asya",
        "/opt/asya/../x",
    ],
)
def test_a_reserved_folder_is_found_however_it_is_written(mount: str) -> None:
    assert BY_ID["V15"].broken(actor(((*RUNTIME, "volumeMounts"), [{"name": "a", "mountPath": mount}])))


@pytest.mark.parametrize("mount", ["/opt", "/var/run", "/opt/asya-models", "/data/opt/asya", "/opt/asya.d"])
def test_a_folder_beside_a_reserved_one_is_free(mount: str) -> None:
    assert BY_ID["V15"].broken(actor(((*RUNTIME, "volumeMounts"), [{"name": "a", "mountPath": mount}]))) is None


def test_another_container_may_mount_what_is_reserved_in_the_runtime() -> None:
    other = {"name": "log", "image": "x", "volumeMounts": [{"name": "socket-dir", "mountPath": "/var/run/asya"}]}
    assert BY_ID["V15"].broken(actor((("spec", "workload", "template", "spec", "containers", 1), other))) is None


def test_timeouts_of_half_a_minute_in_other_words_are_equal() -> None:
    # As a float the sum is a little more than 60 and would be rounded up to 61.
    same = actor((("spec", "timeout", "processing"), 60), (("spec", "resiliency", "actorTimeout"), "59.7s200ms100ms"))
    assert BY_ID["V11"].broken(same) is None


def test_the_interpreter_must_be_a_literal_value() -> None:
    entry = {"name": "ASYA_PYTHONEXECUTABLE", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}}
    (rule,) = CONTROLLER_RULES
    assert rule.broken(actor(((*RUNTIME, "env", 1), entry))) == (*RUNTIME, "env", 1)
    assert rule.message == "ASYA_PYTHONEXECUTABLE must be a literal value"


MALFORMED: list[Any] = [None, 1, "text", [], [None], [1], {}, {"x": None}, True]


@pytest.mark.parametrize("rule", [*RULES, *CONTROLLER_RULES], ids=lambda rule: rule.id)
def test_no_rule_fails_on_a_malformed_document(rule: Rule) -> None:
    places = [
        ("metadata",),
        ("metadata", "name"),
        ("spec",),
        ("spec", "timeout"),
        ("spec", "scaling"),
        ("spec", "scaling", "advanced"),
        ("spec", "scaling", "minReplicas"),
        ("spec", "sidecar"),
        ("spec", "sidecar", "env"),
        ("spec", "resiliency"),
        ("spec", "resiliency", "policies"),
        ("spec", "resiliency", "rules"),
        ("spec", "resiliency", "actorTimeout"),
        ("spec", "workload"),
        ("spec", "workload", "kind"),
        ("spec", "workload", "template"),
        ("spec", "workload", "template", "metadata"),
        ("spec", "workload", "template", "metadata", "labels"),
        ("spec", "workload", "template", "spec"),
        ("spec", "workload", "template", "spec", "containers"),
        ("spec", "workload", "template", "spec", "volumes"),
        (*RUNTIME, "name"),
        (*RUNTIME, "env"),
        (*RUNTIME, "volumeMounts"),
        (*RUNTIME, "command"),
    ]
    for place in places:
        for value in MALFORMED:
            found = rule.broken(actor((place, value)))
            assert found is None or isinstance(found, tuple)
