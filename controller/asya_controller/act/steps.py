"""Carries a plan out, step by step, and remembers what was refused, so that nothing is tried again in vain.

Called by a pass after `decide.plan`. A step that fails does not stop the others; what it means for the actor is decided by
`decide.answers`. Must not choose what is written.
"""

import random
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from asya_controller.act.actor_state import ActorState, Held
from asya_controller.act.api_errors import ApiError
from asya_controller.act.execute import Executor, HalfDone, NotOurs
from asya_controller.act.kinds import CONFIG_MAP
from asya_controller.act.metrics import CONTROLLER, Metrics
from asya_controller.act.scripts import Scripts
from asya_controller.act.store import Kept, Name
from asya_controller.decide.answers import reaction
from asya_controller.decide.conditions import API_PATIENCE
from asya_controller.decide.deletion import annotations
from asya_controller.decide.desired import APPLIED_HASH
from asya_controller.decide.plan import Step
from asya_controller.decide.world import Refusal, World

SURE_FOR_S = (0.8 * 6 * 3600, 1.2 * 6 * 3600)
"""How long an object is believed to be as we left it, without another apply."""
CONTEST_WINDOW_S, CONTESTS, CONTEST_PAUSE_S = 600.0, 3, 60.0
FOREIGN_EVERY_S = 30.0
"""How often an object of somebody else is looked at again."""


@dataclass(slots=True)
class End:
    """How a pass ended: when to look again, and whether that is because something failed. `unfinished`: something is still to be written
    that no condition tells of yet, so the status must not speak of this generation. `overtaken`: others changed meanwhile what was planned
    from. `left`: kind -> an object as this pass left it.
    """

    again_s: float | None = None
    failed: bool = False
    unfinished: bool = False
    overtaken: bool = False
    left: dict[str, Kept] = field(default_factory=dict)

    def sooner(self, wait_s: float | None) -> None:
        """Look again after this time at the latest."""
        if wait_s is not None:
            self.again_s = wait_s if self.again_s is None else min(self.again_s, wait_s)


class Steps:
    """Writes children through an executor."""

    def __init__(self, executor: Executor, scripts: Scripts, metrics: Metrics) -> None:
        self._executor = executor
        self._scripts = scripts
        self._metrics = metrics

    def run(
        self, steps: tuple[Step, ...], foreign: Iterable[Refusal], name: Name, world: World, state: ActorState, end: End
    ) -> list[Step]:
        """Carry out what is not held back; the steps that were done. `foreign` are children of somebody else."""
        if script := self._script_step(name, world, steps):
            steps = (script, *steps)
        self._drop_held(state, {str(step.object["kind"]) for step in steps})
        for refusal in foreign:
            state.held[refusal.kind] = Held(refusal, "", time.monotonic() + FOREIGN_EVERY_S)
            end.sooner(FOREIGN_EVERY_S)
        return self._all_tried(steps, name, world, state, end)

    def _all_tried(self, steps: tuple[Step, ...], name: Name, world: World, state: ActorState, end: End) -> list[Step]:
        """Carry out what can be; one that fails does not stop the others, but for the apply behind a handover: without it we would let go
        of a count that nobody else holds, and the API server would put its default of 1 there.
        """
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
        if self._scripts.there(name[0]) or not (
            world.workload is not None or any(step.verb == "create" for step in steps)
        ):
            return None
        renewed = any(step.why == "changed" for step in steps)
        what = {"kind": CONFIG_MAP.name, "metadata": {"name": self._scripts.name}}
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
                self._scripts.ensure(name[0])
            else:
                uid = str(world.metadata["uid"])
                self._note(kind, self._executor.run(step, uid, live_uid(world, kind)), state, end)
        except NotOurs as error:
            state.held[kind] = Held(
                Refusal(kind, str(error.live["metadata"]["name"]), "NameConflict", error.message),
                wanted,
                now_s + FOREIGN_EVERY_S,
            )
            end.sooner(FOREIGN_EVERY_S)
        except ApiError as error:
            self._refused(step, kind, wanted, error, state, end)
            return isinstance(error, HalfDone)
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
        if found.kind == "wait":
            end.sooner(error.retry_after_s or 1.0)
            end.unfinished = True
        elif found.kind == "reread":
            end.sooner(1.0)
            end.unfinished = True
        else:
            assert found.refusal is not None, "a refusal has one"
            transient = found.refusal.reason == "ApiError"
            again = found.again.total_seconds() if found.again else None
            # What only back-off mends is tried by every pass; what nothing mends by none.
            again_at = time.monotonic() + (0.0 if transient else again or float("inf"))
            state.held[kind] = Held(found.refusal, wanted, again_at if again or transient else None)
            end.sooner(again)
            end.failed = end.failed or transient
            end.unfinished = end.unfinished or (transient and now() - since < API_PATIENCE)
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

    @staticmethod
    def _note(kind: str, kept: Kept | None, state: ActorState, end: End) -> None:
        """Remember an object as we have left it."""
        if kept is not None:
            end.left[kind] = kept
        state.sure_until[kind] = time.monotonic() + random.uniform(*SURE_FOR_S)
        if kept is not None and kept.fields.applied is not None:
            state.left[kind] = kept.fields.applied
        else:
            state.left.pop(kind, None)


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
