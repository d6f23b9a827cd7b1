"""Joins the parts into a controller: caches, workers, brokers, and the watch for KEDA.

Made by `__main__`, which starts the caches at once and the work when this replica leads. Holds no rule of its own.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import structlog

from asya_controller.act.api import Api
from asya_controller.act.api_errors import ApiError
from asya_controller.act.brokers import Brokers
from asya_controller.act.events import EventSender
from asya_controller.act.kinds import (
    ACTOR,
    ALWAYS_SERVED,
    CONFIG_MAP,
    KEDA_KINDS,
    REPLICA_SET,
    SCALED_OBJECT,
    SERVICE_ACCOUNT,
    Kind,
)
from asya_controller.act.metrics import CONTROLLER, Metrics, Reading
from asya_controller.act.queue import Queue
from asya_controller.act.reach import Reach
from asya_controller.act.reconcile import Reconciler
from asya_controller.act.reflector import Reflector
from asya_controller.act.scripts import housekeeping
from asya_controller.act.store import ACTOR_LABEL, Name
from asya_controller.act.view import OWN_LABEL, View
from asya_controller.decide.config import OperatorConfig
from asya_controller.decide.workload import role_arn
from asya_controller.settings import Settings

log = structlog.get_logger()

KEDA_EVERY_S = 60.0
SWEEP_EVERY_S = 600.0
STUCK_WATCH_S = 180.0
STUCK_PASS_S = 600.0


class Controller:
    """All parts. `start_caches`, `wait_synced`, `start_work`, `stop`."""

    def __init__(
        self, settings: Settings, config: OperatorConfig, script: str, api: Api, metrics: Metrics, instance: str
    ) -> None:
        self._settings = settings
        self._api = api
        self._metrics = metrics
        self._working = threading.Event()
        self._turn = threading.Lock()  # of beginning to work and of ending
        self._stop = threading.Event()
        self._keda_known = threading.Event()
        self._reach = Reach()
        self._queue: Queue[Name] = Queue(watcher=metrics)
        self._view = View(config, self._wake)
        self._events = EventSender(api, metrics, instance)
        self._brokers = (
            Brokers(config, self._view, self._queue.add, metrics, settings.queue_check_s, Path(settings.credentials))
            if settings.manage_queues
            else None
        )
        self._reconciler = Reconciler(api, self._view, config, self._brokers, self._events, metrics, script)
        self._roles = any(role_arn(transport) for transport in config.transports.values())
        self._reflectors: dict[Kind, list[Reflector]] = {}
        self._workers: list[threading.Thread] = []
        self._passes: dict[str, float] = {}
        metrics.watch(self._reading)

    def _wake(self, name: Name) -> None:
        # What the first lists bring is backlog: a change that comes while it is worked off goes first.
        self._queue.add(name, backlog=not self._working.is_set())

    # caches

    def start_caches(self) -> None:
        """Begin to fill the stores; standby replicas do it too."""
        for kind, selector in (
            (ACTOR, ""),
            *((kind, ACTOR_LABEL) for kind in ALWAYS_SERVED),
            (CONFIG_MAP, OWN_LABEL),
            *(((SERVICE_ACCOUNT, OWN_LABEL),) if self._roles else ()),
        ):
            self._watch(kind, selector)
        threading.Thread(target=self._watch_keda, name="keda", daemon=True).start()

    def _watch(self, kind: Kind, selector: str) -> None:
        restarted = self._metrics.restarts
        self._reflectors[kind] = [
            Reflector(
                self._api,
                kind,
                namespace,
                self._view.stores[kind],
                self._reach,
                selector=selector,
                metadata_only=kind in (CONFIG_MAP, SERVICE_ACCOUNT, REPLICA_SET),
                restarted=lambda kind, reason: restarted.labels(kind, reason).inc(),
            )
            for namespace in self._settings.watch_namespaces or (None,)
        ]
        for reflector in self._reflectors[kind]:
            reflector.start()

    def _watch_keda(self) -> None:
        """KEDA may come and go: its kinds are watched while they are served."""
        known: bool | None = None
        wait = 1.0
        while not self._stop.is_set():
            try:
                served = SCALED_OBJECT.plural in self._api.served(SCALED_OBJECT.api_version)
            except ApiError as error:
                log.warning("not known whether KEDA is there", problem=error.message)
            else:
                if served != known:
                    self._keda_changed(served)
                known, wait = served, KEDA_EVERY_S
                self._keda_known.set()
            self._stop.wait(wait)

    def _keda_changed(self, served: bool) -> None:
        log.info("KEDA is served" if served else "KEDA is not served")
        self._metrics.keda.set(served)
        for kind in KEDA_KINDS:
            for reflector in self._reflectors.pop(kind, ()):
                reflector.stop()
            if served:
                self._watch(kind, ACTOR_LABEL)
            else:
                self._view.stores[kind].clear()
        for kind in KEDA_KINDS if served else ():
            for reflector in self._reflectors[kind]:
                reflector.health.synced.wait(KEDA_EVERY_S)
        self._reconciler.keda = served
        for kept in self._view.actors.all():
            self._wake(kept.name)

    def missing(self) -> list[str]:
        """Kinds whose store is not filled yet."""
        kinds = [
            kind.plural for kind, some in self._reflectors.items() if not all(r.health.synced.is_set() for r in some)
        ]
        return kinds if self._keda_known.is_set() else [*kinds, SCALED_OBJECT.plural]

    def wait_synced(self) -> None:
        """Until every store is filled, or `stop`."""
        while self.missing() and not self._stop.wait(0.05):
            pass

    # work

    def start_work(self) -> None:
        """Begin to write: only the leader may, and only with full stores. Nothing after `stop`."""
        with self._turn:
            if self._stop.is_set():
                return
            self._working.set()
            self._events.start()
            if self._brokers is not None:
                self._brokers.start()
            for number in range(self._settings.workers):
                worker = threading.Thread(target=self._work, name=f"worker-{number}", daemon=True)
                worker.start()
                self._workers.append(worker)
            arguments = (self._reconciler.scripts, self._stop, SWEEP_EVERY_S)
            threading.Thread(target=housekeeping, args=arguments, name="housekeeping", daemon=True).start()

    def _work(self) -> None:
        me = threading.current_thread().name
        while (name := self._queue.take()) is not None:
            self._reach.wait(self._stop)
            began = self._passes[me] = time.monotonic()
            self._metrics.active.inc()
            again_at, failed = None, False
            try:
                end = self._reconciler.run(name)
                failed = end.failed
                again_at = None if end.again_s is None else time.monotonic() + max(0.0, end.again_s)
            except ApiError as error:
                failed = True
                log.warning("pass failed", actor=name, problem=str(error))
            except Exception:  # a task's boundary: one actor nobody understands must not keep a worker from the others
                failed = True
                self._metrics.panics.labels(CONTROLLER).inc()
                log.exception("pass failed unexpectedly", actor=name)
            finally:
                del self._passes[me]
                self._metrics.active.dec()
                self._count(time.monotonic() - began, failed, again_at)
                self._queue.done(name, again_at=again_at, failed=failed)

    def _count(self, seconds: float, failed: bool, again_at: float | None) -> None:
        result = "error" if failed else "requeue_after" if again_at is not None else "success"
        self._metrics.passes.labels(CONTROLLER, result).inc()
        self._metrics.pass_seconds.labels(CONTROLLER).observe(seconds)
        self._metrics.worked.observe(seconds)
        if failed:
            self._metrics.errors.labels(CONTROLLER).inc()

    def stop(self, within_s: float) -> None:
        """End in this order: sources, running passes, brokers, Events."""
        deadline = time.monotonic() + within_s
        with self._turn:  # what `start_work` has begun is begun
            self._stop.set()
        for some in list(self._reflectors.values()):
            for reflector in some:
                reflector.stop()
        self._queue.close()
        for worker in self._workers:
            worker.join(max(0.0, deadline - time.monotonic()))
        if self._brokers is not None:
            self._brokers.stop()
        if self._working.is_set():
            self._events.flush(max(1.0, deadline - time.monotonic()))

    # health

    def stuck(self) -> Iterator[str]:
        """What does not get on, in words."""
        now = time.monotonic()
        for kind, some in list(self._reflectors.items()):
            if any(now - max(r.health.event_at, r.health.tried_at) > STUCK_WATCH_S for r in some):
                yield f"the watch of {kind.plural} has neither moved nor tried"
        if any(now - began > STUCK_PASS_S for began in list(self._passes.values())):
            yield "a pass does not end"

    def _reading(self) -> Reading:
        moved: Mapping[str, float] = {
            kind.plural: min(reflector.health.event_at for reflector in some)
            for kind, some in list(self._reflectors.items())
        }
        return self._queue.depth, moved, dict(self._passes)
