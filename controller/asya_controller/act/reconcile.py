"""One pass: look at everything about one actor, decide, do it, say how it is (contract: controller, One pass).

Called by workers with a key, never twice at once for the same one. Everything between gather and execute is pure; this module only has the
order. May be interrupted after any write: the next pass finds what is there.
"""

import random
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import structlog

from asya_controller.act import finalizer, hearsay
from asya_controller.act.actor_state import ActorState, Held
from asya_controller.act.api import Api
from asya_controller.act.api_errors import ApiError, Busy, Conflict, NotFound
from asya_controller.act.brokers import Brokers
from asya_controller.act.deletion import Deletion
from asya_controller.act.events import EventSender
from asya_controller.act.execute import Executor, NotOurs
from asya_controller.act.gather import Children, world_of
from asya_controller.act.kinds import CONFIG_MAP
from asya_controller.act.metrics import CONTROLLER, Metrics
from asya_controller.act.queue_removal import QueueRemoval
from asya_controller.act.scripts import Scripts
from asya_controller.act.status_writer import StatusWriter
from asya_controller.act.store import Kept, Name
from asya_controller.act.view import View
from asya_controller.decide.answers import reaction
from asya_controller.decide.check import Violation, check
from asya_controller.decide.conditions import API_PATIENCE, transport_ready
from asya_controller.decide.config import OperatorConfig
from asya_controller.decide.desired import APPLIED_HASH, desired_objects
from asya_controller.decide.events import Event, annotation_events, namespace_events, transitions, work_events
from asya_controller.decide.judgement import judge
from asya_controller.decide.memory import remember
from asya_controller.decide.plan import Step, conflicts, plan, predecessors
from asya_controller.decide.world import QueueFacts, Refusal, World
from asya_schemas.actor.identity import FLUX_RECONCILE_ANNOTATION, RECONCILE_ANNOTATION, SUSPEND_ANNOTATION
from asya_schemas.names import dead_letter_queue, queue_name

log = structlog.get_logger()

SLOWLY_S = 300.0
"""When a write that the server refuses for reasons of its own is tried again."""
SURE_FOR_S = (0.8 * 6 * 3600, 1.2 * 6 * 3600)
RESYNC_S = (540.0, 660.0)
HEIRS_EVERY_S, HEIRS_FOR_S = 5.0, 60.0
CONTEST_WINDOW_S, CONTESTS, CONTEST_PAUSE_S = 600.0, 3, 60.0
FOREIGN_EVERY_S = 30.0


@dataclass(slots=True)
class End:
    """How a pass ended: when to look again, and whether that is because something failed."""

    again_s: float | None = None
    failed: bool = False
    unfinished: bool = False
    """A child was not written, and no condition says so: the status must not yet speak of this generation."""

    def sooner(self, wait_s: float | None) -> None:
        """Look again after this time at the latest."""
        if wait_s is not None:
            self.again_s = wait_s if self.again_s is None else min(self.again_s, wait_s)


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
        self._status = StatusWriter(api, view, metrics)
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
            if not state.complained:
                log.error("the server refuses the actor's own status or finalizer", actor=name, problem=error.message)
            state.complained = True
            return End(SLOWLY_S)

    # --- the order ----------------------------------------------------------------------------------------------------

    def _pass(self, name: Name, kept: Kept, state: ActorState) -> End:
        actor = kept.read()
        spec: Any = actor.get("spec")
        children = Children(self._view, name, spec if isinstance(spec, Mapping) else {})
        if actor["metadata"].get("deletionTimestamp"):
            return self._delete(name, actor, children, state)
        suspended = annotations(actor).get(SUSPEND_ANNOTATION) == "true"
        violation = check(actor, self._config)
        queue = None if violation else self._queue(name, actor, read_only=suspended)
        now_s, look_again = time.monotonic(), self._asked_anew(name, actor, state)
        signature = (kept.version, children.signature(), queue, self.keda)
        if signature == state.signature and now_s < state.look_at and not look_again:
            return End(min(state.look_at - now_s, random.uniform(*RESYNC_S)))
        if not suspended and not finalizer.present(actor):
            self._creating(actor, children, state)
            if not finalizer.add(self._api, self._view, actor):
                return End(1.0)
            # From the beginning: the answer shows the actor as it is now.
            return self._pass(name, self._view.actors.get(name) or kept, state)
        if violation is None and queue is None:
            self._creating(actor, children, state)
            return End()  # the desk wakes the actor when somebody has looked
        end = End()
        state.queue = queue
        world = self._world(actor, children, state, queue)
        if violation:
            state.held.clear()
        elif not suspended:
            waiting = self._heirs(world, state)
            if waiting is not None:
                return waiting
            self._work(name, world, state, end)
            children = Children(self._view, name, actor["spec"])
            world = self._world(actor, children, state, queue)
            self._former_queues(name, world, state)
        end.sooner(hearsay.ask(self._api, world, children, state, now(), now_s))
        world = replace(self._world(actor, children, state, queue), pass_finished=not end.unfinished)
        self._report(name, world, violation, state, end)
        self._remember(name, kept, children, queue, state, end)
        return end

    def _delete(self, name: Name, actor: dict[str, Any], children: Children, state: ActorState) -> End:
        """Instead of a pass: one that is going gets no finalizer and no children."""
        if self._brokers is not None:
            self._brokers.forget(name)
        if not finalizer.present(actor):
            return End()
        world = replace(self._world(actor, children, state, None), awaiting="children and pods are removed")
        self._write(world, state, End())
        going = self._deletion.go_on(actor, name, children, state, now(), lambda event: self._events.tell(actor, event))
        if going.gone:
            return End()
        end = End(going.again_s)
        actor = self._read(name, actor)
        self._write(replace(self._world(actor, children, state, None), awaiting=going.awaiting), state, end)
        return end

    # --- parts --------------------------------------------------------------------------------------------------------

    def _queue(self, name: Name, actor: Mapping[str, Any], *, read_only: bool) -> QueueFacts | None:
        """The facts about the queue, None when nobody has looked yet."""
        if self._brokers is None:
            return QueueFacts("NotManaged")
        transport = str(actor["spec"]["transport"])
        template = self._config.transports[transport].config.queue_name_template
        return self._brokers.facts(name, transport, queue_name(template, *name), read_only=read_only)

    def _asked_anew(self, name: Name, actor: Mapping[str, Any], state: ActorState) -> bool:
        """Whether somebody asked for a full pass; then nothing that was held back or skipped is so any more."""
        given = annotations(actor)
        asked = max(
            (str(given[key]) for key in (RECONCILE_ANNOTATION, FLUX_RECONCILE_ANNOTATION) if key in given), default=""
        )
        if asked in ("", state.asked) or asked == (actor.get("status") or {}).get("lastHandledReconcileAt"):
            return False
        state.asked = asked
        state.held.clear()
        state.sure_until = dict.fromkeys(
            ("Deployment", "StatefulSet", "ScaledObject", "TriggerAuthentication", "ServiceAccount"), 0.0
        )
        if self._brokers is not None:
            self._brokers.refresh(name)
        return True

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

    def _work(self, name: Name, world: World, state: ActorState, end: End) -> None:
        """Lead the children to what is desired; refusals are remembered, not raised."""
        desired = desired_objects(world.actor, self._config, world.queue.url if world.queue else None)
        known = replace(world, memory=remember(world, now()))
        transport = transport_ready(known, None, now())
        steps = plan(known, desired, transport, now())
        foreign = {refusal.kind: refusal for refusal in conflicts(world)}
        if script := self._script_step(name, world, steps):
            steps = (script, *steps)
        self._drop_held(state, {str(step.object["kind"]) for step in steps})
        for kind, refusal in foreign.items():
            state.held[kind] = Held(refusal, "", time.monotonic() + FOREIGN_EVERY_S)
            end.sooner(FOREIGN_EVERY_S)
        done = self._all_tried(steps, name, world, state, end)
        for event in work_events(done, world.queue, bool(world.previous.get("workloadRef"))):
            self._events.tell(world.actor, event)
        if world.queue is not None and world.queue.created and self._brokers is not None:
            self._brokers.told(name)

    def _all_tried(self, steps: tuple[Step, ...], name: Name, world: World, state: ActorState, end: End) -> list[Step]:
        """Carry out what can be; one that fails does not stop the others, but for the apply behind a handover: without it we would let go
        of a count that nobody else holds, and the API server would put its default of 1 there."""
        done: list[Step] = []
        kept: set[str] = set()
        for step in steps:
            kind = str(step.object["kind"])
            if kind in kept:
                continue
            if self._tried(step, name, world, state, end):
                done.append(step)
            elif step.verb == "handover":
                kept.add(kind)
        return done

    def _script_step(self, name: Name, world: World, steps: tuple[Step, ...]) -> Step | None:
        """The ConfigMap that pods mount, where it is missing; it comes first. With a new script a missing one is no loss."""
        if self.scripts.there(name[0]) or not (
            world.workload is not None or any(step.verb == "create" for step in steps)
        ):
            return None
        renewed = any(step.why == "changed" for step in steps)
        what = {"kind": CONFIG_MAP.name, "metadata": {"name": self.scripts.name}}
        return Step("create", what, "changed" if renewed else "missing")

    @staticmethod
    def _drop_held(state: ActorState, tried: set[str]) -> None:
        """A refusal is over when nothing of that kind is to be written any more; a contest when it has been quiet for its window."""
        for kind, held in list(state.held.items()):
            contested = held.refusal.reason == "Contested"
            times = state.drifts.get(kind)
            quiet = not times or time.monotonic() - times[-1] > CONTEST_WINDOW_S
            if kind not in tried and (quiet or not contested):
                del state.held[kind]

    def _tried(self, step: Step, name: Name, world: World, state: ActorState, end: End) -> bool:
        """Carry out a step unless it is held back; whether it was done."""
        kind, now_s = str(step.object["kind"]), time.monotonic()
        wanted = f"{step.verb} {annotations(step.object).get(APPLIED_HASH)}"
        held = state.held.get(kind)
        if held is not None and held.wanted == wanted and (held.again_at is None or now_s < held.again_at):
            end.sooner(None if held.again_at is None else held.again_at - now_s)
            return False
        if step.why == "drifted" and not self._may_restore(step, state, end):
            return False
        try:
            if kind == CONFIG_MAP.name:
                self.scripts.ensure(name[0])
            else:
                uid = str(world.metadata["uid"])
                self._note(kind, self._executor.run(step, uid, live_uid(world, kind)), state)
        except NotOurs as error:
            state.held[kind] = Held(
                Refusal(kind, str(error.live["metadata"]["name"]), "NameConflict", error.message),
                wanted,
                now_s + FOREIGN_EVERY_S,
            )
            end.sooner(FOREIGN_EVERY_S)
        except ApiError as error:
            self._refused(step, kind, wanted, error, state, end)
        else:
            if not (step.why == "drifted" and len(state.drifts.get(kind, ())) > CONTESTS):
                state.held.pop(kind, None)
            return True
        return False

    def _refused(self, step: Step, kind: str, wanted: str, error: ApiError, state: ActorState, end: End) -> None:
        """What an answer means for this child; the others go on."""
        held = state.held.get(kind)
        since = held.refusal.since if held is not None and held.refusal.since is not None else now()
        found = reaction(kind, str(step.object["metadata"]["name"]), error.code, error.message, error.headers, since)
        shown = found.refusal is not None and (found.refusal.since is None or now() - since >= API_PATIENCE)
        end.unfinished = end.unfinished or not shown
        if found.kind == "wait":
            end.sooner(error.retry_after_s or 1.0)
        elif found.kind == "reread":
            end.sooner(1.0)
        else:
            assert found.refusal is not None, "a refusal has one"
            transient = found.refusal.reason == "ApiError"
            again = found.again.total_seconds() if found.again else None
            # What only back-off mends is tried by every pass; what nothing mends by none.
            again_at = time.monotonic() + (0.0 if transient else again or float("inf"))
            state.held[kind] = Held(found.refusal, wanted, again_at if again or transient else None)
            end.sooner(again)
            end.failed = end.failed or transient
            if not transient and again is None:
                self._metrics.terminal.labels(CONTROLLER).inc()

    def _may_restore(self, step: Step, state: ActorState, end: End) -> bool:
        """Whether a changed field is taken back now: in a contest once a minute is enough (contract: controller, Applying)."""
        kind, now_s = str(step.object["kind"]), time.monotonic()
        times = state.drifts.setdefault(kind, deque(maxlen=16))
        while times and now_s - times[0] > CONTEST_WINDOW_S:
            times.popleft()
        if len(times) >= CONTESTS and times and now_s - times[-1] < CONTEST_PAUSE_S and kind in state.held:
            end.sooner(times[-1] + CONTEST_PAUSE_S - now_s)
            return False
        times.append(now_s)
        if len(times) > CONTESTS:
            message = f"{kind} '{step.object['metadata']['name']}': somebody else keeps changing fields of ours"
            state.held[kind] = Held(Refusal(kind, str(step.object["metadata"]["name"]), "Contested", message), "", None)
            end.sooner(CONTEST_WINDOW_S)
        return True

    def _note(self, kind: str, kept: Kept | None, state: ActorState) -> None:
        """Remember an object as we have left it."""
        state.sure_until[kind] = time.monotonic() + random.uniform(*SURE_FOR_S)
        if kept is not None and kept.fields.applied is not None:
            state.left[kind] = kept.fields.applied
        else:
            state.left.pop(kind, None)

    def _former_queues(self, name: Name, world: World, state: ActorState) -> None:
        """After the rollout, deal with queues that a change of transport or template has left behind."""
        left = [(str(item["transport"]), str(item["queue"])) for item in world.previous.get("previousQueues") or ()]
        state.removing = bool(left)
        if not left or world.workload is None:
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

    # --- status -------------------------------------------------------------------------------------------------------

    def _report(self, name: Name, world: World, violation: Violation | None, state: ActorState, end: End) -> None:
        before = world.previous
        status = self._write(world, state, end)
        first = before.get("observedGeneration", -1) <= 0
        for event in (*transitions(before, status), *(self._first_events(name, world, violation) if first else ())):
            self._events.tell(world.actor, event)
        queue = world.queue or QueueFacts()
        messages = {"queued": queue.queued, "processing": queue.processing, "dead": queue.dead}
        self._metrics.show(name, status, messages)

    def _first_events(self, name: Name, world: World, violation: Violation | None) -> Iterator[Event]:
        """What is told once in an actor's life."""
        yield from annotation_events(annotations(world.actor))
        if violation is None:
            ends = (self._config.end_actors.sink, self._config.end_actors.sump)
            there = [end for end in ends if self._view.actors.get((name[0], end)) is not None]
            yield from namespace_events(there, self._config.end_actors)

    def _write(self, world: World, state: ActorState, end: End) -> Mapping[str, Any]:
        """Judge and write; the status as it is now, written or not."""
        judged = judge(world, now())
        state.memory = judged.memory
        if judged.next_look is not None:
            end.sooner((judged.next_look - now()).total_seconds() + 0.01)
        written = self._status.write(world.actor, judged.status, state, time.monotonic())
        end.sooner(written.wait_s)
        # Once the status does not name a former queue any more, it may become a former one again.
        state.dealt_with &= {(item["transport"], item["queue"]) for item in judged.status.get("previousQueues") or ()}
        return judged.status

    # --- memory -------------------------------------------------------------------------------------------------------

    def _world(
        self, actor: Mapping[str, Any], children: Children, state: ActorState, queue: QueueFacts | None
    ) -> World:
        return world_of(actor, children, self._config, state, queue, keda=self.keda, now_s=time.monotonic())

    def _read(self, name: Name, actor: dict[str, Any]) -> dict[str, Any]:
        """The actor after a write of ours."""
        kept = self._view.actors.get(name)
        return kept.read() if kept is not None else actor

    def _remember(
        self, name: Name, seen: Kept, children: Children, queue: QueueFacts | None, state: ActorState, end: End
    ) -> None:
        """So that the same facts cause no second look before a time mark."""
        kept = self._view.actors.get(name)
        now_s = time.monotonic()
        for kind, _ in children.kept():
            state.sure_until.setdefault(kind.name, now_s + random.uniform(*SURE_FOR_S))
        end.sooner(min((until - now_s for until in state.sure_until.values()), default=None))
        # Our own write may have brought a change of somebody else along, which this pass has not looked at.
        # A former queue's fate is told by a wake-up alone: no fact that is looked at here changes with it.
        known = kept is not None and kept.news == seen.news and not end.failed and not state.removing
        state.signature = (kept.version, children.signature(), queue, self.keda) if kept is not None and known else ()
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


def annotations(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """The annotations of an object."""
    found: Mapping[str, Any] = (item.get("metadata") or {}).get("annotations") or {}
    return found


def live_uid(world: World, kind: str) -> str | None:
    """uid of the live child of this kind."""
    children = (
        world.workload,
        world.other_workload,
        world.service_account,
        world.trigger_authentication,
        world.scaled_object,
    )
    return next(
        (str(item["metadata"]["uid"]) for item in children if item is not None and item.get("kind") == kind), None
    )


def now() -> datetime:
    """The time of the wall."""
    return datetime.now(UTC)
