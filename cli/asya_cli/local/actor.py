"""One actor of the running mesh: its version, its replicas, its traffic, its status.

Made by `mesh.py`. The status is `asya_controller.decide.status.status_of` on facts gathered here, so that it cannot differ
from what a cluster would say about the same facts.
"""

import dataclasses
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from asya_cli.local.meters import Meter
from asya_cli.local.plan import Planned, uid_of
from asya_cli.local.process import Group
from asya_cli.local.queues import Trouble
from asya_cli.local.tasks import Tasks
from asya_cli.local.workload import Workload
from asya_controller.decide.config import OperatorConfig
from asya_controller.decide.memory import remember
from asya_controller.decide.scaling import ScalingMemory, replicas_wanted
from asya_controller.decide.status import explained, status_of
from asya_controller.decide.timers import next_look
from asya_controller.decide.world import Memory, QueueFacts, World
from asya_transport.admin import Counts

KEPT_TRANSITIONS = 20


class Actor:
    """Joins the plan, the replicas and the facts of one actor."""

    def __init__(
        self,
        planned: Planned,
        config: OperatorConfig,
        group: Group,
        tasks: Tasks,
        on_change: Callable[[], None],
    ) -> None:
        self.planned = planned
        self.workload = Workload(planned, group, tasks, on_change)
        self.meter = Meter()
        self.counts: Counts | None = None
        self.dead = 0
        self._calls = 0
        self.generation = 1
        self.status: dict[str, Any] = {"observedGeneration": -1}
        self.rule = ""
        self.transitions: deque[dict[str, Any]] = deque(maxlen=KEPT_TRANSITIONS)
        self.look_at: datetime | None = None
        self._config = config
        self._created_at = datetime.now(UTC)
        self._memory = Memory()
        self._scaling = ScalingMemory()
        self._scaled_object_at = self._created_at

    @property
    def name(self) -> str:
        return self.planned.label

    @property
    def queue(self) -> str | None:
        """Full name of its queue; None when its spec was refused."""
        return self.planned.desired.queue if self.planned.desired else None

    def adopt(self, planned: Planned, config: OperatorConfig) -> None:
        """Go on with a changed file."""
        if planned.document != self.planned.document:
            self.generation += 1
        if (planned.scaling is None) != (self.planned.scaling is None):
            self._scaled_object_at = datetime.now(UTC)
        self.planned, self._config = planned, config
        self.workload.adopt(planned)

    def scale(self, now_s: float) -> None:
        """Follow the queue by the documented rule."""
        rule = self.planned.scaling
        if rule is None or self.counts is None:
            return
        queued, in_work = self.counts.queued, self.counts.processing or 0
        wanted, self._scaling = replicas_wanted(rule, self.workload.replicas, queued, in_work, self._scaling, now_s)
        if wanted != self.workload.replicas:
            self.workload.scale(wanted)

    @property
    def scaled(self) -> bool:
        """Its replicas follow its queue."""
        return self.planned.scaling is not None

    @property
    def asleep(self) -> bool:
        """It has been scaled to zero: nobody consumes its queue."""
        return self.scaled and self.workload.replicas == 0

    @property
    def settled(self) -> bool:
        """It has got as far as it will by itself, for better or worse."""
        return self.status.get("status") not in (None, "Creating", "ScalingUp")

    def count(self, main: Counts | None, dead: Counts | None) -> bool:
        """Take note of how many messages its queues hold; True when that is news."""
        if main is not None and main.processing is None:
            main = dataclasses.replace(main, processing=self._calls)
        number = dead.queued + (dead.processing or 0) if dead else 0
        if (main, number) == (self.counts, self.dead):
            return False
        self.counts, self.dead = main, number
        return True

    def calls(self, number: int) -> bool:
        """So many of its runtimes are in a call: what is in work, where the broker does not tell. True when that is news."""
        if number == self._calls:
            return False
        self._calls = number
        if self.counts is not None:
            self.counts = dataclasses.replace(self.counts, processing=number)
        return True

    @property
    def document(self) -> dict[str, Any]:
        """The AsyncActor as the API server would show it."""
        metadata = {
            **self.planned.document["metadata"],
            "uid": uid_of(self.planned.document),
            "generation": self.generation,
            "creationTimestamp": _time(self._created_at),
        }
        return {**self.planned.document, "metadata": metadata, "status": self.status}

    def world(self, trouble: Trouble | None) -> World:
        """The facts of this moment; `trouble` says why the broker cannot be used."""
        desired = self.planned.desired
        scaled_object = None
        if desired is not None and desired.scaled_object is not None:
            scaled_object = {
                **desired.scaled_object,
                "metadata": {
                    **desired.scaled_object["metadata"],
                    "uid": uid_of(desired.scaled_object),
                    "creationTimestamp": _time(self._scaled_object_at),
                },
                "status": {"conditions": [{"type": "Ready", "status": "True", "reason": "ScaledObjectReady"}]},
            }
        counts = self.counts
        queue = None
        if self.planned.conflict:
            queue = QueueFacts(reason="QueueConflict", message=self.planned.conflict)
        elif trouble:
            queue = QueueFacts(reason=trouble.reason, message=trouble.sentence)
        elif counts is not None:
            queue = QueueFacts(queued=counts.queued, processing=counts.processing, dead=self.dead)
        return World(
            actor=self.document,
            config=self._config,
            workload=self.workload.as_kubernetes(self.generation),
            pods=tuple(pod.as_kubernetes() for pod in self.workload.pods),
            scaled_object=scaled_object,
            trigger_authentication=desired.trigger_authentication if desired else None,
            queue=queue,
            memory=self._memory,
        )

    def judge(self, now: datetime, trouble: Trouble | None = None) -> bool:
        """Compute the status anew; True when the word or its reason changed."""
        world = self.world(trouble)
        before = self.status
        self.status, self.rule = status_of(world, now), explained(world, now).rule
        self._memory = remember(world, now)
        after = dataclasses.replace(world, actor={**world.actor, "status": self.status}, memory=self._memory)
        self.look_at = next_look(after, self.status, now)
        if (before.get("status"), before.get("message")) == (self.status.get("status"), self.status.get("message")):
            return False
        self.transitions.append(
            {
                "time": _time(now),
                "from": before.get("status"),
                "to": self.status.get("status"),
                "message": self.status.get("message", ""),
            }
        )
        return True

    def published(self, now_s: float) -> dict[str, Any]:
        """What other commands may know of it; the form of an entry of `actors` in state.json."""
        planned, counts = self.planned, self.counts
        return {
            "label": planned.label,
            "builtIn": planned.file is None,
            "file": str(planned.file) if planned.file else None,
            "handlerAt": f"{planned.file}:{planned.handler_line}" if planned.file and planned.handler_line else None,
            "queue": self.queue,
            "document": self.document,
            "pods": [{**pod.as_kubernetes(), "logs": str(pod.logs)} for pod in self.workload.pods],
            "queued": counts.queued if counts else None,
            "processing": counts.processing if counts else None,
            "delayed": counts.delayed if counts else None,
            "dead": self.dead,
            "processed": self.meter.processed,
            "failed": self.meter.failed,
            "retried": self.meter.retried,
            "perSecond": round(self.meter.rate(now_s), 2),
            "lastError": self.meter.last_error,
            "edges": dict(self.meter.edges),
            "rule": self.rule,
            "transitions": list(self.transitions),
            "notes": list(planned.notes),
        }


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
