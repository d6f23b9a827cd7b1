"""The cluster as the controller sees it: one store for each kind, and who is woken when something in it changes.

Made by controller.py, read by passes. Must not ask the API server anything: what is not in a store is not known here.
"""

from collections.abc import Callable, Mapping
from typing import Any

from asya_controller.act.claims import Claims
from asya_controller.act.kinds import (
    ACTOR,
    ALWAYS_SERVED,
    CONFIG_MAP,
    KEDA_KINDS,
    SERVICE_ACCOUNT,
    Kind,
)
from asya_controller.act.store import Json, Kept, Name, Store
from asya_controller.decide.config import OperatorConfig
from asya_schemas.actor.identity import (
    DELETION_POLICY_ANNOTATION,
    FLUX_RECONCILE_ANNOTATION,
    FORCE_DELETE_ANNOTATION,
    RECONCILE_ANNOTATION,
    SUSPEND_ANNOTATION,
)

OWN_LABEL = "app.kubernetes.io/managed-by=asya-controller"
READ_ANNOTATIONS = (
    SUSPEND_ANNOTATION,
    RECONCILE_ANNOTATION,
    FLUX_RECONCILE_ANNOTATION,
    DELETION_POLICY_ANNOTATION,
    FORCE_DELETE_ANNOTATION,
)


class View:
    """All stores, and the claims on queue names that follow from the actors."""

    def __init__(self, config: OperatorConfig, wake: Callable[[Name], None]) -> None:
        self._wake = wake
        self._config = config
        self.claims = Claims(config, wake)
        self.actors = Store(ACTOR, self._actor_changed, self._actor_news)
        self.stores: Mapping[Kind, Store] = {
            ACTOR: self.actors,
            **{kind: Store(kind, self._child_changed) for kind in (*ALWAYS_SERVED, *KEDA_KINDS)},
            SERVICE_ACCOUNT: Store(SERVICE_ACCOUNT, self._child_changed, presence),
            CONFIG_MAP: Store(CONFIG_MAP, self._script_changed, presence),
        }

    def get(self, kind: Kind, name: Name) -> Kept | None:
        """One object."""
        return self.stores[kind].get(name)

    def of_actor(self, kind: Kind, actor: Name) -> list[Kept]:
        """The objects of an actor."""
        return self.stores[kind].of_actor(actor)

    def actors_in(self, namespace: str) -> list[Name]:
        """The actors of a namespace."""
        return [kept.name for kept in self.actors.all() if kept.name[0] == namespace]

    def wrote(self, kind: Kind, item: Json) -> Kept:
        """The answer to one of our writes."""
        return self.stores[kind].wrote(item)

    def _actor_news(self, actor: Json) -> Any:
        """What of an AsyncActor starts a pass (contract: controller, Watching and queueing)."""
        meta = actor["metadata"]
        annotations, labels = meta.get("annotations") or {}, meta.get("labels") or {}
        return [
            meta.get("generation"),
            meta.get("finalizers"),
            meta.get("deletionTimestamp"),
            [annotations.get(name) for name in READ_ANNOTATIONS],
            [labels.get(name) for name in self._config.propagate_labels],
        ]

    def _actor_changed(self, before: Kept | None, after: Kept | None) -> None:
        self.claims.changed(before, after)
        found = after or before
        assert found is not None, "one of them is there"
        self._wake(found.name)

    def _script_changed(self, before: Kept | None, after: Kept | None) -> None:
        """All actors of a namespace mount the script: its loss concerns each of them."""
        if before is not None and after is None:
            for name in self.actors_in(before.name[0]):
                self._wake(name)

    def _child_changed(self, before: Kept | None, after: Kept | None) -> None:
        for kept in (before, after):
            if kept is not None and kept.actor:
                self._wake((kept.name[0], kept.actor))
                if after is not None and before is not None and before.actor == after.actor:
                    return


def presence(item: Json) -> Any:
    """Only that it is there, and whose it is."""
    return item["metadata"].get("ownerReferences")
