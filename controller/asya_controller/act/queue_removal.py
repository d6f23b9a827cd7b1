"""Deals with queues nobody needs any more: those of a deleted actor, and those left behind by a change of transport or template.

Called by passes. Obeys the deletion policy; must not touch a queue that another actor has, or whose owner's mark is not ours.
"""

from collections.abc import Callable, Mapping
from typing import Any

from asya_controller.act.actor_state import ActorState
from asya_controller.act.brokers import Brokers
from asya_controller.act.metrics import Metrics
from asya_controller.act.store import Name
from asya_controller.decide.config import OperatorConfig
from asya_controller.decide.deletion import leaked_event, policy_of, removal_event
from asya_controller.decide.events import Event
from asya_controller.decide.queues import Place
from asya_schemas.names import dead_letter_queue

Tell = Callable[[Event], None]


class QueueRemoval:
    """Removes through the desks of `brokers`; None where queues are not managed at all."""

    def __init__(self, config: OperatorConfig, brokers: Brokers | None, metrics: Metrics) -> None:
        self._config = config
        self._brokers = brokers
        self._metrics = metrics

    def deal(self, actor: Mapping[str, Any], name: Name, place: Place, state: ActorState, tell: Tell) -> str | None:
        """Deal with a main queue and its dead-letter queue: None when done, else what is awaited, in words."""
        transport, main = place
        found = self._config.transport(transport)
        if self._brokers is None:
            return None
        if found is None or not self._brokers.can_remove(transport):
            self._leaked(place, f"transport '{transport}' is not configured", state, tell)
            return None
        policy = policy_of(actor, found)
        awaited = None
        for queue in (main, dead_letter_queue(main)):
            if (transport, queue) in state.removals:
                continue
            if policy == "Retain":
                self._note((transport, queue), "retained", 0, policy, state, tell)
            elif not self._brokers.ours(name, transport, main):
                self._note((transport, queue), "foreign", 0, policy, state, tell)
            else:
                removal = self._brokers.remove(name, transport, queue, only_empty=policy == "DeleteIfEmpty")
                if removal.result is None:
                    awaited = removal.trouble or f"queue '{queue}' is looked at"
                    continue
                self._brokers.settled(transport, queue)
                self._note((transport, queue), removal.result, removal.messages, policy, state, tell)
        return awaited

    def give_up(self, place: Place, why: str, state: ActorState, tell: Tell) -> None:
        """The time for the broker to answer is over: the queues stay, and are named."""
        if self._brokers is not None:
            self._leaked(place, why, state, tell)

    def _leaked(self, place: Place, why: str, state: ActorState, tell: Tell) -> None:
        transport, main = place
        for queue in (main, dead_letter_queue(main)):
            if (transport, queue) in state.removals:
                continue
            state.removals[transport, queue] = "leaked"
            if self._brokers is not None and self._brokers.can_remove(transport):
                self._brokers.settled(transport, queue)
            self._metrics.cleanups.labels(transport, "leaked").inc()
            tell(leaked_event(queue, why))

    def _note(self, place: Place, result: str, messages: int, policy: Any, state: ActorState, tell: Tell) -> None:
        state.removals[place] = result
        if result != "missing":
            self._metrics.cleanups.labels(place[0], "deleted" if result == "deleted" else "retained").inc()
        event = removal_event(place[1], result, messages, policy)
        if event is not None:
            tell(event)
