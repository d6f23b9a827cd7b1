"""Writes plain values as YAML in block style, in the order of the keys, readable for YAML 1.1 and 1.2 alike.

Called by `crd` and by the command's `--output yaml`. Own, because a YAML library costs 90 ms to import and quotes by one
version's rules only. Text is either obviously text, or a JSON string, which every YAML reads.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

# Letters first, then what can mean nothing else inside a plain scalar.
_WORD = r"(?:[A-Za-z0-9_./$()@+=%~^,;'?!<>-]|:(?=[A-Za-z0-9_./]))+"
_PLAIN = re.compile(rf"(?=[A-Za-z_./$(]){_WORD}(?: {_WORD})*")
_LAST_16_BIT = 0xFFFF
_MEANS_SOMETHING = re.compile(r"(?i)(y|n|yes|no|on|off|true|false|null|nan|inf|[.]nan|[.]inf|[.][0-9].*)")


def to_yaml(value: Any) -> str:
    """The text, with a line end."""
    return "".join(f"{line}\n" for line in _lines(value))


def scalar(value: Any) -> str:
    """One scalar, or an empty map or list, as it stands in a line."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and not _MEANS_SOMETHING.fullmatch(value):
        return value
    return quoted(value) if isinstance(value, str) else json.dumps(value)


def quoted(text: str) -> str:
    """The text in double quotes. Characters that YAML refuses or folds are escaped, in YAML's way beyond 16 bits."""
    return "".join(c if c.isprintable() else _escaped(ord(c)) for c in json.dumps(text, ensure_ascii=False))


def _escaped(code: int) -> str:
    return f"\\u{code:04x}" if code <= _LAST_16_BIT else f"\\U{code:08x}"


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from _entry(f"{scalar(str(name))}:", item)
    elif isinstance(value, list | tuple) and value:
        for item in value:
            first, *rest = _lines(item)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
    else:
        yield scalar(value)


def _entry(key: str, value: Any) -> Iterator[str]:
    if not value or not isinstance(value, Mapping | list | tuple):
        yield f"{key} {scalar(value)}"
        return
    yield key
    # Lists begin at their key's own column, as kubectl writes them.
    indent = "  " if isinstance(value, Mapping) else ""
    yield from (f"{indent}{line}" for line in _lines(value))
