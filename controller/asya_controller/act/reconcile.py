"""One pass: look at everything about one actor, decide, do it, say how it is (contract: controller, One pass).

Called by workers with a key, never twice at once for the same one. Everything between gather and execute is pure; this module only has the
order. May be interrupted after any write: the next pass finds what is there. A little long, so that the whole order stands in one place.
"""

import random
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog

from asya_controller.act import finalizer, hearsay, rendering
from asya_controller.act.actor_state import ActorState, Place, Seen
from asya_controller.act.api import Api
from asya_controller.act.api_errors import ApiError, Busy, Conflict, NotFound
from asya_controller.act.brokers import Brokers
from asya_controller.act.deletion import Deletion
from asya_controller.act.events import EventSender
from asya_controller.act.execute import Executor
from asya_controller.act.gather import Children, overtaken, remembered, wanted_kind, world_of
from asya_controller.act.metrics import Metrics
from asya_controller.act.queue_removal import QueueRemoval
from asya_controller.act.report import Reporter
from asya_controller.act.scripts import Scripts
from asya_controller.act.status_writer import StatusWriter
from asya_controller.act.steps import SURE_FOR_S, End, Steps, now
from asya_controller.act.store import Kept, Name
from asya_controller.act.view import View
from asya_controller.decide.conditions import transport_ready
from asya_controller.decide.config import OperatorConfig
from asya_controller.decide.deletion import annotations
from asya_controller.decide.events import work_events
from asya_controller.decide.judgement import judge
from asya_controller.decide.memory import remember
from asya_controller.decide.plan import Step, conflicts, plan, predecessors
from asya_controller.decide.queues import draining, forgotten, named, naming
from asya_controller.decide.world import QueueFacts, World
from asya_schemas.actor.identity import (
    FLUX_RECONCILE_ANNOTATION,
    RECONCILE_ANNOTATION,
    SUSPEND_ANNOTATION,
)
from asya_schemas.names import dead_letter_queue, queue_name

log = structlog.get_logger()

ONCE_MORE_S, SLOWLY_S = 5.0, 300.0
"""When a write that the server refuses for reasons of its own is tried again: soon, since a server that has just got another definition
may refuse for a moment what it takes afterwards, and then slowly.
"""
RESYNC_S = (540.0, 660.0)
HEIRS_EVERY_S, HEIRS_FOR_S = 5.0, 60.0


class Reconciler:
    """Passes, and what is remembered between them."""

    def __init__(
        self,
        api: Api,
        view: View,
        config: OperatorConfig,
        brokers: Brokers | None,
        events: EventSender,
        metrics: Metrics,
        script: str,
    ) -> None:
        self.scripts = Scripts(api, view, script)
        self.keda = False
        """Whether KEDA's API is served; set by whoever watches for it."""
        self._api = api
        self._view = view
        self._config = config.model_copy(update={"runtime_config_map": self.scripts.name})
        self._brokers = brokers
        self._events = events
        self._metrics = metrics
        self._executor = Executor(api, view, metrics)
        self._steps = Steps(self._executor, self.scripts, metrics)
        self._status = StatusWriter(api, view, metrics)
        self._reporter = Reporter(self._config, view, self._status, events, metrics)
        self._queues = QueueRemoval(self._config, brokers, metrics)
        self._deletion = Deletion(api, view, self._executor, self._queues, self._config)
        self._states: dict[Name, ActorState] = {}

    def run(self, name: Name) -> End:
        """One pass.

        Raises:
            ApiError: a write of our own status or finalizer failed, or Events could not be read; the pass is repeated.
        """
        kept = self._view.actors.get(name)
        if kept is None:
            self._forget(name)
            return End()
        state = self._states.get(name)
        if state is None or state.uid != kept.uid:
            state = self._states[name] = ActorState(kept.uid)
        try:
            return self._pass(name, kept, state)
        except Busy as busy:
            return End(busy.retry_after_s or 1.0)
        except (Conflict, NotFound):
            return End(1.0)  # another version, another object or none any more: what is there is read again
        except ApiError as error:
            if error.code not in (400, 403, 422):
                raise
            if state.complained:
                return End(SLOWLY_S)
            log.error("the server refuses the actor's own status or finalizer", actor=name, problem=error.message)
            state.complained = True
            return End(ONCE_MORE_S)

    # --- the order ----------------------------------------------------------------------------------------------------

    def _pass(self, name: Name, kept: Kept, state: ActorState) -> End:
        nothing = self._nothing_new(name, kept, state)
        if nothing is not None:
            return nothing
        actor = kept.read()
        kind = wanted_kind(actor.get("spec"))
        children = Children(self._view, name, kind)
        violation = rendering.violation(actor, self._config, state)
        if actor["metadata"].get("deletionTimestamp"):
            return self._delete(name, actor, children, state)
        suspended = annotations(actor).get(SUSPEND_ANNOTATION) == "true"
        place = None if violation else self._place(name, actor, read_only=suspended)
        now_s, keda, script = time.monotonic(), self.keda, self.scripts.there(name[0])
        self._asked_anew(name, actor, state)
        if not suspended and not finalizer.present(actor):
            self._creating(actor, children, state)
            if not finalizer.add(self._api, self._view, actor):
                return End(1.0)
            # From the beginning: the answer shows the actor as it is now.
            return self._pass(name, self._view.actors.get(name) or kept, state)
        if place is not None and not suspended and self._brokers is not None:
            actor = self._announced(name, actor, place, state)
        queue = self._queue(name, place)
        if violation is None and queue is None:
            self._creating(actor, children, state)
            # The desk wakes the actor when somebody has looked; until then the echo of our own writes is no news.
            known, state.look_at = self._view.actors.get(name), float("inf")
            facts = (children.signature(), None, keda, script)
            same = known is not None and known.news == kept.news
            state.seen = Seen(known.version, kind, place, facts) if known is not None and same else None
            return End()
        end = End()
        world = self._world(actor, children, state, queue)
        if violation:
            state.held.clear()
        elif not suspended:
            waiting = self._heirs(world, state)
            if waiting is not None:
                return waiting
            if self._work(name, world, state, end):
                planned, children = children, Children(self._view, name, kind)
                end.overtaken = overtaken(planned, children, end.left)
                world = self._world(actor, children, state, queue)
            if place is not None:
                self._former_queues(name, world, place[:2], state, end)
        end.sooner(hearsay.ask(self._api, world, children, state, now(), now_s))
        world = replace(remembered(world, state, now_s), pass_finished=not end.unfinished)
        self._reporter.report(name, world, violation, state, end)
        told = replace(queue, created=False) if queue is not None else None
        seen = Seen(kept.version, kind, place, (children.signature(), told, keda, script))
        self._remember(name, kept, seen, world, state, end)
        return end

    def _nothing_new(self, name: Name, kept: Kept, state: ActorState) -> End | None:
        """The end of a pass that would see what the last one has seen, before its time; None when there is something to look at. Reads
        nothing of the actor: a resync of many idle ones has to cost next to nothing.
        """
        seen, now_s = state.seen, time.monotonic()
        if seen is None or seen.version != kept.version or now_s >= state.look_at:
            return None
        children = Children(self._view, name, seen.kind)
        queue = self._queue(name, seen.place)
        script = self.scripts.there(name[0])
        if (children.signature(), queue, self.keda, script) != seen.facts:
            return None
        if not script and children.workload is not None:
            return None  # it may have been made by the last pass, and be lost again
        return End(min(state.look_at - now_s, random.uniform(*RESYNC_S)))

    def _delete(self, name: Name, actor: dict[str, Any], children: Children, state: ActorState) -> End:
        """Instead of a pass: one that is going gets no finalizer and no children."""
        if self._brokers is not None:
            self._brokers.forget(name)
        if not finalizer.present(actor):
            return End()
        children.going(self._view, name)
        if (actor.get("status") or {}).get("status") != "Terminating":
            world = replace(self._world(actor, children, state, None), awaiting="children and pods are removed")
            self._reporter.write(world, state, End())
        going = self._deletion.go_on(actor, name, children, state, now(), lambda event: self._events.tell(actor, event))
        if going.gone:
            return End()
        end = End(going.again_s)
        actor = self._read(name, actor)
        self._reporter.write(replace(self._world(actor, children, state, None), awaiting=going.awaiting), state, end)
        return end

    # --- parts --------------------------------------------------------------------------------------------------------

    def _place(self, name: Name, actor: Mapping[str, Any], *, read_only: bool) -> Place:
        """Where the actor's queue is. While it is suspended its pods stay with the queue they have."""
        for known, queue in named(actor.get("status") or {})[-1:] if read_only else ():
            if (found := self._config.transport(known)) is not None and found.enabled:
                return known, queue, True
        transport = str(actor["spec"]["transport"])
        template = self._config.transports[transport].config.queue_name_template
        return transport, queue_name(template, *name), read_only

    def _queue(self, name: Name, place: Place | None) -> QueueFacts | None:
        """The facts about the queue, None when nobody has looked yet, or when the spec does not say where it is."""
        if place is None:
            return None
        if self._brokers is None:
            return QueueFacts("NotManaged")
        transport, queue, read_only = place
        return self._brokers.facts(name, transport, queue, read_only=read_only)

    def _announced(self, name: Name, actor: dict[str, Any], place: Place, state: ActorState) -> dict[str, Any]:
        """A queue is named in status before it is made: whatever happens in between, whoever comes next knows of it. The actor then."""
        before = actor.get("status") or {}
        status = naming(before, place[:2])
        if status is None:
            return actor
        self._status.write(actor, status, state, time.monotonic())
        for event in forgotten(before, status):
            self._events.tell(actor, event)
        return self._read(name, actor)

    def _asked_anew(self, name: Name, actor: Mapping[str, Any], state: ActorState) -> None:
        """When somebody asked for a full pass, nothing that was held back or skipped is so any more."""
        given = annotations(actor)
        asked = max(
            (str(given[key]) for key in (RECONCILE_ANNOTATION, FLUX_RECONCILE_ANNOTATION) if key in given), default=""
        )
        if asked in ("", state.asked) or asked == (actor.get("status") or {}).get("lastHandledReconcileAt"):
            return
        state.asked = asked
        state.held.clear()
        state.sure_until = dict.fromkeys(
            ("Deployment", "StatefulSet", "ScaledObject", "TriggerAuthentication", "ServiceAccount"), 0.0
        )
        if self._brokers is not None:
            self._brokers.refresh(name)

    def _creating(self, actor: Mapping[str, Any], children: Children, state: ActorState) -> None:
        """The status of the first pass, while it is under way."""
        before = actor.get("status") or {}
        if before.get("observedGeneration", -1) <= 0 and before.get("status") != "Creating":
            world = replace(self._world(actor, children, state, None), pass_finished=False)
            self._status.write(actor, judge(world, now()).status, state, time.monotonic())

    def _heirs(self, world: World, state: ActorState) -> End | None:
        """Children of an earlier actor of this name are garbage: waited for, and after a minute removed by us."""
        left = predecessors(world)
        if not left:
            state.heirs_since = None
            return None
        now_s = time.monotonic()
        state.heirs_since = state.heirs_since or now_s
        if now_s - state.heirs_since >= HEIRS_FOR_S:
            for item in left:
                owner = next(o for o in item["metadata"]["ownerReferences"] if o.get("controller"))
                step = Step("remove", item, "not wanted", uid=str(item["metadata"]["uid"]))
                self._executor.run(step, str(owner["uid"]), None)
        return End(HEIRS_EVERY_S)

    def _work(self, name: Name, world: World, state: ActorState, end: End) -> bool:
        """Lead the children to what is desired; whether there was anything to do. Refusals are remembered, not raised."""
        desired = rendering.desired(world, state)
        known = replace(world, memory=remember(world, now()))
        steps = plan(known, desired, transport_ready(known, None, now()), now())
        done = self._steps.run(steps, conflicts(world), name, world, state, end)
        for event in work_events(done, world.queue, bool(world.previous.get("workloadRef"))):
            self._events.tell(world.actor, event)
        if world.queue is not None and world.queue.created and self._brokers is not None:
            self._brokers.told(name)
        return bool(steps)

    def _former_queues(self, name: Name, world: World, current: tuple[str, str], state: ActorState, end: End) -> None:
        """After the rollout, and when its pods have gone, deal with queues that a change of transport or template has left behind. What
        could not be applied has not rolled out, whatever the pods look like.
        """
        for queue in (current[1], dead_letter_queue(current[1])):
            state.removals.pop((current[0], queue), None)  # half done when it became the present one again
        left = [item for item in named(world.previous) if item != current and item not in state.dealt_with]
        state.removing = bool(left)
        if not left or world.workload is None or end.unfinished or state.held or draining(world, now()):
            return
        found = judge(world, now()).status
        if found["status"] not in ("Running", "Napping") or any(
            c["reason"] == "RolloutInProgress" for c in found["conditions"]
        ):
            return
        for place in left:
            if (
                self._queues.deal(world.actor, name, place, state, lambda event: self._events.tell(world.actor, event))
                is None
            ):
                state.dealt_with.add(place)
                for queue in (place[1], dead_letter_queue(place[1])):
                    state.removals.pop((place[0], queue), None)

    # --- memory -------------------------------------------------------------------------------------------------------

    def _world(
        self, actor: Mapping[str, Any], children: Children, state: ActorState, queue: QueueFacts | None
    ) -> World:
        return world_of(actor, children, self._config, state, queue, keda=self.keda, now_s=time.monotonic())

    def _read(self, name: Name, actor: dict[str, Any]) -> dict[str, Any]:
        """The actor after a write of ours."""
        kept = self._view.actors.get(name)
        return kept.read() if kept is not None else actor

    def _remember(self, name: Name, before: Kept, seen: Seen, world: World, state: ActorState, end: End) -> None:
        """So that the same facts cause no second look before a time mark. What came while this pass was at work was not looked at: it must
        not be remembered as seen, or the pass that it has asked for would find nothing new.
        """
        kept = self._view.actors.get(name)
        now_s = time.monotonic()
        for kind in world.fields:
            state.sure_until.setdefault(kind, now_s + random.uniform(*SURE_FOR_S))
        # What is due and was not applied waits for news or its refusal's time: there may be no such child, or its actor is suspended.
        end.sooner(min((until - now_s for until in state.sure_until.values() if until > now_s), default=None))
        # A former queue's fate is told by a wake-up alone: no fact that is looked at here changes with it.
        open_ends = end.failed or end.unfinished or end.overtaken or state.removing
        known = kept is not None and kept.news == before.news and not open_ends
        state.seen = replace(seen, version=kept.version) if kept is not None and known else None
        state.look_at = now_s + (end.again_s if end.again_s is not None else float("inf"))
        end.sooner(random.uniform(*RESYNC_S))

    def _forget(self, name: Name) -> None:
        """The actor is gone."""
        state = self._states.pop(name, None)
        if state is not None:
            self._events.forget(state.uid)
            self.scripts.release(name[0])
        if self._brokers is not None:
            self._brokers.forget(name)
        self._metrics.hide(name)
