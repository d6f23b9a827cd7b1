"""Everything that the API server or the controller would refuse about one AsyncActor, without either of them.

Called by `asya validate`, `asya up` and the controller (contract: controller, section 12). Works on plain dictionaries in
Kubernetes' JSON form, walks the same schema that the CustomResourceDefinition holds, then applies the rules. Without
pydantic. Reads no operator configuration: what depends on one is the controller's alone.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from asya_schemas.actor.identity import API_VERSION, KIND
from asya_schemas.actor.metadata import metadata_problems
from asya_schemas.actor.paths import Path, dotted
from asya_schemas.actor.patterns import VALUE_RULES, WORDS
from asya_schemas.actor.problems import Cause, Problem, near, shown
from asya_schemas.actor.rules import CONTROLLER_RULES, RULES, Rule
from asya_schemas.actor.structure import SCHEMA

Schema = Mapping[str, Any]

# Fields at the top that are Kubernetes' own or written by the controller: not judged by the schema.
_TOP_FIELDS = ("apiVersion", "kind", "metadata", "spec", "status")
_UNCHECKED_AFTER = frozenset({Cause.TYPE, Cause.REQUIRED})


def validate(document: Mapping[str, Any]) -> list[Problem]:
    """Every mistake and every warning, in the order of the schema: values first, then rules, then advice.

    `status` is not looked at: whoever applies a file cannot set it.
    """
    from asya_schemas.actor.advice import advice

    problems = [*_identity_problems(document), *metadata_problems(document.get("metadata")), *_spec_problems(document)]
    problems += _broken_rules(document, problems)
    return [*problems, *advice(document)]


def _identity_problems(document: Mapping[str, Any]) -> Iterator[Problem]:
    for name, expected in (("apiVersion", API_VERSION), ("kind", KIND)):
        if document.get(name) != expected:
            yield _unexpected((name,), expected, document.get(name), Cause.VALUE)
    for name in document:
        if name not in _TOP_FIELDS:
            yield _unknown((name,), _TOP_FIELDS)


def _spec_problems(document: Mapping[str, Any]) -> list[Problem]:
    spec = document.get("spec")
    if spec is None:
        return [_unexpected(("spec",), "an object", None, Cause.REQUIRED)]
    return list(_check(spec, SCHEMA["properties"]["spec"], ("spec",)))


def _broken_rules(document: Mapping[str, Any], found: list[Problem]) -> list[Problem]:
    malformed = [problem.path for problem in found if problem.cause in _UNCHECKED_AFTER]
    broken = ((rule, rule.broken(document)) for rule in (*RULES, *CONTROLLER_RULES) if not _blocked(rule, malformed))
    return [Problem(path, rule.message, Cause.RULE, rule=rule.id) for rule, path in broken if path is not None]


def _blocked(rule: Rule, malformed: list[Path]) -> bool:
    """A rule about a part that is missing or of the wrong type would only say the same thing in other words."""
    return any(path[: len(rule.at)] == rule.at or rule.at[: len(path)] == path for path in malformed if rule.at)


# --- the schema -------------------------------------------------------------------------------------------------------


def _check(value: Any, schema: Schema, path: Path) -> Iterator[Problem]:
    kind = "int-or-string" if schema.get("x-kubernetes-int-or-string") else schema["type"]
    if not _is(value, kind):
        # The usual reason: text that YAML reads as a number or a boolean.
        quotes = "text, so in quotes" if kind == "string" and isinstance(value, int | float) else expectation(schema)
        yield _unexpected(path, quotes, value, Cause.TYPE)
    elif kind == "object":
        yield from _check_object(value, schema, path)
    elif kind == "array":
        yield from _check_list(value, schema, path)
    elif not _holds(value, schema):
        yield _unexpected(path, expectation(schema), value, Cause.VALUE, near_one=_near_value(value, schema))


def _is(value: Any, kind: str) -> bool:
    match kind:
        case "object":
            return isinstance(value, Mapping)
        case "array":
            return isinstance(value, list)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, str | int) and not isinstance(value, bool)


def _check_object(value: Mapping[str, Any], schema: Schema, path: Path) -> Iterator[Problem]:
    fields: Schema = schema.get("properties", {})
    entry: Schema | None = schema.get("additionalProperties")
    if len(value) > schema.get("maxProperties", len(value)):
        yield _unexpected(path, expectation(schema), f"{len(value)} entries", Cause.VALUE)
    for name in schema.get("required", []):
        # A null counts as absent everywhere: the API server drops it.
        if value.get(name) is None:
            yield _unexpected((*path, name), expectation(fields[name]), None, Cause.REQUIRED)
    for name, item in value.items():
        inner = fields.get(name, entry)
        if inner is not None:
            yield from _check(item, inner, (*path, name)) if item is not None else ()
        elif not schema.get("x-kubernetes-preserve-unknown-fields"):
            yield _unknown((*path, name), fields)


def _check_list(value: list[Any], schema: Schema, path: Path) -> Iterator[Problem]:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        yield _unexpected(path, expectation(schema), f"{len(value)} items", Cause.VALUE)
    for index, item in enumerate(value):
        yield from _check(item, schema["items"], (*path, index))
    keys = schema.get("x-kubernetes-list-map-keys")
    if keys:
        yield from _duplicates(value, keys[0], path)


def _duplicates(items: list[Any], key: str, path: Path) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for index, item in enumerate(items):
        name = item.get(key) if isinstance(item, Mapping) else None
        if isinstance(name, str) and name in seen:
            where = dotted((*path, seen[name]))
            yield _unexpected((*path, index, key), f"a {key} used once", f"{name}, as {where}", Cause.DUPLICATE)
        elif isinstance(name, str):
            seen[name] = index


def _holds(value: str | int | bool, schema: Schema) -> bool:
    if isinstance(value, str):
        return _string_holds(value, schema)
    return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))


def _string_holds(value: str, schema: Schema) -> bool:
    pattern = schema.get("pattern")
    return (
        schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
        and value in schema.get("enum", [value])
        and (pattern is None or re.fullmatch(pattern, value) is not None)
        and all(VALUE_RULES[r["message"]].holds(value) for r in schema.get("x-kubernetes-validations", []))
    )


# --- the words --------------------------------------------------------------------------------------------------------


def expectation(schema: Schema) -> str:
    """What a schema node wants, in words: `an integer from 0 to 1000`."""
    if schema.get("x-kubernetes-int-or-string"):
        return WORDS[schema["pattern"]]
    match schema["type"]:
        case "object":
            return (
                f"an object with at most {schema['maxProperties']} entries"
                if "maxProperties" in schema
                else "an object"
            )
        case "array":
            return f"a list of {schema.get('minItems', 0)} to {schema['maxItems']} items"
        case "boolean":
            return "true or false"
        case "integer":
            return f"an integer from {schema['minimum']} to {schema['maximum']}"
    return _string_expectation(schema)


def _string_expectation(schema: Schema) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(schema["enum"])
    for validation in schema.get("x-kubernetes-validations", []):
        return str(validation["message"]).removeprefix("must be ") + ", such as 90s, 1m30s or 500ms"
    lengths = f"of {schema.get('minLength', 0)} to {schema['maxLength']} characters"
    return f"{WORDS.get(schema.get('pattern', ''), 'a string')} {lengths}"


def _unexpected(path: Path, expected: str, value: Any, cause: Cause, near_one: str | None = None) -> Problem:
    """`<path>: expected <what>, got <value>` (contract: controller, section 12)."""
    if value is None:
        got = "nothing"
    else:
        counted = cause is Cause.DUPLICATE or (
            isinstance(value, str) and re.fullmatch(r"[0-9]+ (items|entries)", value)
        )
        got = str(value) if counted else shown(value)
    hint = f", did you mean {near_one}?" if near_one else ""
    return Problem(path, f"{dotted(path)}: expected {expected}, got {got}{hint}", cause, suggestion=near_one)


def _near_value(value: Any, schema: Schema) -> str | None:
    return near(value, schema["enum"]) if "enum" in schema and isinstance(value, str) else None


def _unknown(path: Path, known: Any) -> Problem:
    name = str(path[-1])
    meant = near(name, known) or _elsewhere(name)
    hint = f", did you mean {meant}?" if meant else ""
    return Problem(path, f"{dotted(path)}: unknown field{hint}", Cause.UNKNOWN, suggestion=meant)


def _elsewhere(name: str) -> str | None:
    """Where a field of exactly this name belongs: `replicas` is `spec.workload.replicas`."""
    return next(
        (dotted(path) for path in _field_paths(SCHEMA["properties"]["spec"], ("spec",)) if path[-1] == name), None
    )


def _field_paths(schema: Schema, path: Path) -> Iterator[Path]:
    for name, inner in schema.get("properties", {}).items():
        yield (*path, name)
        yield from _field_paths(inner, (*path, name))
