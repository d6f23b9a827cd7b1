"""The running mesh: joins files, plan, broker, replicas, status and display. Called by `start.py`.

Everything happens on one event loop. Facts come in as events (a process ended, a file changed, a bell rang) or with the
pulse, a cheap look at the broker; each leads to scaling, to a status, and to what other commands can read. Nothing here
decides how many replicas there are or what a status is: see `asya_controller.decide`.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asya_cli.errors import UsageMistake
from asya_cli.local.actor import Actor
from asya_cli.local.display import Display, row_of
from asya_cli.local.edits import Edits, syntax_problems
from asya_cli.local.folder import Folder
from asya_cli.local.meters import delivery
from asya_cli.local.plan import Key, Planned, Settings, Source, end_actors, key_of, labels_of, planned, transports_of
from asya_cli.local.process import Group
from asya_cli.local.queues import Queues, dead_letters
from asya_cli.local.tail import Tail
from asya_cli.local.tasks import Tasks, happens
from asya_cli.local.watcher import changes
from asya_controller.decide.config import OperatorConfig, local_config
from asya_transport.admin import Admin

# The broker is looked at this often; a sleeping actor is woken by its queue's bell, not by this.
PULSE_S = 0.2
# Log files are looked at in every pulse that found traffic, else this often.
QUIET_LOGS_S = 0.6
# A change of pods or files is judged at once (within this, so that several count as one), traffic alone once a second.
GATHER_S, TRAFFIC_S = 0.03, 1.0


class Unusable(Exception):
    """Files cannot be used as they are now. The text holds one `file:line:col: message` per problem."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Where the mesh is described. `read` loads it (raises Unusable); both are called again after every change of a file.

    `read_at_ns` is a time (ns since the epoch) before the first reading: what was written later is read again.
    """

    read: Callable[[], Sequence[Source]]
    settings: Callable[[], Settings]
    roots: tuple[Path, ...]
    read_at_ns: int


class Mesh:
    """One mesh, from its first replica to its last. Make it on the loop that runs it."""

    def __init__(self, folder: Folder, inputs: Inputs, admin: Admin, group: Group, display: Display) -> None:
        self._folder = folder
        self._inputs = inputs
        self._group = group
        self._display = display
        self._settings = inputs.settings()
        self._tasks = Tasks()
        self._changed, self._hurry, self._stop, self._at_once = (asyncio.Event() for _ in range(4))
        self._queues = Queues(admin, folder.database, self._hurry.set)
        self._edits = Edits(inputs.roots)
        self._tail = Tail()
        self._actors: dict[Key, Actor] = {}
        self._dirty: set[Key] = set()
        self._traffic: set[Key] = set()
        self._phase = "starting"
        self._started_at = datetime.now(UTC)
        self._problems: tuple[str, ...] = ()
        self._other_news = False
        self._trouble = ""

    async def run(self, sources: Sequence[Source], started: Callable[[], None]) -> None:
        """Run until a signal or a fault of our own. `started` is called when the first replicas are on their way.

        Raises:
            BaseException: the fault of our own, after everything has been ended.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._on_signal)
        try:
            self._queues.begin([])
            self._plan(sources)
            started()
            for work in (self._pulse(), self._judge(), self._watch()):
                self._tasks.spawn(work, "mesh")
            await self._first_of(self._stop.wait())
            await self._drain()
        finally:
            await self._end()

    def _on_signal(self) -> None:
        (self._at_once if self._stop.is_set() else self._stop).set()

    async def _first_of(self, *works: Any) -> None:
        """Wait for the first of these; a fault of our own is raised instead."""
        waiting: list[asyncio.Future[Any]] = [asyncio.ensure_future(work) for work in works]
        await asyncio.wait([*waiting, self._tasks.fault], return_when=asyncio.FIRST_COMPLETED)
        for future in waiting:
            future.cancel()
        if self._tasks.fault.done():
            raise self._tasks.fault.result()

    # --- what is described --------------------------------------------------------------------------------------------

    def _plan(self, sources: Sequence[Source]) -> None:
        """Run what `sources` say from now on; only what differs is touched."""
        everything = self._with_end_actors(sources)
        config = local_config(transports_of(list(everything.values())), str(self._folder.database))
        labels = labels_of(everything)
        for key in [key for key in self._actors if key not in everything]:
            self._remove(key)
        for key, source in everything.items():
            self._apply(planned(source, labels[key], config, self._settings), config)
        self._hurry.set()

    def _with_end_actors(self, sources: Sequence[Source]) -> dict[Key, Source]:
        """The sources, and x-sink and x-sump wherever they are not defined; once there they stay, work may be under way."""
        named = {key_of(source.document): source for source in sources}
        present = [
            Source(actor.planned.document, None) for actor in self._actors.values() if actor.planned.file is None
        ]
        added = end_actors(sources, (transports_of(sources) or ["local"])[0])
        return {**{key_of(source.document): source for source in (*added, *present)}, **named}

    def _apply(self, plan: Planned, config: OperatorConfig) -> None:
        actor = self._actors.get(plan.key)
        if actor is not None and actor.planned == plan:
            return
        if plan.desired is not None:
            self._queues.declare(plan.desired.queue)
        if actor is None:
            actor = Actor(plan, config, self._group, self._tasks, lambda: self._touch(plan.key))
            self._actors[plan.key] = actor
            actor.workload.reconcile()
        else:
            self._display.note(f"{plan.label}: changed")
            actor.adopt(plan, config)
        for note in plan.notes:
            self._display.note(f"{plan.label}: {note}")
        self._edits.remember(plan)
        self._touch(plan.key)

    def _remove(self, key: Key) -> None:
        actor = self._actors.pop(key)
        self._display.note(f"{actor.name}: removed; its queue goes when it is empty")
        self._tasks.spawn(self._drain_removed(actor), f"drain {actor.name}")
        self._tell()

    async def _drain_removed(self, actor: Actor) -> None:
        await actor.workload.close()
        if actor.queue is not None and actor.queue not in {other.queue for other in self._actors.values()}:
            self._queues.retire(actor.queue)
            self._tell()

    async def _watch(self) -> None:
        def folders() -> set[Path]:
            plans = [actor.planned for actor in self._actors.values()]
            return self._edits.watched(plans, self._settings.handlers)

        async for files in changes(folders, self._inputs.read_at_ns):
            for problem in syntax_problems(sorted(files)):
                self._display.note(problem)
            if any(file.suffix != ".py" for file in files):
                self._reread()
            for actor in self._actors.values():
                if self._edits.touched(actor.planned, files):
                    self._display.note(f"{actor.name}: handler changed, its runtimes begin anew")
                    actor.workload.replace_runtimes()

    def _reread(self) -> None:
        try:
            self._settings = self._inputs.settings()
            self._refuse_emptied_files()
            sources = self._inputs.read()
        except (Unusable, UsageMistake) as refused:
            problems = tuple(str(refused).splitlines())
            if problems != self._problems:
                self._display.note("\n".join([*problems, "the last good state stays"]))
            self._problems = problems
        else:
            self._problems = ()
            self._plan(sources)
        self._tell()

    def _refuse_emptied_files(self) -> None:
        """Whoever saves a file may empty it first: that must not stop its actors. Raises Unusable."""
        files = {actor.planned.file for actor in self._actors.values() if actor.planned.file is not None}
        emptied = [str(file) for file in sorted(files) if file.is_file() and not file.read_bytes().strip()]
        if emptied:
            raise Unusable("\n".join(f"{file}:1:1: is empty; remove the file to remove its actors" for file in emptied))

    def _tell(self) -> None:
        """Something is to be published that concerns no single actor."""
        self._other_news = True
        self._changed.set()

    # --- what happens -------------------------------------------------------------------------------------------------

    async def _pulse(self) -> None:
        loop, read_at = asyncio.get_running_loop(), 0.0
        while True:
            now = loop.time()
            counted = self._count()
            for actor in self._actors.values():
                actor.scale(now)
            asleep = {actor.queue for actor in self._actors.values() if actor.asleep and actor.queue}
            self._queues.listen(asleep)
            if counted or now - read_at >= QUIET_LOGS_S:
                read_at = now
                self._read_logs(now)
            await _wait(self._hurry, PULSE_S)

    def _count(self) -> bool:
        """Look at the queues; False when nothing has changed since the last look."""
        counts = self._queues.count()
        if self._queues.trouble != self._trouble:
            self._trouble = self._queues.trouble
            self._display.note(self._trouble or "the broker can be used again")
            self._dirty |= set(self._actors)
            self._changed.set()
        if counts is None:
            return False
        for key, actor in self._actors.items():
            if actor.queue is not None and actor.count(counts.get(actor.queue), counts.get(dead_letters(actor.queue))):
                self._passed(key)
        return True

    def _read_logs(self, now_s: float) -> None:
        for actor in self._actors.values():
            for pod in actor.workload.pods:
                for process in ("sidecar", "runtime"):
                    self._tail.follow(pod.logs / f"{process}.log", actor.name, pod.name)
        by_name = {actor.name: actor for actor in self._actors.values()}
        for line in self._tail.new_lines():
            self._display.line(line)
            members = delivery(line.text) if line.process == "sidecar" else None
            if members is not None and line.actor in by_name:
                actor = by_name[line.actor]
                actor.meter.add(members, now_s)
                self._passed(actor.planned.key)

    # --- what is known ------------------------------------------------------------------------------------------------

    def _touch(self, key: Key) -> None:
        """Something about this actor's replicas or file has changed."""
        self._dirty.add(key)
        self._changed.set()

    def _passed(self, key: Key) -> None:
        """Messages came, went or moved at this actor."""
        if not self._traffic:
            self._changed.set()  # so that the wait below is counted anew
        self._traffic.add(key)

    async def _judge(self) -> None:
        loop, traffic_at = asyncio.get_running_loop(), 0.0
        while True:
            until_traffic_s = max(0.0, traffic_at + TRAFFIC_S - loop.time()) if self._traffic else 60.0
            await _wait(self._changed, min(until_traffic_s, self._next_look_s()))
            if self._dirty:
                await asyncio.sleep(GATHER_S)
                self._changed.clear()
                self._queues.release_dead()
            now_s, now = loop.time(), datetime.now(UTC)
            keys = self._dirty | {key for key, actor in self._actors.items() if actor.look_at and actor.look_at <= now}
            self._dirty = set()
            if self._traffic and now_s - traffic_at >= TRAFFIC_S:
                keys |= self._traffic
                traffic_at = now_s
                self._traffic = {key for key, actor in self._actors.items() if actor.meter.rate(now_s) > 0}
            if not keys and not self._other_news:
                continue
            self._other_news = False
            for key in keys & self._actors.keys():
                self._judge_one(self._actors[key], now)
            self._publish(now_s)

    def _judge_one(self, actor: Actor, now: datetime) -> None:
        actor.workload.reconcile()
        if actor.judge(now, self._trouble) and self._phase != "draining":
            word, message = actor.status.get("status", ""), actor.status.get("message", "")
            self._display.note(f"{actor.name}: {word}" + (f": {message}" if message else ""))

    def _next_look_s(self) -> float:
        times = [actor.look_at for actor in self._actors.values() if actor.look_at is not None]
        soonest = (min(times) - datetime.now(UTC)).total_seconds() if times else 60.0
        return min(60.0, max(0.05, soonest))

    def _publish(self, now_s: float) -> None:
        actors = [self._actors[key] for key in sorted(self._actors)]
        if self._phase == "starting" and all(actor.settled for actor in actors):
            self._phase = "running"
        published = [actor.published(now_s) for actor in actors]
        state = {
            "version": 1,
            "pid": os.getpid(),
            "phase": self._phase,
            "startedAt": _time(self._started_at),
            "updatedAt": _time(datetime.now(UTC)),
            "problems": list(self._problems),
            "retiredQueues": list(self._queues.retired),
            "actors": published,
        }
        try:
            self._folder.write_state(state)
        except OSError as error:
            self._display.note(f"{self._folder.state}: not written, other commands see old facts: {error.strerror}")
        self._display.table([row_of(entry) for entry in published])

    # --- the end ------------------------------------------------------------------------------------------------------

    async def _drain(self) -> None:
        """The call in progress of every replica ends if it can in its grace period; a second signal cuts that short."""
        self._phase = "draining"
        self._publish(asyncio.get_running_loop().time())
        self._display.note("stopping: running calls may end (again to stop at once)")
        await self._first_of(self._close_all(), self._at_once.wait())

    async def _close_all(self) -> None:
        """First those that pass work on, then the end actors, so that what finishes now is also stored now."""
        users = [actor for actor in self._actors.values() if actor.planned.file is not None]
        built_in = [actor for actor in self._actors.values() if actor.planned.file is None]
        for batch in (users, built_in):
            await asyncio.gather(*(actor.workload.close() for actor in batch))

    async def _end(self) -> None:
        """Nothing outlives this."""
        self._group.close()
        await self._tasks.cancel()
        self._queues.close()
        self._read_logs(asyncio.get_running_loop().time())
        state = self._folder.read_state() or {}
        with suppress(OSError):  # a full disk: the lock alone says that nothing runs
            self._folder.write_state({**state, "phase": "stopped", "pid": None})


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


async def _wait(event: asyncio.Event, within_s: float) -> None:
    await happens(event, within_s)
    event.clear()
