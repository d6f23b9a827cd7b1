"""What a report says (contract: sidecar, Gateway reports; gateway, Internal endpoints).

Pure: from an envelope and what happened to it, the JSON of one report. Called by front.py, which adds the time.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec

from asya_schemas import headers
from asya_schemas.envelope import Envelope
from asya_schemas.route import Route

MAX_PARTIAL_BYTES = 1_048_576
CHILDREN_BYTES = 1_048_576
"""A fan-out of thousands is told in several reports of about this size."""
SETTLED_STATUSES = frozenset({400, 404, 409, 410, 422})

encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Report:
    """One report on its way, with what is needed to judge its result."""

    kind: str
    id: str
    run: int
    body: bytes


def position(route: Route) -> dict[str, Any]:
    """The place in the route, in the envelope's shape."""
    if route.old_shape:
        actors = (*route.prev, *([route.curr] if route.curr else ()), *route.next)
        return {"actors": actors, "current_actor_idx": len(route.prev)}
    return {"prev": route.prev, "curr": route.curr, "next": route.next}


def members(envelope: Envelope, actor: str, attempt: int, at: str) -> dict[str, Any]:
    """What every report holds."""
    return {
        "id": envelope.id,
        "parent_id": envelope.parent_id,
        "actor": actor,
        "attempt": attempt,
        "at": at,
        "run": headers.replay_count(envelope.headers),
        "children_count": headers.count_of(envelope.headers, headers.CHILDREN),
        **position(envelope.route),
    }


def report(kind: str, common: Mapping[str, Any], own: Mapping[str, Any]) -> Report:
    """A report of a batch; members that are None are left out."""
    told = {name: value for name, value in own.items() if value is not None}
    return Report(kind, common["id"], common["run"], encode({"kind": kind, **common, **told}))


def children(common: Mapping[str, Any], frames: Sequence[Envelope]) -> Iterator[Report]:
    """Reports about frames 1 and up, in parts of about CHILDREN_BYTES."""
    part: list[msgspec.Raw] = []
    size = 0
    for index, frame in enumerate(frames[1:], 1):
        route = {"prev": frame.route.prev, "curr": frame.route.curr, "next": frame.route.next}
        child = encode({"id": frame.id, "index": index, **route})
        if part and size + len(child) > CHILDREN_BYTES:
            yield report("children", common, {"children": part})
            part, size = [], 0
        part.append(msgspec.Raw(child))
        size += len(child)
    if part:
        yield report("children", common, {"children": part})


def without_bulk(final: Mapping[str, Any]) -> dict[str, Any]:
    """A final that was too large once more: without `result` and `record.envelope`."""
    smaller = {name: value for name, value in final.items() if name != "result"}
    if isinstance(record := smaller.get("record"), Mapping):
        smaller["record"] = {name: value for name, value in record.items() if name != "envelope"}
    return smaller


def task_path(envelope_id: str, action: str) -> str:
    """`/tasks/{id}/{action}`, percent-encoded, so that no id can name another path."""
    segment = quote(envelope_id, safe="")
    return f"/tasks/{segment.replace('.', '%2E') if segment in ('.', '..') else segment}/{action}"


def stopped(results: object, sent: Sequence[Report]) -> Iterator[Report]:
    """Of the reports `sent` those whose result says that nobody waits for this run any more."""
    if isinstance(results, list) and len(results) == len(sent):
        for result, one in zip(results, sent, strict=True):
            if isinstance(result, dict) and result.get("active") is False and result.get("outcome") != "unknown":
                yield one
