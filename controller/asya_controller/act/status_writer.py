"""Writes the status of an actor: one server-side apply, when something differs and its time has come.

Called at the end of a pass. Must not compute anything: the status comes from `decide`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from asya_controller.act.actor_state import ActorState
from asya_controller.act.api import STATUS, Api, Json
from asya_controller.act.api_errors import Untyped
from asya_controller.act.kinds import ACTOR
from asya_controller.act.metrics import Metrics
from asya_controller.act.view import View
from asya_controller.decide.rates import write_in
from asya_controller.decide.status import OURS

log = structlog.get_logger()


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
        self._undefined: frozenset[str] = frozenset()
        """Fields of status that the installed definition lacks."""

    def write(self, actor: Mapping[str, Any], status: Mapping[str, Any], state: ActorState, now_s: float) -> Written:
        """Write `status` over the one in `actor`, if it differs and may be written now.

        Raises:
            ApiError: Conflict when the object is another one by now.
        """
        before = actor.get("status") or {}
        status = {key: value for key, value in status.items() if key not in self._undefined}
        wait = write_in(before, status, now_s - state.written_at)
        if wait is None:
            return Written()
        if wait > 0:
            return Written(wait_s=wait)
        self._view.wrote(ACTOR, self._written(actor["metadata"], before, status))
        self._metrics.status_writes.inc()
        state.written_at = now_s
        return Written(done=True)

    def _written(self, meta: Mapping[str, Any], before: Mapping[str, Any], status: Mapping[str, Any]) -> Json:
        # Conditions of others are not ours to send: applying them would make us their owner.
        ours = [entry for entry in status.get("conditions") or () if entry["type"] in OURS]
        body = {
            "apiVersion": ACTOR.api_version,
            "kind": ACTOR.name,
            "metadata": {"name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]},
            "status": {**status, "conditions": ours},
        }
        if self._undefined:
            return self._merged(body, before, status, "")
        try:
            answer = self._api.apply(body, ACTOR, STATUS, subresource="status")
        except Untyped as error:
            return self._merged(body, before, status, error.message)
        sent = {entry["type"] for entry in ours}
        left = [
            entry["type"] for entry in answer["status"].get("conditions") or () if entry["type"] in set(OURS) - sent
        ]
        # What a merge patch has written before, an apply does not take away.
        return self._merged(body, before, status, f"conditions {left} were left") if left else answer

    def _merged(self, body: Json, before: Mapping[str, Any], status: Mapping[str, Any], problem: str) -> Json:
        """Where the installed definition is of another version, or the object was stored under another one: conditions are told all the
        same. What the definition does not know is not sent again.
        """
        gone = dict.fromkeys(before.keys() - status.keys())
        meta = body["metadata"]
        answer = self._api.merge(
            ACTOR,
            meta["namespace"],
            meta["name"],
            {**body, "status": {**gone, **status}},
            manager=STATUS,
            subresource="status",
        )
        undefined = status.keys() - (answer.get("status") or {}).keys() - self._undefined
        if undefined:
            self._undefined |= undefined
            log.error(
                "the AsyncActor definition in the cluster is of another version: install the one that `asya crd` prints",
                status_fields_it_lacks=sorted(undefined),
                problem=problem,
            )
        return answer
