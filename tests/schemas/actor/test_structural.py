"""The generated schema is one that the API server accepts: shapes it refuses are absent, everything is bounded."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ruamel.yaml import YAML

from asya_schemas.actor.crd import crd, text
from asya_schemas.actor.rules import RULES
from asya_schemas.actor.structural import module_text, structural_schema
from asya_schemas.actor.structure import SCHEMA
from tests.support.actors import RECORDED
from tests.support.console import ROOT

CRD_BYTES_LIMIT = 128 * 1024
REFUSED_WORDS = {"$ref", "anyOf", "oneOf", "allOf", "not", "const", "nullable", "$defs", "title", "examples"}


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every node of a schema with its path."""
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from nodes(inner, f"{path}.{name}")
    for word in ("items", "additionalProperties"):
        if word in schema:
            yield from nodes(schema[word], f"{path}.{word}")


def recorded_schema() -> dict[str, Any]:
    definition = YAML(typ="safe", pure=True).load((RECORDED / "crd-accepted.yaml").read_text())
    schema: dict[str, Any] = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


NODES = list(nodes(structural_schema()))
SPEC_NODES = [(path, node) for path, node in NODES if path.startswith(".spec")]


def test_the_data_in_the_package_is_what_the_models_say() -> None:
    assert structural_schema() == SCHEMA
    assert (ROOT / "schemas/asya_schemas/actor/structure.py").read_text() == module_text()


def test_the_committed_definition_is_what_the_models_say() -> None:
    assert (ROOT / "schemas/crd/asyncactors.yaml").read_text() == text()


def test_the_definition_fits_into_an_annotation_of_kubectl_apply() -> None:
    assert len(text().encode()) < CRD_BYTES_LIMIT
    assert len(json.dumps(crd())) < CRD_BYTES_LIMIT


def test_no_word_is_used_that_the_api_server_refuses() -> None:
    assert not {word for _, node in NODES for word in node} & REFUSED_WORDS


def test_additional_properties_are_always_a_schema() -> None:
    assert all(isinstance(node.get("additionalProperties", {}), dict) for _, node in NODES)


def test_every_node_has_a_type() -> None:
    untyped = [path for path, node in NODES if "type" not in node and not node.get("x-kubernetes-int-or-string")]
    assert untyped == []


@pytest.mark.parametrize(("kind", "bound"), [("string", "maxLength"), ("array", "maxItems")])
def test_every_string_and_list_is_bounded(kind: str, bound: str) -> None:
    outside = (".apiVersion", ".kind")
    unbounded = [path for path, node in NODES if node.get("type") == kind and bound not in node and path not in outside]
    assert unbounded == []


def test_every_map_is_bounded() -> None:
    assert [path for path, node in NODES if "additionalProperties" in node and "maxProperties" not in node] == []


def test_every_integer_of_the_spec_has_a_range() -> None:
    assert [
        path for path, node in SPEC_NODES if node.get("type") == "integer" and not {"minimum", "maximum"} <= set(node)
    ] == []


def test_every_field_is_described() -> None:
    unnamed = (".items", ".additionalProperties")
    assert [path for path, node in SPEC_NODES[1:] if "description" not in node and not path.endswith(unnamed)] == []


def test_no_block_has_a_default_of_its_own() -> None:
    assert [path for path, node in SPEC_NODES if node.get("type") == "object" and "default" in node] == []


def test_only_the_pod_template_is_open() -> None:
    template = ".spec.workload.template"
    values = (".env.items.valueFrom",)
    opened = [path for path, node in NODES if node.get("x-kubernetes-preserve-unknown-fields")]
    assert all(path.startswith(template) or path.endswith(values) for path in opened)
    assert {template, f"{template}.metadata", f"{template}.spec", f"{template}.spec.containers.items"} <= set(opened)


def test_keys_of_list_maps_are_required() -> None:
    for path, node in NODES:
        for key in node.get("x-kubernetes-list-map-keys", []):
            assert key in node["items"]["required"], path


def expressions(schema: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(path, v["message"]): v for path, node in nodes(schema) for v in node.get("x-kubernetes-validations", [])}


def test_the_expressions_are_those_that_a_real_api_server_accepted() -> None:
    ours, accepted = expressions(structural_schema()), expressions(recorded_schema())
    assert ours.keys() == accepted.keys()
    # /run/asya is the same folder as /var/run/asya on every usual system, and was added afterwards.
    different = {rule for rule in ours if ours[rule] != accepted[rule]}
    assert {message for _, message in different} == {next(rule.message for rule in RULES if rule.id == "V15")}


def test_what_a_real_api_server_accepted_differs_in_little_else() -> None:
    ours, accepted = dict(NODES), dict(nodes(recorded_schema()))
    assert ours.keys() == accepted.keys()
    ignored = {"description", "properties", "items", "additionalProperties", "x-kubernetes-validations"}
    different = {
        (path, word)
        for path in ours
        for word in (ours[path].keys() | accepted[path].keys()) - ignored
        if ours[path].get(word) != accepted[path].get(word) and not (word == "maxLength" and "enum" in ours[path])
    }
    quantities = {
        (f".spec.sidecar.resources.{name}.additionalProperties", "pattern") for name in ("limits", "requests")
    }
    assert different == quantities | {(".spec.resiliency.policies.additionalProperties.onExhausted.items", "minLength")}
