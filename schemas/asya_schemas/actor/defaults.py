"""Fills in stored defaults the way the API server does when it stores an object (contract: crd, section 2, marked (s)).

Called by the local mesh, where no API server does it. Effective defaults are not touched: see `effective`.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from asya_schemas.actor.structure import SCHEMA


def with_stored_defaults(document: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with stored defaults in every block that is present, nulls of known fields dropped, `status` left alone."""
    filled = deepcopy(dict(document))
    if isinstance(filled.get("spec"), Mapping):
        filled["spec"] = _filled(filled["spec"], SCHEMA["properties"]["spec"])
    return filled


def _filled(value: Any, schema: Mapping[str, Any]) -> Any:
    if isinstance(value, list) and "items" in schema:
        return [_filled(item, schema["items"]) for item in value]
    if not isinstance(value, Mapping):
        return value
    fields, entry = schema.get("properties", {}), schema.get("additionalProperties")
    known = {name: fields.get(name, entry) for name in value}
    kept = {
        name: _filled(item, known[name]) if known[name] else item
        for name, item in value.items()
        if item is not None or not known[name]
    }
    absent = {
        name: deepcopy(field["default"]) for name, field in fields.items() if "default" in field and name not in kept
    }
    return kept | absent
