"""The running mesh: joins files, plan, broker, replicas and what is seen of them. Called by `start.py`.

Everything happens on one event loop. Facts come in as events (a process ended, a file changed, a bell rang) or with the
observer's pulse. Keeps the order of starting and stopping; what happens in between is the observer's and the workloads'.
"""

import asyncio
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asya_cli.errors import UsageMistake
from asya_cli.local.actor import Actor
from asya_cli.local.broker import Broker
from asya_cli.local.display import Display
from asya_cli.local.edits import Edits, syntax_problems
from asya_cli.local.folder import Folder
from asya_cli.local.observer import Observer
from asya_cli.local.plan import Key, Planned, Settings, Source, end_actors, key_of, labels_of, planned, transports_of
from asya_cli.local.process import Group
from asya_cli.local.queues import MeshQueues
from asya_cli.local.tasks import Tasks
from asya_cli.local.watcher import changes
from asya_controller.decide.config import OperatorConfig, local_config

GONE_WITHIN_S = 10.0


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

    def __init__(
        self,
        folder: Folder,
        inputs: Inputs,
        broker: Broker,
        queues: Callable[[Callable[[], None]], MeshQueues],
        group: Group,
        display: Display,
    ) -> None:
        """`queues` makes the broker's queues of what is to be called when a message for a sleeping actor arrives."""
        self._broker = broker
        self._inputs = inputs
        self._group = group
        self._display = display
        self._settings = inputs.settings()
        self._tasks = Tasks()
        self._stop, self._at_once = asyncio.Event(), asyncio.Event()
        self._edits = Edits(inputs.roots)
        self._actors: dict[Key, Actor] = {}
        self._queues = queues(lambda: self._observer.hurry())
        self._observer = Observer(self._actors, self._queues, folder, display)

    async def run(self, sources: Sequence[Source], started: Callable[[], None]) -> None:
        """Run until a signal or a fault of our own. `started` is called when the first replicas are on their way.

        Raises:
            BaseException: the fault of our own, after everything has been ended.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._on_signal)
        try:
            self._queues.begin()
            self._plan(sources)
            started()
            for work in (self._observer.pulse(), self._observer.judge(), self._watch()):
                self._tasks.spawn(work, "mesh")
            if not self._queues.tells_what_is_in_work:
                self._tasks.spawn(self._observer.watch_calls(), "calls")
            await self._first_of(self._stop.wait(), asyncio.shield(self._group.lost))
            if self._group.lost.done():
                self._display.note("the guard process has been killed; without it processes could be left behind")
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
        config = local_config(transports_of(list(everything.values())), self._broker.config())
        labels = labels_of(everything)
        for key in [key for key in self._actors if key not in everything]:
            self._remove(key)
        owners: dict[str, Key] = {}
        for key in sorted(everything, key=lambda key: key not in self._actors):  # who has a queue keeps it
            plan = planned(everything[key], labels[key], config, self._settings)
            owner = owners.setdefault(plan.desired.queue, key) if plan.desired is not None else key
            self._apply(plan if owner == key else plan.without_queue(owner), config)
        self._observer.hurry()

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
            actor.planned = plan
            return
        if plan.desired is not None:
            self._queues.declare(plan.desired.queue)
        if actor is None:
            actor = Actor(plan, config, self._group, self._tasks, lambda: self._observer.touch(plan.key))
            self._actors[plan.key] = actor
        else:
            self._display.note(f"{plan.label}: changed")
            actor.adopt(plan, config)
        if plan.desired is not None and self._queues.has(plan.desired.queue):
            actor.workload.begin()
        for note in plan.notes:
            self._display.note(f"{plan.label}: {note}")
        self._edits.remember(plan)
        self._observer.touch(plan.key)

    def _remove(self, key: Key) -> None:
        actor = self._actors.pop(key)
        self._display.note(f"{actor.name}: removed; its queue goes when it is empty")
        self._tasks.spawn(self._drain_removed(actor), f"drain {actor.name}")
        self._observer.tell()

    async def _drain_removed(self, actor: Actor) -> None:
        await actor.workload.close()
        if actor.queue is not None and actor.queue not in {other.queue for other in self._actors.values()}:
            self._queues.retire(actor.queue)
            self._observer.tell()

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
            if problems != self._observer.problems:
                self._display.note("\n".join([*problems, "the last good state stays"]))
            self._observer.problems = problems
        else:
            self._observer.problems = ()
            self._plan(sources)
        self._observer.tell()

    def _refuse_emptied_files(self) -> None:
        """Whoever saves a file may empty it first: that must not stop its actors. Raises Unusable."""
        files = {actor.planned.file for actor in self._actors.values() if actor.planned.file is not None}
        emptied = [str(file) for file in sorted(files) if file.is_file() and not file.read_bytes().strip()]
        if emptied:
            raise Unusable("\n".join(f"{file}:1:1: is empty; remove the file to remove its actors" for file in emptied))

    # --- the end ------------------------------------------------------------------------------------------------------

    async def _drain(self) -> None:
        """The call in progress of every replica ends if it can in its grace period; a second signal cuts that short."""
        self._observer.phase = "draining"
        self._observer.publish()
        self._display.note("stopping: running calls may end (again to stop at once)")
        await self._first_of(self._close_all(), self._at_once.wait())

    async def _close_all(self) -> None:
        """First those that pass work on, then the end actors, so that what finishes now is also stored now."""
        users = [actor for actor in self._actors.values() if actor.planned.file is not None]
        built_in = [actor for actor in self._actors.values() if actor.planned.file is None]
        for batch in (users, built_in):
            await asyncio.gather(*(actor.workload.close() for actor in batch))

    async def _end(self) -> None:
        """Nothing outlives this: whoever was killed is gone, not on its way."""
        self._group.close()
        with suppress(TimeoutError):  # the kernel may keep one that waits for a broken disk
            async with asyncio.timeout(GONE_WITHIN_S):
                await asyncio.gather(*(actor.workload.kill() for actor in self._actors.values()))
        await self._tasks.cancel()
        self._queues.close()
        self._observer.read_logs()
        self._observer.phase = "stopped"
        self._observer.publish()
