"""The runs that crash points are searched in: what is submitted to which actors, what stands in the way, and where it ends.

Used by test_crash_points.py. An undisturbed run must end as said here (contract: sidecar, Outcomes), a disturbed one as the undisturbed.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from tests.faults.virtual_time import BEGAN
from tests.faults.world import World

RETRIES: Final = {"default": {"maxAttempts": 3, "backoff": "constant", "initialDelay": "1s", "jitter": False}}
SLOW_RETRIES: Final = {"default": {"maxAttempts": 9, "backoff": "constant", "initialDelay": "4s", "jitter": False}}
RESCUED: Final = {"default": {**RETRIES["default"], "maxAttempts": 2, "onExhausted": ["rescue", "b"]}}
PARKED_AFTER: Final = 14
"""So often the gateway must fail until five minutes are over."""


@dataclass(frozen=True)
class Scenario:
    """`ends`: (place, reason) of every end of an undisturbed run."""

    envelopes: tuple[Mapping[str, Any], ...]
    ends: tuple[tuple[str, str], ...]
    actors: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: {"a": {}, "b": {}, "c": {}})
    prepare: Callable[[World], None] = lambda _world: None


def envelope(*ahead: str, curr: str = "a", **members: Any) -> dict[str, Any]:
    """From nowhere, at `a`, with members that must arrive everywhere."""
    base = {
        "id": "e-1",
        "route": {"prev": [], "curr": curr, "next": list(ahead), "kept": 1},
        "headers": {"tenant": "blue", "trace_id": "t-42"},
        "payload": {},
        "status": {"deadline_at": _in(3600), "phase": "pending"},
        "unknown": ["kept"],
    }
    return base | members


def _in(seconds: float) -> str:
    return (BEGAN + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def _with(policies: Mapping[str, Any], *others: str) -> dict[str, dict[str, str]]:
    return {"a": {"ASYA_RESILIENCY_POLICIES": json.dumps(policies)}, **{other: {} for other in others}}


def _one(payload: Mapping[str, Any], reason: str, *ahead: str, at: str = "x-sump", **rest: Any) -> Scenario:
    return Scenario((envelope(*ahead, payload=payload),), ((at, reason),), **rest)


def _cancelled(world: World) -> None:
    world.stopped.add("e-1")


def _stores_third(world: World) -> None:
    world.storing_failures["e-1"] = 2


def _parks(world: World) -> None:
    world.gateway_refusals["e-1"] = PARKED_AFTER


RAISE: Final = {"a": {"do": "raise"}}
FAN: Final = {"a": {"do": "fan", "n": 3}}
DONE: Final = ("x-sink", "Completed")

SCENARIOS: Final[Mapping[str, Scenario]] = {
    "one hop": Scenario((envelope(),), (DONE,)),
    "two hops": Scenario((envelope("b"),), (DONE,)),
    "three hops": Scenario((envelope("b", "c"),), (DONE,)),
    "old shape": Scenario((envelope(route={"actors": ["a", "b"], "current": 0}),), (DONE,)),
    "fan-out of none": _one({"a": {"do": "nothing"}}, "Aborted", "b", at="x-sink"),
    "fan-out of one": _one({"a": {"do": "fan", "n": 1}}, "Completed", "b", at="x-sink"),
    "fan-out of three": Scenario((envelope("b", payload=FAN),), (DONE,) * 3),
    "fan-out of a fan-out": Scenario(
        (envelope("b", payload={"a": {"do": "fan", "n": 2}, "b": {"do": "fan", "n": 2}}),), (DONE,) * 4
    ),
    "fan-out, one to nobody": Scenario(
        (envelope("b", payload={"a": {"do": "fan", "n": 3, "to": ["b", "ghost", "b"]}}),),
        (DONE, DONE, ("x-sump", "UnknownActor")),
    ),
    "error": _one(RAISE, "RuntimeError", "b"),
    "error at the second hop": _one({"b": {"do": "raise"}}, "RuntimeError", "b"),
    "refused by the runtime": _one({"a": {"do": "refuse"}}, "ValidationError", "b"),
    "garbage from the runtime": _one({"a": {"do": "garbage"}}, "ProtocolError", "b"),
    "retried, then well": _one(
        {"a": {"do": "raise", "times": 2}}, "Completed", "b", at="x-sink", actors=_with(RETRIES, "b")
    ),
    "retries used up": _one(RAISE, "PolicyExhausted", "b", actors=_with(RETRIES, "b")),
    "rescued": _one(RAISE, "Completed", "c", at="x-sink", actors=_with(RESCUED, "b", "rescue")),
    "deadline before the next attempt": Scenario(
        (envelope("b", payload=RAISE, status={"deadline_at": _in(8.5)}),),
        (("x-sink", "Timeout"),),
        _with(SLOW_RETRIES, "b"),
    ),
    "timeout": _one(
        {"a": {"do": "hang"}}, "Timeout", "b", actors={"a": {"ASYA_RESILIENCY_ACTOR_TIMEOUT": "2s"}, "b": {}}
    ),
    "expired": Scenario((envelope("b", status={"deadline_at": _in(-60)}),), (("x-sink", "Timeout"),)),
    "cancelled before the call": _one({}, "Canceled", "b", at="x-sink", prepare=_cancelled),
    "cancelled in the call": _one({"a": {"do": "cancel"}}, "Canceled", "b", at="x-sink"),
    "sink in the route": Scenario((envelope("x-sink"),), (DONE,)),
    "sump in the route": _one({}, "RoutedToSump", "x-sump"),
    "straight to the sink": Scenario((envelope(curr="x-sink"),), (("x-sink", ""),)),
    "straight to the sump": Scenario((envelope(curr="x-sump"),), (("x-sump", ""),)),
    "malformed": Scenario(({"id": "m-7", "queue": "a", "raw": b"not json"},), (("x-sump", "ParseError"),)),
    "malformed in the sump": Scenario(
        ({"id": "m-7", "queue": "x-sump", "raw": b"{}"},), (("x-sump", "ValidationError"),)
    ),
    "wrong actor": Scenario((envelope(curr="z") | {"queue": "a"},), (("x-sump", "RouteMismatch"),)),
    "too many hops": Scenario(
        (envelope(route={"prev": ["b"] * 256, "curr": "a", "next": []}),), (("x-sump", "HopLimit"),)
    ),
    "no such actor": _one({}, "UnknownActor", "ghost"),
    "kills its runtime": _one({"a": {"do": "die"}}, "Crashed", "b"),
    "kills the runtime of the sink": _one({"x-sink": {"do": "die"}}, "Completed", at="x-sink-dlq"),
    "stored at the third try": _one({}, "Completed", at="x-sink", prepare=_stores_third),
    "parked": _one({}, "Completed", at="x-sink", prepare=_parks),
    "a window of three": Scenario(
        tuple(envelope("b", id=f"e-{number}") for number in range(4)),
        (DONE,) * 4,
        {"a": {"ASYA_PREFETCH": "3"}, "b": {"ASYA_PREFETCH": "3"}, "x-sink": {"ASYA_PREFETCH": "3"}},
    ),
}
