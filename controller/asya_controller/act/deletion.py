"""Lets a deleted actor go: children, pods, queues, finalizer, in this order and within a bound (contract: controller, Deletion).

Called by reconcile.py instead of an ordinary pass. Every step looks at the whole present state, so a restart in between repeats nothing
that matters. Must not wait inside: it says what is awaited and is called again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asya_controller.act import finalizer
from asya_controller.act.actor_state import ActorState
from asya_controller.act.api import Api
from asya_controller.act.execute import Executor
from asya_controller.act.gather import Children
from asya_controller.act.kinds import POD
from asya_controller.act.queue_removal import QueueRemoval
from asya_controller.act.store import Kept, Name
from asya_controller.act.view import View
from asya_controller.decide.config import OperatorConfig
from asya_controller.decide.deletion import cleanup_of, drain_until, forced, given_up_at
from asya_controller.decide.events import Event
from asya_controller.decide.plan import Step
from asya_controller.decide.pods import time_of
from asya_controller.decide.queues import Place, named


@dataclass(frozen=True, slots=True)
class Going:
    """What is awaited, in words, and when to look again; `gone`: the finalizer is off."""

    awaiting: str = ""
    again_s: float | None = None
    gone: bool = False


class Deletion:
    """The steps."""

    def __init__(
        self,
        api: Api,
        view: View,
        executor: Executor,
        queues: QueueRemoval,
        config: OperatorConfig,
    ) -> None:
        self._api = api
        self._view = view
        self._executor = executor
        self._queues = queues
        self._cleanup = cleanup_of(config.cleanup_timeout)

    def go_on(
        self,
        actor: Mapping[str, Any],
        name: Name,
        children: Children,
        state: ActorState,
        now: datetime,
        tell: Callable[[Event], None],
    ) -> Going:
        """Do what can be done now.

        Raises:
            ApiError
        """
        if forced(actor):
            tell(Event("Normal", "ForceDeleted", "nothing outside Kubernetes was cleaned up"))
            return self._let_go(actor)
        for kept in (children.scaled_object, children.authentication, children.wanted, children.other):
            if kept is not None and kept.owner == str(actor["metadata"]["uid"]):
                self._remove(kept)
        deleted_at = time_of(actor["metadata"].get("deletionTimestamp")) or now
        waiting = self._pods(actor, name, deleted_at, now)
        if waiting is not None:
            state.pods_awaited = True
            return waiting
        if state.pods_gone is None:
            # Pods that this process never saw were gone before it looked: then the bound counts from the deletion, so that no number of
            # restarts makes it longer.
            state.pods_gone = (now if state.pods_awaited else deleted_at, now)
        left_s = (given_up_at(*state.pods_gone, self._cleanup) - now).total_seconds()
        awaited = [word for place in places(actor) if (word := self._queues.deal(actor, name, place, state, tell))]
        if awaited and left_s > 0:
            return Going(f"the queues are cleaned up: {awaited[0]}", left_s)
        if awaited:
            for place in places(actor):
                self._queues.give_up(place, awaited[0], state, tell)
        return self._let_go(actor)

    def _remove(self, kept: Kept) -> None:
        found = kept.read()
        if not found["metadata"].get("deletionTimestamp"):
            self._executor.run(Step("remove", found, "not wanted", uid=kept.uid), kept.owner, kept.uid)

    def _pods(self, actor: Mapping[str, Any], name: Name, deleted_at: datetime, now: datetime) -> Going | None:
        """Work in progress is settled first; only so long as pods may take to end."""
        there = [pod for pod in self._view.of_actor(POD, name) if pod.owner and not ended(pod)]
        spec = actor.get("spec")
        left = drain_until(spec if isinstance(spec, Mapping) else {}, deleted_at) - now
        if there and left.total_seconds() > 0:
            return Going("pods finish their work", left.total_seconds())
        return None

    def _let_go(self, actor: Mapping[str, Any]) -> Going:
        finalizer.remove(self._api, self._view, actor)
        return Going(gone=True)


def places(actor: Mapping[str, Any]) -> list[Place]:
    """The actor's queue, and those it has left behind; as its status names them, because spec or configuration may have changed since."""
    return named(actor.get("status") or {})


def ended(pod: Kept) -> bool:
    """Whether nothing runs in the pod any more."""
    return (pod.read().get("status") or {}).get("phase") in ("Succeeded", "Failed")
