"""When are two objects the same, although they are written differently?

The normal form that desired objects are hashed in, and the comparison with live ones (contract: controller, Applying). Called by
desired.py and plan.py. Knows Kubernetes' JSON shapes and nothing about actors.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

_SUFFIXES = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12), "P": Decimal(10**15), "E": Decimal(10**18),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40), "Pi": Decimal(2**50), "Ei": Decimal(2**60),
}  # fmt: skip
_QUANTITY = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:([eE][+-]?[0-9]{1,3})|([numkMGTPE]|[KMGTPE]i)?)")
_QUANTITY_MAPS = frozenset({"limits", "requests", "overhead", "capacity"})
_QUANTITY_FIELDS = frozenset({"sizeLimit", "divisor"})
# In these maps an empty string is a value like any other.
_STRING_MAPS = frozenset(
    {"labels", "annotations", "matchLabels", "nodeSelector", "data", "volumeAttributes", "options", "parameters"}
)
# These mean something by being there, even when empty: `{}` selects everything, `""` is not the default class.
_KEPT_EMPTY = frozenset(
    {"emptyDir", "selector", "labelSelector", "namespaceSelector", "podSelector", "storageClassName"}
)
# Lists that the API server merges by key, so that others may have added items.
_LIST_KEYS = {
    "containers": ("name",), "initContainers": ("name",), "ephemeralContainers": ("name",), "volumes": ("name",),
    "env": ("name",), "volumeMounts": ("mountPath",), "ports": ("containerPort", "protocol"),
    "ownerReferences": ("uid",), "imagePullSecrets": ("name",), "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}  # fmt: skip
_DEFAULTED_KEYS = {"protocol": "TCP"}
_PLAIN = frozenset({str, int, float, bool, type(None)})


def quantity(value: Any) -> str:
    """A quantity by value: `1e3`, `1k` and 1000 give one text. What is no quantity stays as it is."""
    found = _QUANTITY.fullmatch(str(value))
    if found is None or isinstance(value, bool):
        return str(value)
    number, exponent, suffix = found.groups()
    amount = Decimal(number) * (Decimal("1" + exponent) if exponent else _SUFFIXES[suffix or ""])
    return format(amount.normalize(), "f")


def normal(value: Any, key: str = "") -> Any:
    """The normal form of `value`, which stands under `key`: nulls and meaningless empties gone, quantities by value."""
    # Plain JSON types are told by identity: the abstract ones cost ten times as much, and this is the most frequent question of a pass.
    kind = type(value)
    if kind is dict:
        return normal_map(value, key)
    if kind is list:
        return [normal(item) for item in value]
    if kind not in _PLAIN:
        if isinstance(value, Mapping):
            return normal_map(value, key)
        if isinstance(value, Sequence) and not isinstance(value, str):
            return [normal(item) for item in value]
    return quantity(value) if key in _QUANTITY_FIELDS and value is not None else value


def normal_map(value: Mapping[Any, Any], key: str) -> dict[str, Any]:
    """The normal form of a map under `key`."""
    if key in _QUANTITY_MAPS:
        return {str(name): quantity(item) for name, item in value.items() if item is not None}
    found = {}
    for name, item in value.items():
        # Most values are plain ones that mean something.
        below = item if item and type(item) in _PLAIN and name not in _QUANTITY_FIELDS else normal(item, str(name))
        if not meaningless(below, name, key):
            found[str(name)] = below
    return found


def meaningless(value: Any, key: str, parent: str) -> bool:
    """Whether leaving `value` out says the same."""
    if value:
        return False
    if value is None:
        return True
    return isinstance(value, str | list | dict) and key not in _KEPT_EMPTY and parent not in _STRING_MAPS


def digest(value: Any) -> str:
    """16 hex digits that change exactly when the normal form of `value` does."""
    return hashlib.sha256(msgspec.json.encode(normal(value), order="sorted")).hexdigest()[:16]


def contains(live: Any, wanted: Any, key: str = "") -> bool:
    """Whether every leaf of `wanted` is in `live`. Both in normal form; what others added to maps and keyed lists is ignored."""
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(
            name in live and contains(live[name], item, str(name)) for name, item in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(live, list) and contains_list(live, wanted, _LIST_KEYS.get(key))
    return bool(live == wanted)


def evident(live: Any, wanted: Any, key: str = "") -> bool:
    """Whether `contains` of the normal forms is true beyond doubt, seen without making them: a tenth of the work. False means nothing."""
    if type(wanted) is dict:
        return type(live) is dict and evident_map(live, wanted, key)
    if type(wanted) is not list:
        return bool(live == wanted) and type(live) is type(wanted)
    if type(live) is not list:
        return False
    keys = _LIST_KEYS.get(key)
    if keys is None:
        return len(live) == len(wanted) and all(map(evident, live, wanted))
    if not all(type(item) is dict for item in (*live, *wanted)):
        return False
    found = {identity(item, keys): item for item in live}
    return all((item := found.get(identity(one, keys))) is not None and evident_map(item, one, "") for one in wanted)


def evident_map(live: dict[str, Any], wanted: dict[str, Any], key: str) -> bool:
    """`evident` for two maps."""
    amounts = key in _QUANTITY_MAPS  # where an empty text stays one
    for name, item in wanted.items():
        there = live.get(name)
        # Most values are plain ones, and equal.
        if there == item if type(item) in _PLAIN and item else name in live and evident(there, item, name):
            continue
        if not (item is None if amounts else meaningless(item, name, key)):
            return False
    return True


def contains_list(live: list[Any], wanted: list[Any], keys: tuple[str, ...] | None) -> bool:
    """A keyed list may have more items in any order; any other list has the same items in the same order."""
    if keys is None or not all(isinstance(item, Mapping) for item in (*live, *wanted)):
        return len(live) == len(wanted) and all(contains(a, b) for a, b in zip(live, wanted, strict=True))
    found = {identity(item, keys): item for item in live}
    return all(identity(item, keys) in found and contains(found[identity(item, keys)], item) for item in wanted)


def identity(item: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[Any, ...]:
    """The item's key in its list."""
    if len(keys) == 1:
        return (item.get(keys[0], _DEFAULTED_KEYS.get(keys[0])),)
    return tuple(item.get(key, _DEFAULTED_KEYS.get(key)) for key in keys)
