"""Which actor a queue name belongs to, when two actors of this controller come to the same one.

Kept up to date by the store of AsyncActors, asked by passes. The older actor keeps the queue (contract: controller, Queues, Ownership).
"""

import threading
from collections.abc import Callable
from typing import Any

from asya_controller.act.store import Kept, Name
from asya_controller.decide.config import OperatorConfig
from asya_schemas.names import queue_name

Place = tuple[str, str]
"""Transport and queue."""
Claim = tuple[str, str, Name]
"""Creation time and uid, by which the older one is found, and the actor."""


class Claims:
    """Every actor's queue name. `wake` starts a pass of an actor whose rival has gone."""

    def __init__(self, config: OperatorConfig, wake: Callable[[Name], None]) -> None:
        self._config = config
        self._wake = wake
        self._lock = threading.Lock()
        self._claims: dict[Place, set[Claim]] = {}
        self._of_actor: dict[Name, tuple[Place, Claim]] = {}

    def changed(self, before: Kept | None, after: Kept | None) -> None:
        """An actor came, changed or went."""
        found = after or before
        assert found is not None, "one of them is there"
        name = found.name
        claim = self._claim(after) if after is not None else None
        with self._lock:
            former = self._of_actor.get(name)
            if former == claim:
                return
            if former is not None:
                rivals = self._claims[former[0]]
                rivals.discard(former[1])
                if not rivals:
                    del self._claims[former[0]]
                for _, _, rival in rivals:
                    self._wake(rival)
                del self._of_actor[name]
            if claim is not None:
                self._of_actor[name] = claim
                self._claims.setdefault(claim[0], set()).add(claim[1])

    def winner(self, place: Place) -> Name | None:
        """Whose queue it is, None when nobody here claims it."""
        with self._lock:
            claims = self._claims.get(place)
            return min(claims)[2] if claims else None

    def _claim(self, kept: Kept) -> tuple[Place, Claim] | None:
        actor = kept.read()
        spec: Any = actor.get("spec")
        transport = str(spec.get("transport")) if isinstance(spec, dict) else ""
        found = self._config.transport(transport)
        if found is None:
            return None
        queue = queue_name(found.config.queue_name_template, *kept.name)
        return (transport, queue), (str(actor["metadata"].get("creationTimestamp") or ""), kept.uid, kept.name)
