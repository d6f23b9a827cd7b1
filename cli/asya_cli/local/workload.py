"""The replicas of one actor: does what a Deployment or StatefulSet controller does, with processes.

Made by `mesh.py`, one per actor. `moves.py` decides; this starts and stops, and reports the workload as Kubernetes would.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from asya_cli.local.moves import Replica, moves
from asya_cli.local.plan import Planned, uid_of
from asya_cli.local.pod import Pod, Recipe
from asya_cli.local.process import Group
from asya_cli.local.tasks import Tasks


class Workload:
    """Keeps `replicas` pods of the newest version alive."""

    def __init__(self, planned: Planned, group: Group, tasks: Tasks, on_change: Callable[[], None]) -> None:
        self.pods: list[Pod] = []
        self.replicas = planned.replicas
        self._planned = planned
        self._group = group
        self._tasks = tasks
        self._on_change = on_change
        self._ending: set[asyncio.Task[None]] = set()
        self.begun = self._closed = False

    def begin(self) -> None:
        """The queue is there: pods may be started from now on, and not before (contract: controller, Reconcile)."""
        if not self.begun:
            self.begun = True
            self.reconcile()
            self._on_change()

    def adopt(self, planned: Planned) -> None:
        """Go on with a new version of the actor."""
        self._planned = planned
        if planned.scaling is None:
            self.replicas = planned.replicas
        self.reconcile()

    def scale(self, replicas: int) -> None:
        """Keep so many pods from now on."""
        self.replicas = replicas
        self.reconcile()

    def reconcile(self) -> None:
        """Start and stop what the present state asks for. Cheap when there is nothing to do."""
        recipe = self._planned.recipe
        if self._closed or recipe is None or not self.begun:
            return
        present = [
            Replica(pod.ordinal, pod.recipe == recipe, pod.ready, pod.stopping_since is not None) for pod in self.pods
        ]
        wanted = moves(present, self.replicas, self._stateful)
        for ordinal in wanted.start:
            self._start(recipe, ordinal)
        for pod in [pod for pod in self.pods if pod.ordinal in wanted.stop and pod.stopping_since is None]:
            self._end(pod, pod.stop())

    def replace_runtimes(self) -> None:
        """Run the handler's changed code in every replica."""
        for pod in self.pods:
            pod.replace_runtime()

    async def close(self) -> None:
        """Drain all replicas within their grace periods."""
        self._closed = True
        for pod in self.pods:
            if pod.stopping_since is None:
                self._end(pod, pod.stop())
        if self._ending:
            await asyncio.wait(self._ending)

    async def kill(self) -> None:
        """End all replicas at once."""
        self._closed = True
        await asyncio.gather(*(pod.kill() for pod in self.pods))

    @property
    def _stateful(self) -> bool:
        return self._planned.desired is not None and self._planned.desired.workload["kind"] == "StatefulSet"

    def _start(self, recipe: Recipe, ordinal: int) -> None:
        pod = Pod(recipe, ordinal, self._group, self._tasks, self._on_change)
        self.pods.append(pod)
        pod.start()

    def _end(self, pod: Pod, work: Coroutine[Any, Any, None]) -> None:
        async def end() -> None:
            await work
            self.pods.remove(pod)
            self._on_change()

        task = self._tasks.spawn(end(), f"stop {pod.name}")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def as_kubernetes(self, generation: int) -> dict[str, Any] | None:
        """The Deployment or StatefulSet as the API server would show it."""
        desired, recipe = self._planned.desired, self._planned.recipe
        if desired is None or recipe is None or not self.begun:
            return None
        alive = [pod for pod in self.pods if pod.stopping_since is None]
        current = [pod for pod in alive if pod.recipe == recipe]
        ready = sum(pod.ready for pod in alive)
        status: dict[str, Any] = {
            "observedGeneration": generation,
            "replicas": len(alive),
            "readyReplicas": ready,
            "updatedReplicas": len(current),
            "availableReplicas": ready,
        }
        if self._stateful:
            done = len(current) == len(alive)
            status |= {"updateRevision": recipe.template_hash, "currentRevision": recipe.template_hash if done else ""}
        return {
            **desired.workload,
            "metadata": {**desired.workload["metadata"], "uid": uid_of(desired.workload), "generation": generation},
            "spec": {**desired.workload["spec"], "replicas": self.replicas},
            "status": status,
        }
