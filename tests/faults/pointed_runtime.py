"""The runtime of an actor, as its sidecar sees it: payloads say what handlers do, and every call is two points.

Made by world.py. Answers are values of decide/answer.py; what the real client makes of bytes and sockets is proved by tests/sidecar.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from asya_schemas.errors import ErrorInfo
from asya_sidecar.decide.answer import Ended, Late, Nothing, Raised, Refused, Reply, Unreachable, Whole
from tests.faults.points import ENDS, Fault
from tests.faults.virtual_time import Life

if TYPE_CHECKING:
    from tests.faults.world import World

CALL_S: Final = 0.01
BACK_S: Final = 0.2
"""How long a runtime is away after its death."""


class SimulatedRuntime:
    """The runtime of one actor, which outlives its sidecars, and for each of them a client like `RuntimeClient`."""

    def __init__(self, world: World, actor: str) -> None:
        self.actor = actor
        self.busy_until = 0.0
        self._world = world

    def handle(self, body: bytes) -> tuple[Reply | None, float]:
        """What the handler says, and how long that takes; None: it does not come back in time. `Ended`: the runtime dies of it."""
        world, message = self._world, json.loads(body)
        told = _told(self.actor, message)
        world.record.called(self.actor, message)
        if told == "die":
            return Ended(Fault.RUNTIME_DIES.value), CALL_S
        if self.actor in ENDS:
            if not world.stores(message["id"]):
                return _raised("OSError", "the disk is full"), CALL_S
            world.record.stored(self.actor, message)
            return Nothing(), CALL_S
        if told == "cancel":
            world.stopped.add(message["id"])
        return _handled(self.actor, message)


def _handled(actor: str, message: Mapping[str, Any]) -> tuple[Reply | None, float]:
    """Payloads say what handlers do: `{"a": {"do": "fan", "n": 3}}` makes three of it at `a`; without a word it is passed on."""
    payload, attempt = message["payload"], message["status"]["attempt"]
    told = payload.get(actor, {})
    match told.get("do"):
        case "raise" if attempt <= told.get("times", 1000):
            return _raised("ValueError", "as asked"), CALL_S
        case "hang":
            return None, 0.0
        case "nothing":
            return Nothing(), CALL_S
        case "refuse":
            return Refused(ErrorInfo("ValidationError", "as asked")), CALL_S
        case "garbage":
            return Whole(b'{"frames": [{"payload": 1, "route": {"prev": [], "curr": "z", "next": []}}]}'), CALL_S
        case "fan":
            payloads = [payload | {"part": part} for part in range(told["n"])]
            return _frames(message, payloads, told.get("to")), CALL_S
        case _:
            return _frames(message, [payload]), told.get("s", CALL_S)


def _told(actor: str, message: Mapping[str, Any]) -> str | None:
    payload = message["payload"]
    return payload.get(actor, {}).get("do") if isinstance(payload, dict) else None


def _frames(message: Mapping[str, Any], payloads: list[Any], to: list[str] | None = None) -> Reply:
    """One for each payload, to the next actor or to those named."""
    routes = [_moved(message["route"], *([to[index]] if to else [])) for index in range(len(payloads))]
    frames = [
        {"payload": payload, "route": route, "headers": message["headers"]}
        for payload, route in zip(payloads, routes, strict=True)
    ]
    return Whole(json.dumps({"frames": frames}).encode())


def _moved(route: Mapping[str, Any], *instead: str) -> dict[str, Any]:
    """One hop further; the shape is kept."""
    if "actors" in route:
        return {"actors": route["actors"], "current": route["current"] + 1}
    ahead = [*instead, *route["next"][1:]] if instead else route["next"]
    return {"prev": [*route["prev"], route["curr"]], "curr": ahead[0] if ahead else "", "next": ahead[1:]}


def _raised(kind: str, text: str) -> Raised:
    return Raised(ErrorInfo(kind, text, ("Exception",), "Traceback"))


class PointedRuntime:
    """Has the members of act/runtime_client.py that the sidecar uses."""

    def __init__(self, world: World, life: Life, on_change: Callable[[], None]) -> None:
        self.ready = False
        self.draining = False
        self.why = "the runtime has not answered yet"
        self._world = world
        self._life = life
        self._host = world.runtimes[life.name]
        self._on_change = on_change
        self._probe: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._probe = self._world.loop.create_task(self._until_idle())

    def close(self) -> None:
        self.ready = False

    async def _until_idle(self) -> None:
        while (left_s := self._host.busy_until - self._world.loop.time()) > 0:
            await asyncio.sleep(left_s)
        self.ready = True
        self._on_change()

    def _lose(self, why: str) -> None:
        self._host.busy_until = self._world.loop.time() + BACK_S
        self.ready, self.why = False, why
        self._on_change()
        self.start()

    async def call(self, body: bytes, limit_s: float, _on_partial: Callable[[bytes], None] | None) -> Reply:
        if not self.ready:
            return Unreachable(self.why)
        world = self._world
        found = world.record.recognise(body, None)
        fault = world.point(self._life, "call", found)
        if fault in (Fault.RUNTIME_GONE, Fault.RUNTIME_DIES):
            self._lose(fault.value)
            return Unreachable(self.why) if fault is Fault.RUNTIME_GONE else Ended(self.why)
        if not self._life.alive:  # killed before it could write the request
            await asyncio.get_running_loop().create_future()
        reply, lasts_s = self._host.handle(body)
        if isinstance(reply, Ended):
            world.record.interrupted("runtime", found)
            self._lose(reply.message)
            return reply
        if reply is None:
            reply, lasts_s = Late(limit_s), limit_s
        self._host.busy_until = world.loop.time() + lasts_s
        await asyncio.sleep(lasts_s)
        if world.point(self._life, "answered", found) is Fault.RUNTIME_DIES:
            self._lose(Fault.RUNTIME_DIES.value)
            return Ended(self.why)
        return reply
