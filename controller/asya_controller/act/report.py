"""Says how an actor is: its status, the Events of what has changed, its metrics.

Called at the end of a pass with everything it has seen. Must not decide: `decide.judgement` and `decide.events` do.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from asya_controller.act.actor_state import ActorState
from asya_controller.act.events import EventSender
from asya_controller.act.metrics import Metrics
from asya_controller.act.status_writer import StatusWriter
from asya_controller.act.steps import End, now
from asya_controller.act.store import Name
from asya_controller.act.view import View
from asya_controller.decide.check import Violation
from asya_controller.decide.config import OperatorConfig
from asya_controller.decide.deletion import annotations
from asya_controller.decide.events import Event, annotation_events, namespace_events, transitions
from asya_controller.decide.judgement import judge
from asya_controller.decide.queues import forgotten, former
from asya_controller.decide.world import QueueFacts, World
from asya_schemas.actor.identity import DELETION_POLICY_ANNOTATION


class Reporter:
    """Writes and tells."""

    def __init__(
        self, config: OperatorConfig, view: View, status: StatusWriter, events: EventSender, metrics: Metrics
    ) -> None:
        self._config = config
        self._view = view
        self._status = status
        self._events = events
        self._metrics = metrics

    def report(self, name: Name, world: World, violation: Violation | None, state: ActorState, end: End) -> None:
        """The end of a pass.

        Raises:
            ApiError
        """
        before, dealt_with = world.previous, set(state.dealt_with)
        status = self.write(world, state, end)
        first = before.get("observedGeneration", -1) <= 0
        events = (*transitions(before, status), *self._policy_events(world, state, first))
        for event in (
            *events,
            *forgotten(before, status, dealt_with),
            *(self._first_events(name, violation) if first else ()),
        ):
            self._events.tell(world.actor, event)
        queue = world.queue or QueueFacts()
        messages = {"queued": queue.queued, "processing": queue.processing, "dead": queue.dead}
        self._metrics.show(name, status, messages)

    @staticmethod
    def _policy_events(world: World, state: ActorState, first: bool) -> tuple[Event, ...]:
        """What is told when the deletion policy changes; after a restart it counts as told."""
        policy = annotations(world.actor).get(DELETION_POLICY_ANNOTATION)
        before, state.policy = state.policy, policy
        return annotation_events(annotations(world.actor)) if first or before not in ("", policy) else ()

    def _first_events(self, name: Name, violation: Violation | None) -> Iterator[Event]:
        """What is told once in an actor's life."""
        if violation is None:
            ends = (self._config.end_actors.sink, self._config.end_actors.sump)
            there = [end for end in ends if self._view.actors.get((name[0], end)) is not None]
            yield from namespace_events(there, self._config.end_actors)

    def write(self, world: World, state: ActorState, end: End) -> Mapping[str, Any]:
        """Judge and write; the status as it is now, written or not."""
        judged = judge(world, now())
        state.memory = judged.memory
        if judged.next_look is not None:
            end.sooner((judged.next_look - now()).total_seconds() + 0.01)
        written = self._status.write(world.actor, judged.status, state, time.monotonic())
        end.sooner(written.wait_s)
        # Once the status does not name a former queue any more, it may become a former one again.
        state.dealt_with &= set(former(judged.status))
        return judged.status
