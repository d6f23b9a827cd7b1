"""Everything the controller measures, in one registry (contract: controller, Events, metrics).

Made once by `__main__` and handed to whoever has something to count. Names are the contract's. Must not decide what is good or bad.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

CONTROLLER: Final = "asyncactor"
Shown = tuple[str, bool, Mapping[str, int | None]]
"""Status, Ready and message counts of an actor."""
_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60)


class Metrics:
    """The registry and its members."""

    def __init__(self, version: str, workers: int, host: str = "") -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._host = host
        runtime, by = "controller_runtime_", ("controller",)
        self.passes = self._counter(f"{runtime}reconcile", "Passes by how they ended.", ("controller", "result"))
        self.errors = self._counter(f"{runtime}reconcile_errors", "Passes that failed and are repeated.", by)
        self.terminal = self._counter(f"{runtime}terminal_reconcile_errors", "Refusals that no repeat mends.", by)
        self.panics = self._counter(f"{runtime}reconcile_panics", "Passes that ended in an unexpected exception.", by)
        self.pass_seconds = self._histogram(f"{runtime}reconcile_time_seconds", "How long passes take.", by)
        self._gauge(f"{runtime}max_concurrent_reconciles", "Workers.", by).labels(CONTROLLER).set(workers)
        self.active = self._gauge(f"{runtime}active_workers", "Workers in a pass.", by).labels(CONTROLLER)
        name = ("name",)
        self.adds = self._counter("workqueue_adds", "Keys put in.", name).labels(CONTROLLER)
        self.retries = self._counter("workqueue_retries", "Passes to be repeated.", name).labels(CONTROLLER)
        self.queued = self._histogram("workqueue_queue_duration_seconds", "Time in the queue.", name).labels(CONTROLLER)
        self.worked = self._histogram("workqueue_work_duration_seconds", "Time in a pass.", name).labels(CONTROLLER)
        self.leader = self._gauge("leader_election_master_status", "1: this replica leads.", name)
        self.requests = self._counter("rest_client_requests", "Requests to the API server.", ("code", "method", "host"))
        actor = ("namespace", "name")
        self.status = self._gauge("asya_asyncactor_status", "1 for the status an actor has.", (*actor, "status"))
        self.ready = self._gauge("asya_asyncactor_ready", "1: Ready.", actor)
        self.messages = self._gauge("asya_queue_messages", "Messages of an actor's queues.", (*actor, "state"))
        self.applies = self._counter("asya_apply", "Applies of children.", ("kind", "result"))
        self.status_writes = self._counter("asya_status_writes", "Writes of a status.")
        self.transport_up = self._gauge("asya_transport_up", "1: the broker answers.", ("transport",))
        self.transport_errors = self._counter("asya_transport_errors", "Failed looks.", ("transport", "reason"))
        self.cleanups = self._counter("asya_queue_cleanup", "Queues of deleted actors.", ("transport", "result"))
        self.restarts = self._counter("asya_watch_restarts", "Watches begun again.", ("kind", "reason"))
        self.dropped = self._counter("asya_events_dropped", "Events not sent.")
        self.keda = self._gauge("asya_keda_available", "1: KEDA's API is served.")
        self._gauge("asya_controller_info", "What runs.", ("version",)).labels(version).set(1)
        # A rate needs a series that was there before the first of its kind.
        for result in ("success", "error", "requeue", "requeue_after"):
            self.passes.labels(CONTROLLER, result)
        for counter in (self.errors, self.terminal, self.panics):
            counter.labels(CONTROLLER)
        self._shown: dict[tuple[str, str], Shown] = {}
        self._answers: dict[tuple[str, str], Counter] = {}

    def _counter(self, name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, labels: tuple[str, ...] = ()) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, labels: tuple[str, ...]) -> Histogram:
        return Histogram(name, text, labels, registry=self.registry, buckets=_SECONDS)

    # queue.Watcher

    def added(self) -> None:
        """A key came."""
        self.adds.inc()

    def retried(self) -> None:
        """A pass failed."""
        self.retries.inc()

    def waited(self, seconds: float) -> None:
        """A key waited."""
        self.queued.observe(seconds)

    # the API client's observer

    def requested(self, code: str, method: str) -> None:
        """One answer of the API server."""
        answers = self._answers.get((code, method))
        if answers is None:  # finding a series by its labels costs as much as a small request
            answers = self._answers[code, method] = self.requests.labels(code, method, self._host)
        answers.inc()

    # actors

    def show(self, actor: tuple[str, str], status: Mapping[str, object], messages: Mapping[str, int | None]) -> None:
        """The state of an actor, as its status says it."""
        conditions: Iterable[Mapping[str, object]] = status.get("conditions") or ()  # type: ignore[assignment]
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
        shown = (str(status.get("status")), ready, dict(messages))
        former = self._shown.get(actor)
        if former == shown:
            return
        self._shown[actor] = shown
        if former is not None and former[0] != shown[0]:
            self.status.remove(*actor, former[0])
        self.status.labels(*actor, shown[0]).set(1)
        self.ready.labels(*actor).set(ready)
        for state, number in messages.items():
            if number is not None:
                self.messages.labels(*actor, state).set(number)
            elif former is not None:  # not known any more: no figure rather than an old one
                self.messages.remove(*actor, state)

    def hide(self, actor: tuple[str, str]) -> None:
        """The actor is gone, and so are its series."""
        former = self._shown.pop(actor, None)
        if former is None:
            return
        self.status.remove(*actor, former[0])
        self.ready.remove(*actor)
        for state in ("queued", "processing", "dead"):
            self.messages.remove(*actor, state)

    def watch(self, read: Callable[[], "Reading"]) -> None:
        """Values that are read when somebody asks for them."""
        self.registry.register(Live(read))


Reading = tuple[int, Mapping[str, float], Mapping[str, float]]
"""Depth of the queue; for each kind when its watch last moved; for each pass under way when it began (monotonic)."""


class Live(Collector):
    """What is computed at the moment of the scrape."""

    def __init__(self, read: Callable[[], Reading]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        """The present values."""
        depth, watches, passes = self._read()
        now = time.monotonic()
        ages = [now - began for began in passes.values()]
        for name, value in (
            ("workqueue_depth", float(depth)),
            ("workqueue_unfinished_work_seconds", sum(ages)),
            ("workqueue_longest_running_processor_seconds", max(ages, default=0.0)),
        ):
            family = GaugeMetricFamily(name, "The queue of actors, now.", labels=["name"])
            family.add_metric([CONTROLLER], value)
            yield family
        family = GaugeMetricFamily("asya_watch_last_event_age_seconds", "Age of the last event.", labels=["kind"])
        for kind, moved_at in watches.items():
            family.add_metric([kind], now - moved_at)
        yield family
