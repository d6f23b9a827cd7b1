"""What a controller asked of the API server: every request as the proxy saw it, and which actors it had been shown by then.

Filled by tests/support/kube/proxy.py, judged by tests/support/kube/oracles.py.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.support.kube.api import APPLY, JSON

VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
# What says nothing about a converged actor: who leads, and what happened.
NOT_OBJECTS = frozenset({"leases", "events"})


@dataclass(slots=True)
class Request:
    """One request. `verb` as RBAC names it; `code` None: the answer never left the proxy.

    Attributes:
        before: the object as it was right before a write; None when there was none.
        after: what the server answered to a write.
    """

    at: float
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    verb: str = ""
    group: str = ""
    resource: str = ""
    sub: str = ""
    namespace: str = ""
    name: str = ""
    code: int | None = None
    before: JSON | None = None
    after: JSON | None = None
    workload: JSON | None = None
    """At a write of status: the live workload of that actor."""

    @property
    def applies(self) -> bool:
        """Server-side apply."""
        return self.method == "PATCH" and self.headers.get("content-type") == APPLY

    @property
    def manager(self) -> str:
        """The field manager it names."""
        return self.query.get("fieldManager", "")

    @property
    def writes(self) -> bool:
        """Whether it would change an object of an actor: neither lease nor Event."""
        return self.verb in WRITES and self.resource not in NOT_OBJECTS

    @property
    def effect(self) -> str:
        """`create`, `delete`, `change`, or empty: the server refused it or nothing is different."""
        if not self.writes or self.code is None or self.code >= 300:
            return ""
        if self.verb.startswith("delete"):
            return "delete"
        if self.before is None:
            return "create"
        return "change" if substance(self.before) != substance(self.after or {}) else ""

    def __str__(self) -> str:
        what = f"{self.verb} {self.resource}{'/' + self.sub if self.sub else ''} {self.namespace}/{self.name}"
        by = self.manager or self.headers.get("user-agent", "?")
        changes = list(differences(substance(self.before), substance(self.after))) if self.before and self.after else []
        return f"{what} by {by}: {self.code} {'; '.join(changes) or json.dumps(self.body)[:600]}"


def differences(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """`path: old -> new` for each value that differs."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from differences(old.get(key), new.get(key), f"{path}.{key}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (left, right) in enumerate(zip(old, new, strict=True)):
            yield from differences(left, right, f"{path}[{index}]")
    elif old != new:
        yield f"{path}: {json.dumps(old)[:300]} -> {json.dumps(new)[:300]}"


def substance(document: JSON) -> JSON:
    """An object without what every write or its own controllers change: versions, times, and status unless that was written."""
    kept = {key: value for key, value in document.items() if key != "metadata"}
    meta = dict(document.get("metadata", {}))
    for key in ("resourceVersion", "generation", "managedFields"):
        meta.pop(key, None)
    if document.get("kind") != "AsyncActor":
        kept.pop("status", None)
        annotations = dict(meta.get("annotations") or {})
        annotations.pop("deployment.kubernetes.io/revision", None)
        meta["annotations"] = annotations
    return kept | {"metadata": meta}


def understand(method: str, target: str, headers: dict[str, str], body: bytes) -> Request:
    """A request as an API server reads it."""
    parts = urlsplit(target)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    request = Request(time.monotonic(), method, parts.path, query, headers, json.loads(body) if body else None)
    steps = [unquote(step) for step in parts.path.strip("/").split("/")]
    request.verb = VERBS[method]
    if steps[0] == "api" and len(steps) > 2:
        rest = steps[2:]
    elif steps[0] == "apis" and len(steps) > 3:
        request.group, rest = steps[1], steps[3:]
    else:
        return request  # discovery, version, health
    if rest[0] == "namespaces" and len(rest) > 2:
        request.namespace, rest = rest[1], rest[2:]
    request.resource, request.name, request.sub = [*rest, "", ""][:3]
    if request.verb == "get" and not request.name:
        request.verb = "watch" if query.get("watch") in ("true", "1") else "list"
    if request.verb == "delete" and not request.name:
        request.verb = "deletecollection"
    return request


@dataclass(slots=True)
class Shown:
    """A version of an actor that the controller has been shown."""

    at: float
    actor: JSON


@dataclass(slots=True)
class Record:
    """Everything since the proxy began. Written on the proxy's thread, read by tests."""

    requests: list[Request] = field(default_factory=list)
    shown: dict[str, list[Shown]] = field(default_factory=dict)
    """uid -> its versions in the order in which they were shown."""

    def show(self, document: Any) -> None:
        """Remember an actor, or the actors of a list, that passed to the controller."""
        if not isinstance(document, dict):
            return
        for actor in document.get("items") or [document]:
            if "spec" in actor and "workload" in actor.get("spec", {}):
                self.shown.setdefault(actor["metadata"]["uid"], []).append(Shown(time.monotonic(), actor))

    def writes(self, since: int = 0) -> list[Request]:
        """Requests from number `since` on that would change an object of an actor."""
        return [request for request in self.requests[since:] if request.writes]

    def effects(self, since: int = 0) -> Counter[tuple[str, str, str]]:
        """(create, delete or change; resource; name) -> how often, for everything but status."""
        found = ((r.effect, r.resource, r.name) for r in self.writes(since) if r.sub != "status")
        return Counter(entry for entry in found if entry[0])
