"""AsyncActor documents for tests: a minimal one, and that one with changes at dotted places."""

import copy
import json
from pathlib import Path
from typing import Any

_MINIMAL: dict[str, Any] = {
    "apiVersion": "asya.sh/v1alpha1",
    "kind": "AsyncActor",
    "metadata": {"name": "hello", "namespace": "default"},
    "spec": {
        "transport": "rabbitmq",
        "workload": {
            "template": {
                "spec": {
                    "containers": [
                        {
                            "name": "asya-runtime",
                            "image": "registry.example.com/hello:1.0.0",
                            "env": [{"name": "ASYA_HANDLER", "value": "hello.greet"}],
                        }
                    ]
                }
            }
        },
    },
}

Path_ = tuple[str | int, ...]
POD: Path_ = ("spec", "workload", "template", "spec")
RUNTIME: Path_ = (*POD, "containers", 0)
RECORDED = Path(__file__).parents[1] / "schemas" / "actor" / "data"


def actor(*changes: tuple[Path_, Any]) -> dict[str, Any]:
    """A new minimal actor with each value at its path; blocks on the way are made, a list grows by one at its end."""
    document = copy.deepcopy(_MINIMAL)
    for path, value in changes:
        put(document, path, value)
    return document


def put(document: Any, path: Path_, value: Any) -> None:
    """Set one value in place."""
    *way, last = path
    for part in way:
        document = document.setdefault(part, {}) if isinstance(document, dict) else document[int(part)]
    if isinstance(document, list) and last == len(document):
        document.append(value)
    else:
        document[last] = value


def recorded() -> dict[str, dict[str, Any]]:
    """What a real API server said: case name -> `object`, `rc` (0 accepted), `stderr`."""
    cases: dict[str, dict[str, Any]] = json.loads((RECORDED / "crd-validation-errors.json").read_text())
    return cases
