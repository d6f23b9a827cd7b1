"""Does what a plan says: applies, hands a count over, removes. One step is one object.

Called by a pass. Must not choose: an answer other than "done" is an exception for the caller, who knows what it means. Every answer goes
into the view, so that the next look sees what was written.
"""

from collections.abc import Mapping
from typing import Any

from asya_controller.act.api import CHILDREN, HANDOVER, Api, Json
from asya_controller.act.api_errors import ApiError, Conflict, NotFound
from asya_controller.act.kinds import BY_NAME, SCALED_OBJECT, Kind
from asya_controller.act.metrics import Metrics
from asya_controller.act.store import Kept
from asya_controller.act.view import View
from asya_controller.decide.plan import Step


class NotOurs(ApiError):
    """An object of this name is there and was not made by this actor."""

    def __init__(self, live: Json) -> None:
        super().__init__(
            409, f"{live.get('kind')} '{live['metadata']['name']}' exists and is not owned by this AsyncActor"
        )
        self.live = live


class HalfDone(ApiError):
    """The object was made, and what has to follow at once was refused; another pass does it."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(error.code, error.message, error.headers)


class Executor:
    """Writes children."""

    def __init__(self, api: Api, view: View, metrics: Metrics) -> None:
        self._api = api
        self._view = view
        self._metrics = metrics

    def run(self, step: Step, owner: str, live_uid: str | None) -> Kept | None:
        """Carry out one step for the actor with uid `owner`; the object afterwards, None when it was removed.

        Raises:
            NotOurs, HalfDone, Conflict, Busy, ApiError
        """
        kind = BY_NAME[str(step.object["kind"])]
        try:
            done = self._run(step, kind, owner, live_uid)
        except ApiError as error:
            self._metrics.applies.labels(kind.name, "conflict" if error.code == 409 else "error").inc()
            raise
        self._metrics.applies.labels(kind.name, "created" if step.verb == "create" else "changed").inc()
        return done

    def _run(self, step: Step, kind: Kind, owner: str, live_uid: str | None) -> Kept | None:
        body = dict(step.object)
        if step.verb == "remove":
            self._remove(kind, body, str(step.uid), owner)
            return None
        if step.verb == "handover":
            return self._hand_over(kind, body)
        if step.verb == "apply":
            return self._apply(kind, with_meta(body, uid=live_uid), CHILDREN)
        if step.scaled:
            self._create(kind, with_replicas(body, step.replicas), HANDOVER, owner)
            try:
                made = self._apply(kind, body, CHILDREN)
                # The workload's own controller may have written its status since: the helper needs the newest version.
                return self._hand_over(kind, (self._view.get(kind, made.name) or made).read())
            except ApiError as error:
                raise HalfDone(error) from error
        return self._create(
            kind, body if step.replicas is None else with_replicas(body, step.replicas), CHILDREN, owner
        )

    def _apply(self, kind: Kind, body: Json, manager: str, *, force: bool = True) -> Kept:
        return self._view.wrote(kind, self._api.apply(body, kind, manager, force=force))

    def _create(self, kind: Kind, body: Json, manager: str, owner: str) -> Kept:
        """Without force: one that somebody else made in the meantime, or that our selector does not see, is not overwritten."""
        try:
            return self._apply(kind, body, manager, force=False)
        except Conflict:
            live = self._api.get(kind, body["metadata"]["namespace"], body["metadata"]["name"])
            if owner_of(live) != owner:
                raise NotOurs(live) from None
            return self._apply(kind, with_meta(body, uid=str(live["metadata"]["uid"])), manager)

    def _hand_over(self, kind: Kind, known: Mapping[str, Any]) -> Kept:
        """The helper keeps the count alone, as it was read: one that the autoscaler sets in between makes this a conflict."""
        kept = {key: known["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion")}
        count = known["spec"].get("replicas", 1)
        body = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": kept, "spec": {"replicas": count}}
        return self._apply(kind, body, HANDOVER)

    def _remove(self, kind: Kind, known: Json, uid: str, owner: str) -> None:
        """After a look at the object itself: only what is still ours, and still this one."""
        namespace, name = known["metadata"]["namespace"], known["metadata"]["name"]
        try:
            live = self._api.get(kind, namespace, name)
        except NotFound:
            return
        if live["metadata"]["uid"] != uid or owner_of(live) != owner or live["metadata"].get("deletionTimestamp"):
            return
        advanced = (live.get("spec") or {}).get("advanced") or {}
        if kind is SCALED_OBJECT and advanced.get("restoreToOriginalReplicaCount"):
            # Else KEDA first goes back to the count it once found.
            self._api.merge(kind, namespace, name, {"spec": {"advanced": {"restoreToOriginalReplicaCount": None}}})
        try:
            self._api.delete(kind, namespace, name, uid)
        except NotFound:
            return


def owner_of(live: Mapping[str, Any]) -> str:
    """uid of the controller of an object."""
    owners = live["metadata"].get("ownerReferences") or ()
    return next((str(owner.get("uid")) for owner in owners if owner.get("controller")), "")


def with_replicas(body: Json, replicas: int | None) -> Json:
    """The workload with a count."""
    return {**body, "spec": {**body["spec"], "replicas": replicas}}


def with_meta(body: Json, uid: str | None) -> Json:
    """The object with the uid it must still have."""
    return {**body, "metadata": {**body["metadata"], **({"uid": uid} if uid else {})}}
