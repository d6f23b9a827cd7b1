"""Looks at queues, logs and replicas, and tells what it saw: statuses, the published state, the display.

Made by `mesh.py`, which shares its actors with it. Two loops: the pulse looks at the broker and scales, the judge turns what
changed into statuses. Nothing here decides what a status is or how many replicas there are: see `asya_controller.decide`.
"""

import asyncio
import os
from collections.abc import Mapping
from datetime import UTC, datetime

from asya_cli.local.actor import Actor
from asya_cli.local.display import Display, row_of
from asya_cli.local.folder import Folder
from asya_cli.local.meters import delivery
from asya_cli.local.plan import Key
from asya_cli.local.probe import runtime_busy
from asya_cli.local.queues import MeshQueues, Trouble, dead_letters
from asya_cli.local.tail import Line, Tail
from asya_cli.local.tasks import happens
from asya_transport.admin import Counts

# The broker is looked at this often; a sleeping actor is woken by its queue's bell, not by this.
PULSE_S = 0.25
# Log files are looked at in every pulse that found traffic, else this often.
QUIET_LOGS_S = 0.6
# A change of pods or files is judged at once (within this, so that several count as one), traffic alone once a second.
GATHER_S, TRAFFIC_S = 0.03, 1.0
LONGEST_WAIT_S = 60.0
# Runtimes are asked this often whether they are in a call, where the broker does not tell what its consumers hold.
CALLS_S = 1.0


class Observer:
    """The eyes and the mouth of one mesh. Make it on the loop."""

    def __init__(self, actors: Mapping[Key, Actor], queues: MeshQueues, folder: Folder, display: Display) -> None:
        self.phase = "starting"
        self.problems: tuple[str, ...] = ()  # of files that cannot be used as they are now
        self._actors = actors
        self._queues = queues
        self._folder = folder
        self._display = display
        self._tail = Tail()
        self._loop = asyncio.get_running_loop()
        self._changed, self._hurry = asyncio.Event(), asyncio.Event()
        self._dirty: set[Key] = set()
        self._traffic: set[Key] = set()
        self._traffic_at = 0.0
        self._logs_at = 0.0
        self._news = False
        self._trouble: Trouble | None = None
        self._counts: Mapping[str, Counts] = {}
        self._published_retired: list[str] = []
        self._started_at = datetime.now(UTC)

    def touch(self, key: Key) -> None:
        """Something about this actor's replicas or file has changed."""
        self._dirty.add(key)
        self._changed.set()

    def tell(self) -> None:
        """Something is to be published that concerns no single actor."""
        self._news = True
        self._changed.set()

    def hurry(self) -> None:
        """Look at the queues now."""
        self._hurry.set()

    # --- queues and logs ----------------------------------------------------------------------------------------------

    async def pulse(self) -> None:
        """Look at the broker several times a second, for ever; scale by what was seen."""
        while True:
            now = self._loop.time()
            counted = self._count()
            for actor in self._actors.values():
                actor.scale(now)
            scaled = {actor.queue: actor.asleep for actor in self._actors.values() if actor.scaled and actor.queue}
            self._queues.listen({queue for queue, asleep in scaled.items() if asleep}, set(scaled))
            if counted or now - self._logs_at >= QUIET_LOGS_S:
                self.read_logs()
            await happens(self._hurry, PULSE_S)
            self._hurry.clear()

    def _count(self) -> bool:
        """Look at the queues; False when nothing has changed since the last look."""
        counts = self._queues.count()
        if self._queues.trouble != self._trouble:
            self._trouble = self._queues.trouble
            self._display.note(self._trouble.sentence if self._trouble else "the broker can be used again")
            for key in self._actors:
                self.touch(key)
        self._counts = self._counts if counts is None else counts
        if self._published_retired != list(self._queues.retired):  # of actors that are gone: no status changes with it
            self.tell()
        with_queue = [(key, actor, actor.queue) for key, actor in self._actors.items() if actor.queue is not None]
        # An actor may get a queue that has been there all the time: nothing changes, and yet it has not been counted.
        if counts is None and not any(actor.counts is None and queue in self._counts for _, actor, queue in with_queue):
            return False
        for key, actor, queue in with_queue:
            if self._queues.has(queue):
                actor.workload.begin()
            if actor.count(self._counts.get(queue), self._counts.get(dead_letters(queue))):
                self._passed(key)
        return True

    async def watch_calls(self) -> None:
        """Count the messages in work at the runtimes, for ever: for a broker that does not tell."""
        while True:
            for key, actor in list(self._actors.items()):
                ready = [pod for pod in actor.workload.pods if pod.ready]
                busy = await asyncio.gather(*(runtime_busy(pod.sockets) for pod in ready))
                if actor.calls(sum(answer is True for answer in busy)):
                    self._passed(key)
            await asyncio.sleep(CALLS_S)

    def read_logs(self) -> None:
        """Show what replicas wrote since the last call, and count their deliveries."""
        self._logs_at = self._loop.time()
        by_name = {actor.name: actor for actor in self._actors.values()}
        pods = {pod.name: pod for actor in self._actors.values() for pod in actor.workload.pods}
        for actor in self._actors.values():
            for pod in actor.workload.pods:
                for file, begin in pod.log_files.items():
                    self._tail.follow(file, actor.name, pod.name, begin)
        for line in self._tail.new_lines():
            self._display.line(line)
            if line.process == "sidecar" and line.actor in by_name:
                self._heard(line, by_name[line.actor])
                if _about_readiness(line) and line.pod in pods:
                    pods[line.pod].look()
        self._tail.keep({file for pod in pods.values() for file in pod.log_files})

    def _heard(self, line: Line, actor: Actor) -> None:
        members = delivery(line.text)
        if members is not None:
            actor.meter.add(members, self._loop.time())
            self._passed(actor.planned.key)

    def _passed(self, key: Key) -> None:
        """Messages came, went or moved at this actor."""
        if not self._traffic:
            self._changed.set()  # so that the judge's wait is counted anew
        self._traffic.add(key)

    # --- statuses -----------------------------------------------------------------------------------------------------

    async def judge(self) -> None:
        """Compute the statuses of what changed, for ever, and publish."""
        while True:
            await happens(self._changed, self._next_look_s())
            self._changed.clear()
            if self._dirty:
                await asyncio.sleep(GATHER_S)
                self._queues.release_dead()  # a process may have ended
            keys = self._due()
            if not keys and not self._news:
                continue
            self._news = False
            now = datetime.now(UTC)
            for key in keys & self._actors.keys():
                self._judge_one(self._actors[key], now)
            self.publish()

    def _due(self) -> set[Key]:
        """The actors whose status is to be computed now."""
        now = datetime.now(UTC)
        keys = self._dirty | {key for key, actor in self._actors.items() if actor.look_at and actor.look_at <= now}
        self._dirty = set()
        if self._traffic and self._loop.time() >= self._traffic_at + TRAFFIC_S:
            self._traffic_at = self._loop.time()
            keys |= self._traffic
            # A rate falls by itself: it is told until it is 0.
            self._traffic = {key for key, actor in self._actors.items() if actor.meter.rate(self._traffic_at) > 0}
        return keys

    def _next_look_s(self) -> float:
        traffic_s = self._traffic_at + TRAFFIC_S - self._loop.time() if self._traffic else LONGEST_WAIT_S
        times = [actor.look_at for actor in self._actors.values() if actor.look_at is not None]
        mark_s = (min(times) - datetime.now(UTC)).total_seconds() if times else LONGEST_WAIT_S
        return min(LONGEST_WAIT_S, max(0.0, traffic_s), max(0.05, mark_s))

    def _judge_one(self, actor: Actor, now: datetime) -> None:
        if actor.queue is not None and not actor.workload.begun and self._trouble is None:
            return  # its queue is being made: nothing is known yet
        actor.workload.reconcile()
        if actor.judge(now, self._trouble) and self.phase != "draining":
            word, message = actor.status.get("status", ""), actor.status.get("message", "")
            self._display.note(f"{actor.name}: {word}" + (f": {message}" if message else ""))

    # --- what others see ----------------------------------------------------------------------------------------------

    def publish(self) -> None:
        """Let other commands and the display see the present state."""
        actors = [self._actors[key] for key in sorted(self._actors)]
        if self.phase == "starting" and all(actor.settled for actor in actors):
            self.phase = "running"
        published = [actor.published(self._loop.time()) for actor in actors]
        self._published_retired = list(self._queues.retired)
        state = {
            "version": 1,
            "pid": os.getpid() if self.phase != "stopped" else None,
            "phase": self.phase,
            "startedAt": _time(self._started_at),
            "updatedAt": _time(datetime.now(UTC)),
            "problems": list(self.problems),
            "retiredQueues": self._published_retired,
            "actors": published,
        }
        try:
            self._folder.write_state(state)
        except OSError as error:
            self._display.note(f"{self._folder.state}: not written, other commands see old facts: {error.strerror}")
        self._display.table([row_of(entry) for entry in published])


def _about_readiness(line: Line) -> bool:
    """The sidecar logs every change of its readiness: a reason to ask it now."""
    return b'"msg":"not ready"' in line.text or b'"msg":"ready"' in line.text


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
