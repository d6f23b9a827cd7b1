"""Writes the status of an actor: one server-side apply, when something differs and its time has come.

Called at the end of a pass. Must not compute anything: the status comes from `decide`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asya_controller.act.actor_state import ActorState
from asya_controller.act.api import STATUS, Api
from asya_controller.act.kinds import ACTOR
from asya_controller.act.metrics import Metrics
from asya_controller.act.view import View
from asya_controller.decide.rates import write_in
from asya_controller.decide.status import OURS


@dataclass(frozen=True, slots=True)
class Written:
    """`done`: it was written; `wait_s`: it may be written after this time; neither: nothing differs."""

    done: bool = False
    wait_s: float | None = None


class StatusWriter:
    """Knows the API server."""

    def __init__(self, api: Api, view: View, metrics: Metrics) -> None:
        self._api = api
        self._view = view
        self._metrics = metrics

    def write(self, actor: Mapping[str, Any], status: Mapping[str, Any], state: ActorState, now_s: float) -> Written:
        """Write `status` over the one in `actor`, if it differs and may be written now.

        Raises:
            ApiError: Conflict when the object is another one by now.
        """
        before = actor.get("status") or {}
        wait = write_in(before, status, now_s - state.written_at)
        if wait is None:
            return Written()
        if wait > 0:
            return Written(wait_s=wait)
        meta = actor["metadata"]
        # Conditions of others are not ours to send: applying them would make us their owner.
        ours = [entry for entry in status.get("conditions") or () if entry["type"] in OURS]
        body = {
            "apiVersion": ACTOR.api_version,
            "kind": ACTOR.name,
            "metadata": {"name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]},
            "status": {**status, "conditions": ours},
        }
        self._view.wrote(ACTOR, self._api.apply(body, ACTOR, STATUS, subresource="status"))
        self._metrics.status_writes.inc()
        state.written_at = now_s
        return Written(done=True)
