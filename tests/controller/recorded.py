"""What a real cluster said, cut down to what the decisions read.

Recorded on Kubernetes 1.36, KEDA 2.20: pods about 20 minutes after creation, every state they went through, ScaledObjects with their
HPA. Files in `recorded/`.
"""

import gzip
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asya_schemas.durations import parse_time

FOLDER = Path(__file__).parent / "recorded"
_LINE = re.compile(r"\s*([\d.]+) (\S+)\s+Ready=\('(\w+)', '(\w+)'\) Active=\S+ \S+ HPAActive=\('(\w+)', '(\w+)'\)")


def pods() -> dict[str, dict[str, Any]]:
    """Case -> `recordedAt`, `workloads`, `pods`, `events`."""
    found: dict[str, dict[str, Any]] = json.loads((FOLDER / "pods.json").read_text())
    return found


def scaled_objects() -> dict[str, dict[str, Any]]:
    """Case -> `recordedAt`, `scaledObject`, `hpa`, `events`."""
    found: dict[str, dict[str, Any]] = json.loads((FOLDER / "scaledobjects.json").read_text())
    return found


@dataclass(frozen=True, slots=True)
class Seen:
    """A pod as it was from `at` on."""

    at: datetime
    pod: dict[str, Any]


def transitions() -> dict[str, list[Seen]]:
    """Pod -> every state it went through, in order, until it was deleted."""
    found: dict[str, list[Seen]] = defaultdict(list)
    with gzip.open(FOLDER / "transitions.jsonl.gz", "rt") as lines:
        for line in lines:
            item = json.loads(line)
            if item["type"] != "DELETED":
                found[item["pod"]["metadata"]["name"]].append(Seen(datetime.fromtimestamp(item["t"], UTC), item["pod"]))
    return dict(found)


def scaler_flips(name: str) -> Iterator[tuple[float, str, str, str]]:
    """Second, ScaledObject, its `Ready` and its `HPAActive`, in order, while the broker hung or was away."""
    for line in (FOLDER / f"scaledobject-transitions-{name}.log").read_text().splitlines():
        if found := _LINE.match(line):
            yield float(found[1]), found[2], found[3], found[5]


def moment(text: str) -> datetime:
    """A recorded time."""
    found = parse_time(text)
    assert found is not None, text
    return found
