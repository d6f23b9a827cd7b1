"""Checks `metadata` of an AsyncActor file as Kubernetes does: known fields, text in labels and annotations, syntax.

Called by `validate`. The name itself is rule V1's. Without pydantic.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from asya_schemas.actor.paths import Path, dotted
from asya_schemas.actor.patterns import DNS_LABEL_PATTERN
from asya_schemas.actor.problems import Cause, Problem, near, shown

# Kubernetes' ObjectMeta. What the server fills in is accepted, because files come from `kubectl get -o yaml` too.
_FIELDS = (
    "name",
    "generateName",
    "namespace",
    "labels",
    "annotations",
    "finalizers",
    "ownerReferences",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)
_LABEL_CHARACTERS = 63
_PREFIX_CHARACTERS = 253
_ANNOTATIONS_BYTES = 256 * 1024
_LABEL_TEXT = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_DNS_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def metadata_problems(metadata: Any) -> Iterator[Problem]:
    """Mistakes in `metadata`, wherever they are."""
    if not isinstance(metadata, Mapping):
        yield _problem(
            ("metadata",), "an object with a name", metadata, Cause.REQUIRED if metadata is None else Cause.TYPE
        )
        return
    for name in metadata:
        if name not in _FIELDS:
            meant = near(str(name), _FIELDS)
            hint = f", did you mean {meant}?" if meant else ""
            message = f"{dotted(('metadata', str(name)))}: unknown field{hint}"
            yield Problem(("metadata", str(name)), message, Cause.UNKNOWN, suggestion=meant)
    yield from _name_problems(metadata)
    yield from map_problems(metadata.get("labels"), ("metadata", "labels"), values_are_labels=True)
    yield from map_problems(metadata.get("annotations"), ("metadata", "annotations"), values_are_labels=False)


def _name_problems(metadata: Mapping[str, Any]) -> Iterator[Problem]:
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if not isinstance(name, str):
        cause = Cause.REQUIRED if name is None else Cause.TYPE
        yield _problem(("metadata", "name"), "a DNS label of 1 to 63 characters (a-z, 0-9, '-')", name, cause)
    if namespace is not None and not (
        isinstance(namespace, str)
        and len(namespace) <= _LABEL_CHARACTERS
        and re.fullmatch(DNS_LABEL_PATTERN, namespace)
    ):
        yield _problem(
            ("metadata", "namespace"), "a DNS label of 1 to 63 characters (a-z, 0-9, '-')", namespace, Cause.VALUE
        )


def map_problems(entries: Any, path: Path, values_are_labels: bool) -> Iterator[Problem]:
    """Mistakes in labels or annotations: keys are qualified names, values are text (for labels: short and of few characters)."""
    if entries is None:
        return
    if not isinstance(entries, Mapping):
        yield _problem(path, "a map of text to text", entries, Cause.TYPE)
        return
    for key, value in entries.items():
        if not _is_qualified_name(key):
            yield _problem((*path, key), "a key such as team or example.com/team", key, Cause.VALUE)
        if value is None:
            continue
        if not isinstance(value, str):
            yield _problem((*path, key), "text: put it in quotes", value, Cause.TYPE)
        elif values_are_labels and not _is_label_value(value):
            yield _problem(
                (*path, key), "at most 63 of a-z, A-Z, 0-9, '-', '_', '.', not at the ends", value, Cause.VALUE
            )
    if sum(len(f"{key}{value}".encode()) for key, value in entries.items()) > _ANNOTATIONS_BYTES:
        yield _problem(path, "at most 256 KiB in all", f"{len(entries)} entries that are larger", Cause.VALUE)


def _is_label_value(value: str) -> bool:
    return value == "" or (len(value) <= _LABEL_CHARACTERS and _LABEL_TEXT.fullmatch(value) is not None)


def _is_qualified_name(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    prefix_fits = not slash or (len(prefix) <= _PREFIX_CHARACTERS and _DNS_NAME.fullmatch(prefix) is not None)
    return prefix_fits and name != "" and _is_label_value(name)


def _problem(path: Path, expected: str, value: Any, cause: Cause) -> Problem:
    got = "nothing" if value is None else shown(value)
    return Problem(path, f"{dotted(path)}: expected {expected}, got {got}", cause)
