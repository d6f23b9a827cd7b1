"""Turns the models into a structural OpenAPI schema that the Kubernetes API server accepts, rules included.

Called by the generator of `structure.py`. Pydantic's own JSON Schema will not do: it holds `$ref`, `anyOf`,
`const` and `additionalProperties: false`, all of which a CustomResourceDefinition must not have (contract: crd, section 4).
"""

import json
import types
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic.fields import FieldInfo

from asya_schemas.actor.paths import Path
from asya_schemas.actor.patterns import ValueRule
from asya_schemas.actor.rules import RULES, Rule
from asya_schemas.actor.shapes import Block, Format, IntOrString, ListMap
from asya_schemas.actor.spec import AsyncActorSpec
from asya_schemas.actor.status import ActorStatus

Schema = dict[str, Any]

# A fresh object is never mistaken for a finished one (contract: crd, section 4).
FRESH_STATUS = {"observedGeneration": -1}
# Bounds what a rule may cost that compares an enum; long enough that a wrong value is refused as unsupported, not as long.
ENUM_LENGTH = 63
_SCALARS: dict[type, Schema] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer", "format": "int64"},
}
_LENGTH_WORDS = {"string": "Length", "array": "Items", "object": "Properties"}


def structural_schema() -> Schema:
    """The `openAPIV3Schema` of an AsyncActor, a new value at each call."""
    schema: Schema = {
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": object_schema(AsyncActorSpec),
            "status": object_schema(ActorStatus) | {"default": dict(FRESH_STATUS)},
        },
    }
    for rule in RULES:
        _node(schema, rule.at).setdefault("x-kubernetes-validations", []).append(_validation(rule))
    return schema


def module_text() -> str:
    """The text of `structure.py`: this schema as data."""
    return f'''"""The structural schema of an AsyncActor as data. Generated from the models: run `make generate`.

Long because it is data. Here so that checking a document needs no pydantic, whose import costs 200 ms.
"""

# ruff: noqa: E501
import json
from typing import Any

SCHEMA: dict[str, Any] = json.loads(r"""{json.dumps(structural_schema(), indent=1)}""")
'''


def object_schema(model: type[Block]) -> Schema:
    """The schema of one model: its fields under their outside names."""
    fields = {info.alias or name: info for name, info in model.model_fields.items()}
    schema: Schema = {"type": "object"}
    required = [name for name, info in fields.items() if info.is_required()]
    if fields:
        schema["properties"] = {name: _field_schema(info) for name, info in fields.items()}
    if required:
        schema["required"] = required
    if model.open_object:
        schema["x-kubernetes-preserve-unknown-fields"] = True
    return schema


def _field_schema(info: FieldInfo) -> Schema:
    schema = _constrained(_type_schema(info.annotation), info.metadata)
    if not info.is_required() and info.default is not None:
        schema["default"] = info.default
    return {"description": info.description} | schema if info.description else schema


def _type_schema(annotation: Any) -> Schema:
    """The schema of a type. `X | None` is X: what may be absent is simply not required."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _constrained(_type_schema(arguments[0]), annotation.__metadata__)
    if origin in (Union, types.UnionType):
        choices = [argument for argument in arguments if argument is not type(None)]
        # int | str is the one union a CustomResourceDefinition can say; `IntOrString` names its pattern.
        return _type_schema(choices[0]) if len(choices) == 1 else {"x-kubernetes-int-or-string": True}
    if origin is Literal:
        return {"type": "string", "enum": list(arguments), "maxLength": ENUM_LENGTH}
    if origin is list:
        return {"type": "array", "items": _type_schema(arguments[0]), "x-kubernetes-list-type": "atomic"}
    if origin is dict:
        return {"type": "object", "additionalProperties": _type_schema(arguments[1])}
    if isinstance(annotation, type) and issubclass(annotation, Block):
        return object_schema(annotation)
    return dict(_SCALARS[annotation])


def _constrained(schema: Schema, markers: Iterable[Any]) -> Schema:
    """The schema with every limit that the markers name. A marker that nobody knows is a mistake of ours and fails."""
    for marker in markers:
        if isinstance(marker, FieldInfo):
            _constrained(schema, marker.metadata)
        else:
            schema.update(_limit(marker, schema.get("type", "")))
    return schema


def _limit(marker: Any, kind: str) -> Schema:
    match marker:
        case Ge(ge=value):
            return {"minimum": value}
        case Le(le=value):
            return {"maximum": value}
        case MinLen(min_length=value):
            return {f"min{_LENGTH_WORDS[kind]}": value}
        case MaxLen(max_length=value):
            return {f"max{_LENGTH_WORDS[kind]}": value}
        case ListMap(keys=keys):
            return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}
        case IntOrString(pattern=pattern):
            return {"pattern": pattern}
        case Format(name=name):
            return {"format": name}
        case ValueRule(cel=cel, message=message):
            return {"x-kubernetes-validations": [{"rule": cel, "message": message}]}
    # pydantic keeps `pattern=` in a private class of its own.
    return {"pattern": marker.pattern}


def _node(schema: Schema, path: Path) -> Schema:
    for name in path:
        schema = schema["properties"][name]
    return schema


def _validation(rule: Rule) -> Schema:
    validation: Schema = {"rule": rule.cel, "message": rule.message}
    return validation | {"optionalOldSelf": True} if rule.old_self else validation
