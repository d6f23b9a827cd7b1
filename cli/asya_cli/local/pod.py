"""One replica: a sidecar and a runtime with a socket folder between them, reported as a Kubernetes pod.

Made and stopped by `workload.py`. Starts, watches readiness, replaces the runtime when its handler changed, drains.
Decides nothing about how many replicas there are.
"""

import asyncio
import shutil
import signal
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asya_cli.local import probe
from asya_cli.local.container import Container
from asya_cli.local.container_status import container_status
from asya_cli.local.launch import RUNTIME, SIDECAR, Launch, Place, Refused, runtime_launch, sidecar_launch
from asya_cli.local.process import Group
from asya_cli.local.tail import size_of
from asya_cli.local.tasks import Tasks, happens

# Unready: asked often, because somebody waits for it; the step grows so that a model that loads for minutes costs nothing.
FIRST_LOOK_S, LONGEST_LOOK_S = 0.01, 0.25
# Ready: rarely. A process that ends is seen at once anyway, and the sidecar logs every change of its readiness.
NEXT_LOOK_S = 30.0
LARGEST_LOG_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that a replica of one version of an actor is made from."""

    actor: str
    namespace: str
    label: str  # names pods and log folders: the actor, with its namespace when the mesh has several
    template: Mapping[str, Any]
    template_hash: str
    owner_uid: str
    grace_s: float
    interpreter: str | Refused
    script: Path
    search: tuple[Path, ...]
    crew: bool
    python: str
    broker_env: Mapping[str, str]
    logs: Path
    base_env: Mapping[str, str]
    values: Mapping[str, str]
    value_sources: str
    host: str


class Pod:
    """A running replica. `start` it on the loop; it is over when `stop` returns."""

    def __init__(self, recipe: Recipe, ordinal: int, group: Group, tasks: Tasks, on_change: Callable[[], None]) -> None:
        self.recipe = recipe
        self.ordinal = ordinal
        self.name = f"{recipe.label}-{ordinal}"
        self.uid = str(uuid.uuid4())
        self.created_at = datetime.now(UTC)
        self.stopping_since: datetime | None = None
        self.sockets = group.sockets / self.uid[:8]
        self.logs = recipe.logs / self.name
        self.log_files: dict[Path, int] = {}
        """Its log files and where its own lines begin in them."""
        self._port = 0
        self._on_change = on_change
        self._look = asyncio.Event()
        self._tasks = tasks
        self._replaced: object = None
        self.sidecar = Container(SIDECAR, self._sidecar, group, tasks, self._changed)
        self.runtime = Container(RUNTIME, self._runtime, group, tasks, self._changed)

    def start(self) -> None:
        """Start both processes and watch them."""
        self.sockets.mkdir(mode=0o700)
        self.logs.mkdir(parents=True, exist_ok=True)
        for name in ("sidecar", "runtime"):
            log = self.logs / f"{name}.log"
            _rotate(log)
            self.log_files[log] = size_of(log)
        self.sidecar.start()  # first, because it has more to load
        self.runtime.start()
        self._tasks.spawn(self._watch_readiness(), f"readiness of {self.name}")

    @property
    def ready(self) -> bool:
        """Both containers are ready."""
        return self.sidecar.facts.ready and self.runtime.facts.ready

    @property
    def template_hash(self) -> str:
        """Version of the template it was made from."""
        return self.recipe.template_hash

    def look(self) -> None:
        """Something hints that readiness has changed: look now."""
        self._look.set()

    def replace_runtime(self) -> None:
        """Run the handler's new code: the runtime finishes its call and begins anew in place; the sidecar stays."""
        process = self.runtime.process
        if self.stopping_since is None and (process is None or process is not self._replaced):
            self._replaced = process
            self.runtime.expect_replacement()
            if process is not None:
                self._tasks.spawn(self._end_runtime(), f"replace runtime of {self.name}")

    async def stop(self) -> None:
        """Drain and end: the call in progress finishes if it can within the grace period."""
        self.stopping_since = datetime.now(UTC)
        self.sidecar.end()
        self.runtime.end()
        self._changed()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.recipe.grace_s):
                self.sidecar.signal(signal.SIGTERM)
                await self.sidecar.gone()
                await self._end_runtime()
        await self.kill()

    async def kill(self) -> None:
        """End at once. What was in hand goes back to its queue."""
        self.stopping_since = self.stopping_since or datetime.now(UTC)
        for container in (self.sidecar, self.runtime):
            container.end()
            container.signal(signal.SIGKILL)
        await self.sidecar.gone()
        await self.runtime.gone()
        shutil.rmtree(self.sockets, ignore_errors=True)
        self._changed()

    async def _end_runtime(self) -> None:
        """SIGTERM, and a second one as soon as no call runs: alone, the first lets an idle runtime linger for 2 s."""
        process = self.runtime.process
        if process is None:
            return
        process.send(signal.SIGTERM)
        step_s = FIRST_LOOK_S
        while process.running:
            handled = not (self.sockets / "runtime-ready").exists()  # two signals before that would count as one
            if handled and await probe.runtime_busy(self.sockets) is False:
                process.send(signal.SIGTERM)
                await process.exited
            await asyncio.wait([process.exited], timeout=step_s)
            step_s = min(step_s * 1.3, LONGEST_LOOK_S)

    async def _watch_readiness(self) -> None:
        step_s = FIRST_LOOK_S
        while self.stopping_since is None:
            self._look.clear()
            running = self.sidecar.process, self.runtime.process
            runtime = running[1] is not None and probe.runtime_ready(self.sockets)
            # A sidecar is never ready before its runtime, so it need not be asked.
            sidecar = runtime and running[0] is not None and await probe.sidecar_ready(self._port)
            if running == (self.sidecar.process, self.runtime.process):  # else the answer is about a former life
                self.runtime.set_ready(runtime)
                self.sidecar.set_ready(sidecar)
            step_s = NEXT_LOOK_S if self.ready else min(step_s * 1.15, LONGEST_LOOK_S)
            if await happens(self._look, step_s):
                step_s = FIRST_LOOK_S

    def _changed(self) -> None:
        self._look.set()
        self._on_change()

    def _place(self) -> Place:
        recipe = self.recipe
        return Place(
            actor=recipe.actor,
            namespace=recipe.namespace,
            pod=self.name,
            sockets=self.sockets,
            logs=self.logs,
            base_env=recipe.base_env,
            values=recipe.values,
            value_sources=recipe.value_sources,
            host=recipe.host,
        )

    def _sidecar(self) -> Launch | Refused:
        self._port = probe.free_port()  # a new one for every life: the old one may be taken by now
        recipe = self.recipe
        return sidecar_launch(recipe.template, self._place(), recipe.python, recipe.broker_env, self._port)

    def _runtime(self) -> Launch | Refused:
        recipe = self.recipe
        return runtime_launch(
            recipe.template, self._place(), recipe.interpreter, recipe.script, recipe.search, recipe.crew
        )

    def as_kubernetes(self) -> dict[str, Any]:
        """This replica as the API server would show it."""
        metadata: dict[str, Any] = {
            "name": self.name,
            "namespace": self.recipe.namespace,
            "uid": self.uid,
            "creationTimestamp": _time(self.created_at),
            "labels": dict(self.recipe.template["metadata"].get("labels") or {}),
            "annotations": dict(self.recipe.template["metadata"].get("annotations") or {}),
            "ownerReferences": [{"uid": self.recipe.owner_uid, "controller": True}],
        }
        if self.stopping_since is not None:
            metadata["deletionTimestamp"] = _time(self.stopping_since)
        containers = (self.runtime.facts, self.sidecar.facts)
        started = any(facts.running_since is not None or facts.last is not None for facts in containers)
        ready = "True" if self.ready else "False"
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata,
            "spec": {"containers": [{"name": facts.name} for facts in containers]},
            "status": {
                "phase": "Running" if started else "Pending",
                "startTime": _time(self.created_at),
                "conditions": [
                    {"type": "PodScheduled", "status": "True"},
                    {"type": "PodReadyToStartContainers", "status": "True"},
                    {"type": "ContainersReady", "status": ready},
                    {"type": "Ready", "status": ready},
                ],
                "containerStatuses": [container_status(facts) for facts in containers],
            },
        }


def _rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > LARGEST_LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
