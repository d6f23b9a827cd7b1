"""Loads the golden cases of schemas/golden, which every component must judge alike."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parents[2] / "schemas" / "golden"


@dataclass(frozen=True, slots=True)
class Golden:
    """One case: `row` of the contract's table, `expected` the whole file, `body` as bytes (empty where there is none)."""

    row: str
    title: str
    body: bytes
    expected: dict[str, Any]


def cases(folder: str, row: str | None = None) -> list[Golden]:
    """Cases of `envelope`, `edits` or `children`, of one row or all. Fails when there is none, so that no test is empty."""
    read = [json.loads(path.read_text()) for path in sorted((GOLDEN / folder).glob("*.json"))]
    found = [Golden(case["row"], case["title"], body_of(case.get("body", "")), case) for case in read]
    found = [case for case in found if row in (None, case.row)]
    assert found, f"no golden case {folder} {row}"
    return found


def body_of(parts: str | list[Any]) -> bytes:
    """The bytes a body's description stands for."""
    return b"".join(map(_bytes_of, [parts] if isinstance(parts, str) else parts))


def _bytes_of(part: str | dict[str, Any]) -> bytes:
    if isinstance(part, str):
        return part.encode()
    if "repeat" in part:
        text, times = part["repeat"]
        return text.encode() * times
    return base64.b64decode(part["base64"])
