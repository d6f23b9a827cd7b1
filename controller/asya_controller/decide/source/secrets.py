"""Secrets that stand in files as they are (contract: cli, "asya sync": refused unless they are references).

Here: a variable of a container whose name says that its literal value is secret. (A `Secret` with values is found by documents.py.)
Called by checking.py. Pure; never repeats a value in its words.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from asya_schemas.actor.paths import POD, SPEC, Path

_NAME = re.compile(
    r"(?:^|_)(?:PASSWORD|PASSWD|PASSPHRASE|TOKEN|SECRET|CREDENTIALS?|(?:API|ACCESS|SECRET|PRIVATE|SIGNING|ENCRYPTION)_?KEY)$"
)
_REFERENCE = re.compile(r"\$\([A-Za-z_][A-Za-z0-9_.-]*\)")
_PRIVATE_KEY = "PRIVATE KEY-----"


def literal_secrets(document: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Place and message of every variable that should be a `valueFrom`. `document` is a valid AsyncActor."""
    pod = document["spec"]["workload"]["template"]["spec"]
    for group in ("containers", "initContainers"):
        for number, container in enumerate(pod.get(group) or ()):
            yield from _of(container.get("env"), (*POD, group, number, "env"))
    yield from _of((document["spec"].get("sidecar") or {}).get("env"), (*SPEC, "sidecar", "env"))


def _of(env: Any, path: Path) -> Iterator[tuple[Path, str]]:
    for number, entry in enumerate(env or ()):
        value = entry.get("value")
        if isinstance(value, str) and is_secret(str(entry.get("name")), value):
            message = f"variable {entry['name']} holds a secret in plain text: put it into a Secret and name that with valueFrom"
            yield (*path, number, "value"), message


def is_secret(name: str, value: str) -> bool:
    """Whether a literal value gives a secret away: not when it is empty or only names another variable."""
    if not value or _REFERENCE.fullmatch(value):
        return False
    return _PRIVATE_KEY in value or _NAME.search(name.upper()) is not None
