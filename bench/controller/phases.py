"""One actor's life after the other: converge, scale up, rest, restart, pods that change, an API server that is away.

Called by bench/controller/__main__.py in this order, each phase with what the one before it has left. CPU time is the system's account of
the controller process; reading its metrics costs it some, so they are read outside of what is measured.
"""

from __future__ import annotations

import statistics
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from asya_controller.decide.last_scale import BUCKETS
from asya_controller.decide.pods import time_of
from bench.controller.bed import Subject
from bench.controller.hands import JSON, WITHIN_S, Hands, napping, running
from bench.report import Figure, at_most, reported
from tests.support.kube.cluster import Cluster

BOUNDARY_ALLOWANCE_S = 10.0
RESTART_S = 12.0
"""About what one takes, the wait for its rest included."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything. The figures are those of the defaults; a test takes less."""

    batches: int = 10
    batch: int = 100
    pods: int = 3
    restarts: int = 3
    resync_every_s: float = 5.0
    """Often, so that it is resyncs that cost, not what the process does besides."""
    marks_s: float = 75.0
    """After so long a new controller has had its own time marks: since its start the same is said of KEDA and the HPA for a minute."""
    resyncs: int = 3
    event_rate: float = 20.0
    events: int = 1000
    outage_s: float = 60.0

    @property
    def names(self) -> list[str]:
        """All actors."""
        return [name for number in range(self.batches) for name in self.names_of(number)]

    def names_of(self, number: int) -> list[str]:
        """The actors of one batch."""
        return [f"actor-{number}-{member}" for member in range(self.batch)]


def converge(subject: Subject, hands: Hands, size: Size) -> list[Figure]:
    """New actors, a batch at a time, each batch until nothing is left to do."""
    samples, writes, passes = [], [], []
    for number in range(size.batches):
        names = size.names_of(number)
        before = subject.controller.writes(), subject.passes()
        subject.rest()
        begun = subject.cpu_s()
        hands.create(names)
        hands.wait(names, napping, "converged")
        subject.rest()
        samples.append((subject.cpu_s() - begun) / size.batch * 1e3)
        writes.append((subject.controller.writes() - before[0]) / size.batch)
        passes.append((subject.passes() - before[1]) / size.batch)
    return [
        at_most("converge_cpu_ms", "ms/actor", 12, samples),
        reported("converge_writes", "1/actor", writes),
        reported("converge_passes", "1/actor", passes),
    ]


def scale_up(subject: Subject, hands: Hands, size: Size) -> list[Figure]:
    """Every actor gets its pods, as when messages come."""
    subject.rest()
    begun = subject.cpu_s()
    hands.scale(size.names, size.pods)
    hands.wait(size.names, running(size.pods), "running")
    subject.rest()
    spent = (subject.cpu_s() - begun) / len(size.names) * 1e3
    return [reported("scale_up_cpu_ms", "ms/actor", [spent]), at_most("rss_mb", "MiB", 160, [subject.rss_mb()])]


def between_boundaries(hands: Hands, needs_s: float) -> None:
    """Wait until no actor's Last-Scale changes its words for so long: those writes are due by the clock, also when nothing happens."""
    found = [time_of((item.get("status") or {}).get("lastScaleTime")) for item in hands.actors.values()]
    times = [moment for moment in found if moment is not None]
    for age, _ in BUCKETS if times else ():
        first, last = min(times) + age, max(times) + age + timedelta(seconds=BOUNDARY_ALLOWANCE_S)
        now = datetime.now(UTC)
        if now < last and now + timedelta(seconds=needs_s) > first:
            time.sleep((last - now).total_seconds())


def restart(subject: Subject, hands: Hands, size: Size) -> list[Figure]:
    """A new controller finds everything as it should be."""
    subject.rest()
    between_boundaries(hands, RESTART_S * size.restarts)
    seconds, spent, writes = [], [], []
    for _ in range(size.restarts):
        subject.stop()
        begun = time.monotonic()
        subject.launch()
        while True:
            done = subject.rest()
            if subject.controller.is_ready() and subject.shown() == len(size.names):
                break
        seconds.append(done - begun)
        spent.append(subject.cpu_s())
        writes.append(subject.controller.writes())
    return [
        at_most("warm_restart_s", "s", 6, seconds),
        at_most("warm_restart_writes", "1", 0, writes),
        reported("warm_restart_cpu_s", "s", spent),
        at_most("warm_restart_rss_mb", "MiB", 160, [subject.rss_mb()]),  # after lists of everything, the most there is
    ]


def resync(subject: Subject, hands: Hands, size: Size) -> list[Figure]:
    """Every actor is looked at again although nothing has happened. The queues are not: they have a rhythm of their own."""
    between_boundaries(hands, RESTART_S + size.marks_s + size.resync_every_s * (size.resyncs + 2))
    subject.stop()
    environ = {"BENCH_RESYNC_S": str(size.resync_every_s), "ASYA_QUEUE_HEALTH_CHECK_INTERVAL": "1h"}
    subject.start(environ, resynced=True)
    while subject.shown() != len(size.names):
        time.sleep(1.0)
    time.sleep(size.marks_s + size.resync_every_s)  # each has its time now
    writes, passes, samples = subject.controller.writes(), subject.passes(), []
    for _ in range(size.resyncs):
        begun = subject.cpu_s()
        time.sleep(size.resync_every_s)
        samples.append((subject.cpu_s() - begun) / len(size.names) * 1e3)
    made = subject.passes() - passes
    if made < len(size.names) * size.resyncs:
        raise RuntimeError(f"{made:g} passes are fewer than {size.resyncs} resyncs of {len(size.names)} actors")
    writes = subject.controller.writes() - writes
    subject.stop()
    subject.start()
    subject.rest()
    return [at_most("resync_cpu_ms", "ms/actor", 0.2, samples), at_most("resync_writes", "1", 0, [writes])]


def idle(subject: Subject, size: Size) -> list[Figure]:
    """Nothing happens; the queues are counted every 30 s."""
    subject.rest()
    begun = subject.cpu_s()
    time.sleep(size.outage_s)
    return [reported("idle_cpu_percent", "%", [(subject.cpu_s() - begun) / size.outage_s * 100])]


def pod_events(subject: Subject, hands: Hands, size: Size) -> list[Figure]:
    """From the moment a kubelet says that a pod has changed until the actor's status, as a watch brings it, says so too."""
    subject.rest()
    lock, waiting, taken = threading.Lock(), dict[str, tuple[int, float]](), list[float]()

    def arrived(name: str, status: JSON) -> None:
        with lock:
            wanted, since = waiting.get(name, (-1, 0.0))
            if status.get("readyReplicas") == wanted:
                del waiting[name]
                taken.append((time.monotonic() - since) * 1e3)

    hands.arrived = arrived
    begun, turns, names = subject.cpu_s(), dict.fromkeys(size.names, True), size.names
    start, events = time.monotonic(), min(size.events, len(names))  # one for each: a later one would hide an earlier
    for number in range(events):
        time.sleep(max(0.0, start + number / size.event_rate - time.monotonic()))
        name = names[number]
        turns[name] = not turns[name]
        with lock:
            waiting[name] = (size.pods if turns[name] else size.pods - 1, time.monotonic())
        hands.later_pod_turns(name, turns[name])
    deadline = time.monotonic() + WITHIN_S
    while len(taken) < events:
        if time.monotonic() > deadline:
            raise RuntimeError(
                f"{events - len(taken)} changes of pods never arrived in a status: {sorted(waiting)[:3]}"
            )
        time.sleep(0.05)
    subject.rest()
    spent = (subject.cpu_s() - begun) / events * 1e3
    return [
        at_most("pod_event_to_status_p50_ms", "ms", 200, sorted(taken)),
        percentile("pod_event_to_status_p99_ms", "ms", 1000, taken),
        reported("pod_event_cpu_ms", "ms/event", [spent]),
    ]


def percentile(name: str, unit: str, target: float, samples: list[float]) -> Figure:
    """A figure whose 99th percentile must not be above the target."""
    value = statistics.quantiles(samples, n=100)[98] if len(samples) > 1 else samples[0]
    return Figure(name, value, unit, target, "at most", value <= target, samples)


def outage(cluster: Cluster, subject: Subject, hands: Hands, size: Size) -> list[Figure]:
    """The API server is gone, and comes back."""
    subject.rest()

    def refused() -> float:
        return subject.controller.metric("rest_client_requests_total", code="<error>")

    before = refused()
    cluster.plane.stop_api_server()
    begun = subject.cpu_s()
    time.sleep(size.outage_s)
    spent = (subject.cpu_s() - begun) / size.outage_s * 100
    requests = refused() - before
    cluster.plane.start_api_server()
    cluster.wait_served()
    back = time.monotonic()
    hands.create(["afterwards"])
    hands.wait(["afterwards"], napping, "converged after the outage")
    healed = time.monotonic() - back
    return [
        at_most("outage_requests", "1", 30, [requests]),
        at_most("outage_cpu_percent", "%", 1, [spent]),
        at_most("outage_healed_s", "s", 30, [healed]),
    ]
