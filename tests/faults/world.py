"""A whole mesh inside a test: real sidecars (act/process.py and all it calls) on one virtual loop, around the broker in memory.

Used by test_crash_points.py and test_state_machine.py. Sidecars live, are killed at any point and started again, as pods are. What follows
is written down (record.py) and judged elsewhere (ledger.py). A little over the usual length: everything that can be done to the mesh
stands here.
"""

from __future__ import annotations

import asyncio
import json
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import patch

from asya_sidecar.act import consumer as consumers
from asya_sidecar.act import end_actor, ordinary_actor, process
from asya_sidecar.act.health import Health
from asya_sidecar.act.metrics import Metrics
from asya_sidecar.settings import Settings, from_environ
from asya_transport.admin import Stored
from asya_transport.memory import MemoryBroker
from asya_transport.port import Outcome
from tests.faults.ledger import Line
from tests.faults.pointed_gateway import PointedGateway
from tests.faults.pointed_runtime import PointedRuntime, SimulatedRuntime
from tests.faults.pointed_transport import PointedTransport
from tests.faults.points import ENDS, POSSIBLE, Fault, Point
from tests.faults.record import Record, ended
from tests.faults.virtual_time import Life, VirtualLoop, WallClock, outside, owner

RESTART_S: Final = 0.5
LONGEST_S: Final = 3600.0
"""Longer than any wait of the sidecar: what has not ended by then never will."""


@dataclass
class Sidecar:
    """A life of a sidecar, with what belongs to it."""

    life: Life
    transport: PointedTransport
    over: asyncio.Future[None] = field(repr=False)
    process: process.Sidecar | None = None
    stopping: bool = False


Choose = Callable[[Point], Fault | None]


class World:
    """Made by `world`. `choose` is asked at every point which fault happens there."""

    def __init__(self, loop: VirtualLoop, actors: Mapping[str, Mapping[str, str]], choose: Choose) -> None:
        self.loop = loop
        self.clock = WallClock(loop)
        self.broker = MemoryBroker()
        self.choose = choose
        self.blocked = False
        """The broker confirms nothing: an alarm."""
        self.confirm_after_s = 0.0
        self.stopped: set[str] = set()
        """Ids the gateway knows as cancelled."""
        self.gateway_refusals: Counter[str] = Counter()
        """How often the gateway still does not settle the final report of an id."""
        self.storing_failures: Counter[str] = Counter()
        """How often an end actor still fails to store an id."""
        self.destroyed: set[str] = set()
        """Ids that were in a queue when somebody deleted it."""
        self.points: list[Point] = []
        self.faults: list[tuple[Point, Fault]] = []
        self.record = Record()
        self.exits: Counter[int] = Counter()
        self.settings = {name: _settings(name, variables) for name, variables in actors.items()}
        self.runtimes = {name: SimulatedRuntime(self, name) for name in actors}
        self.sidecars: dict[str, Sidecar] = {}
        self._pods: list[asyncio.Task[None]] = []

    # what tests do

    def queue(self, actor: str) -> str:
        return f"asya-ns-{actor}"

    def begin(self) -> None:
        """Declare the queues and start the pods."""
        for actor in self.settings:
            self.broker.declare(self.queue(actor))
        self._pods = [self.loop.create_task(self._pod(actor)) for actor in self.settings]

    def submit(self, envelope: Mapping[str, Any]) -> bool:
        """What a producer does: accepted when confirmed. A member `queue` names another actor's, `raw` is a body instead."""
        members = dict(envelope)
        queue = self.queue(members.pop("queue", None) or read_route(members["route"]))
        body = members["raw"] if "raw" in members else json.dumps(members).encode()
        outcome = self.put(queue, Stored(body, members["id"], None, None, 0))
        if outcome is Outcome.CONFIRMED:
            self.record.write("accepted", id=members["id"])
        return outcome is Outcome.CONFIRMED

    def run_for(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))

    def run_until_quiet(self) -> None:
        """Until every work queue is empty, which it is when everything is acknowledged."""
        self.loop.run_until_complete(self._quiet())

    async def _quiet(self) -> None:
        until_s, pause_s = self.loop.time() + LONGEST_S, 0.05
        while self.left() and self.loop.time() < until_s:
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.5, 5.0)

    def left(self) -> dict[str, list[str]]:
        """Ids in work queues."""
        held = {actor: self.ids_at(actor) for actor in self.settings if self.queue(actor) in self.broker.queues}
        return {actor: ids for actor, ids in held.items() if ids}

    def ids_at(self, actor: str) -> list[str]:
        return [
            self.record.recognise(message.stored.body, message.stored.message_id)
            for message in self.broker.queues[self.queue(actor)].messages
        ]

    def kill(self, actor: str) -> None:
        """SIGKILL of the sidecar; its pod starts another one."""
        sidecar = self.sidecars[actor]
        if sidecar.life.alive:
            self._interrupted("kill", actor)
            sidecar.life.kill()
            sidecar.transport.die()
            sidecar.over.set_result(None)

    def cut(self, actor: str) -> None:
        """Its connection to the broker is lost."""
        if self.sidecars[actor].life.alive:
            self._interrupted("cut", actor)
            self.sidecars[actor].transport.cut()

    def stop(self, actor: str) -> None:
        """SIGTERM: it drains. Only an end actor that waits for the gateway gives back what its handler has already stored."""
        sidecar = self.sidecars[actor]
        if sidecar.life.alive and sidecar.process is not None and not sidecar.stopping:
            if actor in ENDS:
                self._interrupted("stop", actor)
            sidecar.stopping = True
            sidecar.life.run(sidecar.process.stop, "the test")

    def declare(self, actor: str) -> None:
        outside(self.broker.declare, self.queue(actor))

    def delete(self, actor: str) -> list[str]:
        """The queue with all it holds: the ids of that."""
        if self.queue(actor) not in self.broker.queues:
            return []
        gone = self.ids_at(actor)
        self.destroyed.update(gone)
        outside(self.broker.delete, self.queue(actor))
        return gone

    def put(self, queue: str, stored: Stored) -> Outcome:
        return outside(self.broker.put, queue, stored)

    def ids(self) -> set[str]:
        """All that is in a queue or at an end."""
        queued = {
            self.record.recognise(message.stored.body, message.stored.message_id)
            for queue in self.broker.queues.values()
            for message in queue.messages
        }
        return queued | self.record.ended

    def dead_letters(self) -> Iterator[tuple[str, bytes]]:
        """Queues and bodies of what met its end there."""
        for name, queue in self.broker.queues.items():
            if name.endswith("-dlq"):
                yield from ((name, message.stored.body) for message in queue.messages)

    def ledger(self) -> list[Line]:
        """All lines, with what is found where routes end and what is left on the way."""
        dead = [ended(name.removeprefix("asya-ns-"), json.loads(body)) for name, body in self.dead_letters()]
        left = [{"what": "left", "queue": actor, "count": len(ids)} for actor, ids in self.left().items()]
        return [*self.record.lines, *dead, *left]

    # what neighbours tell

    def point(self, life: Life, name: str, found: str) -> Fault | None:
        """Something is about to happen or has happened; the fault that meets it."""
        if not life.alive:
            return None
        here = Point(len(self.points), life.name, name, found)
        self.points.append(here)
        fault = self.choose(here)
        if fault is None:
            return None
        assert fault in POSSIBLE[name], f"{fault} means nothing at {here}"
        self.faults.append((here, fault))
        if fault in MEET_ALL:
            MEET_ALL[fault](self, life.name)
        elif fault is Fault.UNCONFIRMED or (fault is Fault.RUNTIME_DIES and name == "answered"):
            self.record.interrupted(fault.name.lower(), found)
        return fault

    def _interrupted(self, kind: str, actor: str) -> None:
        for found in self.sidecars[actor].transport.in_hand:
            self.record.interrupted(kind, found)

    def left_unsettled(self, life: Life, found: str, unconfirmed: bool) -> None:
        """A sidecar ends with this in hand, and may when it was asked to stop, or when the broker did not confirm what follows from it."""
        if unconfirmed or self.sidecars[life.name].stopping:
            self.record.interrupted("left", found)

    def settled(self, life: Life, name: str, found: str, was_ours: bool) -> None:
        """A settlement has reached the broker. What was acknowledged must be somewhere else by now."""
        if name == "ack" and was_ours and found not in self.ids() | self.destroyed:
            self.record.complaints.append(f"{found} was acknowledged and is nowhere")
        self.point(life, {"ack": "acked", "release": "released"}.get(name, "released_counted"), found)

    def stores(self, found: str) -> bool:
        """The disk lets an end actor's handler store this."""
        self.storing_failures[found] -= 1
        return self.storing_failures[found] < 0

    def gateway_settles(self, found: str) -> bool:
        """The gateway's answer to a final report."""
        if self.gateway_refusals[found] > 0:
            self.gateway_refusals[found] -= 1
            return False
        return True

    # the pods

    async def _pod(self, actor: str) -> None:
        """Start a sidecar, again and again."""
        while True:
            life = Life(actor)
            sidecar = self.sidecars[actor] = Sidecar(life, PointedTransport(self, life), self.loop.create_future())
            life.run(self._begin_life, self.settings[actor], sidecar)
            await sidecar.over
            await asyncio.sleep(RESTART_S)

    def _begin_life(self, settings: Settings, sidecar: Sidecar) -> None:
        task = self.loop.create_task(self._live(settings, sidecar))
        task.add_done_callback(lambda ended: self._ended(sidecar, ended))

    async def _live(self, settings: Settings, sidecar: Sidecar) -> process.Exit:
        log = _Log(self, settings.actor_name)
        metrics = Metrics(settings.queue, settings.transport)
        health = Health(log, metrics.stalled, self.loop.time)
        sidecar.process = process.Sidecar(settings, sidecar.transport, log, metrics, health)
        return await sidecar.process.run()

    def _ended(self, sidecar: Sidecar, ended: asyncio.Task[process.Exit]) -> None:
        if not sidecar.life.alive or ended.cancelled():
            return
        sidecar.life.kill()
        self.exits[ended.result().code] += 1
        sidecar.over.set_result(None)

    def end(self) -> None:
        """Nothing lives on."""
        for sidecar in self.sidecars.values():
            sidecar.life.kill()
            sidecar.transport.die()
        for pod in self._pods:
            pod.cancel()
        self.loop.run_until_complete(self._buried())

    async def _buried(self) -> None:
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)


MEET_ALL: Final[Mapping[Fault, Callable[[World, str], None]]] = {
    Fault.KILL: World.kill,
    Fault.CUT: World.cut,
    Fault.STOP: World.stop,
}
"""Faults that meet everything a sidecar has in hand."""


def read_route(route: Mapping[str, Any]) -> str:
    """Where an envelope is to be sent first."""
    return str(route["actors"][route.get("current", 0)] if "actors" in route else route["curr"])


class _Log:
    """A log of which only the sidecar's own faults matter."""

    def __init__(self, world: World, actor: str) -> None:
        self._world = world
        self._actor = actor

    def exception(self, event: str, **members: object) -> None:
        self._world.record.complaints.append(f"{self._actor}: {event} {members}\n{traceback.format_exc()}")

    def error(self, event: str, **members: Any) -> None:
        if event.startswith("fault") or event == "asyncio":
            self._world.record.complaints.append(f"{self._actor}: {event} {members}")

    def _unread(self, event: str, **members: object) -> None:
        """Nobody reads it."""

    debug = info = warning = _unread


def _settings(actor: str, variables: Mapping[str, str]) -> Settings:
    base = {
        "ASYA_ACTOR_NAME": actor,
        "ASYA_NAMESPACE": "ns",
        "ASYA_TRANSPORT": "sqlite",  # any: the transport is handed in
        "ASYA_SQLITE_PATH": "/nowhere/mesh.db",
        "ASYA_PREFETCH": "1",
        "ASYA_GATEWAY_URL": "http://gateway.invalid",
        "ASYA_IS_END_ACTOR": str(actor in ENDS).lower(),
    }
    return from_environ(base | dict(variables))


@contextmanager
def world(actors: Mapping[str, Mapping[str, str]], choose: Choose = lambda _point: None) -> Iterator[World]:
    """A world with these actors (and their variables) and the two ends, begun."""
    loop = VirtualLoop()
    made = World(loop, {**actors, **{end: {} for end in ENDS if end not in actors}}, choose)
    by_life = SimpleNamespace(now=made.clock.now)
    with ExitStack() as stack:
        stack.callback(loop.close)
        for module in (ordinary_actor, end_actor, consumers):
            stack.enter_context(patch.object(module, "datetime", by_life))
        stack.enter_context(patch.object(ordinary_actor, "random", SimpleNamespace(uniform=lambda _low, _high: 1.0)))
        stack.enter_context(patch.object(process, "RuntimeClient", _runtime_of(made)))
        stack.enter_context(patch.object(process, "Gateway", _gateway_of(made)))
        outside(made.begin)
        stack.callback(made.end)
        yield made


def _runtime_of(made: World) -> Callable[..., PointedRuntime]:
    def client(
        _path: object, _bytes: int, _frames: int, on_change: Callable[[], None], _on_fault: object
    ) -> PointedRuntime:
        return PointedRuntime(made, _current(), on_change)

    return client


def _gateway_of(made: World) -> Callable[..., PointedGateway]:
    return lambda *_: PointedGateway(made, _current())


def _current() -> Life:
    life = owner.get()
    assert life is not None, "neighbours are made by a living sidecar"
    return life
