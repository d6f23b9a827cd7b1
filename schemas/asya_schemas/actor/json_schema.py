"""The JSON Schema (draft 7) that editors use: completion, hover texts and red lines while a file is written.

Called by `asya schema` and by the generator of `schemas/json/asyncactor.json`. Made from the structural schema: what is
closed there is closed here. Rules between fields are not in it: `asya validate` knows them.
"""

import json
from collections.abc import Mapping
from typing import Any

from asya_schemas.actor.identity import API_VERSION, KIND
from asya_schemas.actor.structure import SCHEMA

_COPIED = (
    "type",
    "description",
    "enum",
    "default",
    "required",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "maxProperties",
)
_TEXT_MAP = {"type": "object", "additionalProperties": {"type": "string"}}


def json_schema() -> dict[str, Any]:
    """The schema of one AsyncActor document, a new value at each call."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": KIND,
        "description": "One actor: a queue, pods that consume it, and optionally an autoscaler.",
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "additionalProperties": False,
        "properties": {
            "apiVersion": {"const": API_VERSION},
            "kind": {"const": KIND},
            "metadata": _metadata(),
            "spec": _for_editors(SCHEMA["properties"]["spec"]),
            "status": {"type": "object", "description": "Written by the controller."},
        },
    }


def text() -> str:
    """The schema as JSON: the committed file and what `asya schema` prints."""
    return json.dumps(json_schema(), indent=2) + "\n"


def _metadata() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {
                "type": "string",
                "description": "Name of the actor, a DNS label.",
                "minLength": 1,
                "maxLength": 63,
            },
            "namespace": {"type": "string", "maxLength": 63},
            "labels": dict(_TEXT_MAP),
            "annotations": dict(_TEXT_MAP),
        },
    }


def _for_editors(schema: Mapping[str, Any]) -> dict[str, Any]:
    if schema.get("x-kubernetes-int-or-string"):
        quantity = {"type": "string", "pattern": schema["pattern"]}
        return {"anyOf": [{"type": "integer"}, quantity]}
    copied = {word: schema[word] for word in _COPIED if word in schema}
    if "items" in schema:
        copied["items"] = _for_editors(schema["items"])
    if "properties" in schema:
        copied["properties"] = {name: _for_editors(inner) for name, inner in schema["properties"].items()}
    if "additionalProperties" in schema:
        copied["additionalProperties"] = _for_editors(schema["additionalProperties"])
    elif schema.get("type") == "object" and not schema.get("x-kubernetes-preserve-unknown-fields"):
        copied["additionalProperties"] = False
    return copied
