"""What a storm sends, and how each envelope must end: pure, from a seed.

Called by storm.py. Of every thousand: 50 fan out, 20 fail (10 always, 10 once), 10 hang, 5 are poison; one in five thousand is for an
actor that does not exist. The ids of fan-out children are computed here from the contract's words, not with the mesh's code.
"""

from __future__ import annotations

import hashlib
import json
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

ACTORS = ("first", "second", "third")
NAMESPACE_OF_CHILDREN = uuid.UUID("a606e246-d58c-56b3-88d3-b2b7992f662a")
GHOST_EVERY = 5000
THOUSAND = (
    *("spread",) * 50,
    *("fail",) * 10,
    *("fail_once",) * 10,
    *("hang",) * 10,
    *("not json", "no id", "cut", "kill_runtime", "kill_pod"),
)
REASONS = {
    "spread": ("Completed",),
    "fail_once": ("Completed",),
    "plain": ("Completed",),
    "fail": ("PolicyExhausted",),
    # What is in hand for long meets more kills than others; the crash fence may come first (contract: sidecar, 8).
    "hang": ("Timeout", "Crashed"),
    "kill_runtime": ("Crashed",),
    "kill_pod": ("Crashed",),
    "ghost": ("UnknownActor", "Crashed"),
    "not json": ("ParseError",),
    "cut": ("ParseError",),
    "no id": ("ValidationError",),
}


@dataclass(frozen=True)
class Planned:
    """One message for the first actor's queue, and its ends as the ledger wants them."""

    id: str
    kind: str
    body: bytes
    ends: list[dict[str, Any]]
    message_id: str | None


def envelopes(seed: int, canary: str) -> Iterator[Planned]:
    """Without end. `canary` stands in every body: a text that no log may hold."""
    chance = random.Random(seed)
    number = 0
    while True:
        kinds = [*THOUSAND, *("plain",) * (1000 - len(THOUSAND))]
        chance.shuffle(kinds)
        for kind in kinds:
            number += 1
            at = chance.randrange(len(ACTORS))
            s = round(chance.uniform(0.001, 0.019), 4)
            yield planned(number, "ghost" if number % GHOST_EVERY == GHOST_EVERY // 2 else kind, at, s, canary)


def planned(number: int, kind: str, at: int, s: float, canary: str) -> Planned:
    """Envelope `number`, which does what its kind says at actor `at` and takes `s` seconds everywhere."""
    name = f"e-{number}"
    payload = {"number": number, "frame": 0, "hops": [], "do": kind, "at": ACTORS[at], "s": s, "canary": canary}
    after = ["ghost"] if kind == "ghost" else list(ACTORS[1:])
    envelope = {"id": name, "route": {"prev": [], "curr": ACTORS[0], "next": after}, "payload": payload}
    body = json.dumps(envelope).encode()
    reasons = REASONS[kind]
    if kind == "not json":
        body = f"not json, number {number}, {canary}".encode()
        end = _end(f"sha256-{hashlib.sha256(body).hexdigest()}", None, reasons, None)
        return Planned(name, kind, body, [end], message_id=None)
    if kind == "cut":  # its id can still be read
        return Planned(name, kind, body[:-1], [_end(name, None, reasons, None)], message_id=None)
    if kind == "no id":
        del envelope["id"]
        return Planned(name, kind, json.dumps(envelope).encode(), [_end(name, None, reasons, None)], name)
    if kind == "ghost":  # the first actor's result waits for a queue; the fence ends what that actor was given
        end = _end(name, None, reasons, result(number, 0, 1)) | {"crashed": result(number, 0, 0)}
        return Planned(name, kind, body, [end], name)
    if reasons != ("Completed",):
        return Planned(name, kind, body, [_end(name, None, reasons, result(number, 0, at))], name)
    ends = [_end(name, None, reasons, result(number, 0, len(ACTORS)))]
    for frame in (1, 2) if kind == "spread" else ():
        child = str(uuid.uuid5(NAMESPACE_OF_CHILDREN, f"{name}/{at}/{frame}"))
        ends.append(_end(child, name, reasons, result(number, frame, len(ACTORS))))
    return Planned(name, kind, body, ends, name)


def result(number: int, frame: int, hops: int) -> dict[str, Any]:
    """What is compared of a payload: whose it is, and that every actor before has worked on it once."""
    return {"number": number, "frame": frame, "hops": list(ACTORS[:hops])}


def _end(name: str, parent: str | None, reasons: tuple[str, ...], final: dict[str, Any] | None) -> dict[str, Any]:
    return {"id": name, "parent": parent, "reasons": list(reasons), "result": final}
