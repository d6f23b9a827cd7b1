"""The editors' schema accepts what is right and marks what is wrong."""

import json
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from asya_schemas.actor.json_schema import json_schema, text
from tests.support.actors import RUNTIME, actor
from tests.support.console import ROOT

VALIDATOR = jsonschema.Draft7Validator(json_schema())
EXAMPLES = sorted((ROOT / "gitops" / "examples").rglob("*.yaml"))


def test_the_schema_itself_is_one() -> None:
    jsonschema.Draft7Validator.check_schema(json_schema())


def test_the_committed_schema_is_what_the_models_say() -> None:
    assert (ROOT / "schemas/json/asyncactor.json").read_text() == text()
    assert json.loads(text()) == json_schema()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_accepted(path: Any) -> None:
    for document in YAML(typ="safe", pure=True).load_all(path.read_text()):
        assert list(VALIDATOR.iter_errors(document)) == []


@pytest.mark.parametrize(
    "change",
    [
        (("spec", "scalling"), {}),
        (("spec", "workload", "kind"), "Deploymnt"),
        (("spec", "workload", "replicas"), 1001),
        (("spec", "timeout", "processing"), "60"),
        (("spec", "resiliency", "policies"), {"a": {"maxAttempts": 0}}),
        (("spec", "sidecar", "resources"), {"limits": {"cpu": "lots"}}),
        ((*RUNTIME, "image"), 5),
        (("metadata", "labels"), {"a": 1}),
        (("kind",), "AsynActor"),
    ],
)
def test_a_mistake_is_marked(change: Any) -> None:
    assert list(VALIDATOR.iter_errors(actor(change)))


def test_fields_of_kubernetes_in_the_pod_template_are_accepted() -> None:
    assert not list(VALIDATOR.iter_errors(actor(((*RUNTIME, "livenessProbe"), {"exec": {"command": ["true"]}}))))


def test_a_field_is_explained_where_the_mouse_is() -> None:
    assert json_schema()["properties"]["spec"]["properties"]["scaling"]["properties"]["queueLength"]["description"]
