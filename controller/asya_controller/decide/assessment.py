"""Everything a status value depends on, computed once.

Made by `assess`, read by status.py, readiness.py and timers.py. Must not decide the value itself.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from asya_controller.decide.check import Violation, check
from asya_controller.decide.conditions import Verdict, scaling_ready, transport_ready, workload_ready
from asya_controller.decide.counts import Counts, counts_of, lenient, progressing, scaling_enabled
from asya_controller.decide.last_scale import LastScale, last_scale
from asya_controller.decide.memory import remember
from asya_controller.decide.pods import time_of
from asya_controller.decide.workload import startup_budget_s
from asya_controller.decide.world import World
from asya_schemas.actor import effective

LONG_SHORTAGE = timedelta(minutes=5)
DRAIN_ALLOWANCE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Assessment:
    """The facts of a World, judged at `now`. `world.memory` is up to date."""

    world: World
    now: datetime
    violation: Violation | None
    counts: Counts
    scaled: bool
    last_scale: LastScale
    short_since: datetime | None
    long_shortage: bool
    transport: Verdict | None
    workload: Verdict
    scaling: Verdict | None

    @property
    def drain_window(self) -> timedelta:
        """How long pods may take to go after a scale down."""
        return timedelta(seconds=lenient(effective.grace_s, self.world.spec, 330)) + DRAIN_ALLOWANCE


def assess(world: World, now: datetime) -> Assessment:
    """The judgement of every part."""
    world = replace(world, memory=remember(world, now))
    violation = check(world.actor, world.config) if world.checked is None else world.checked[0]
    counts = counts_of(world, now)
    since = short_since(world, counts, now)
    long = long_shortage(world, counts, since, now)
    transport = transport_ready(world, violation, now)
    return Assessment(
        world=world,
        now=now,
        violation=violation,
        counts=counts,
        scaled=scaling_enabled(world),
        last_scale=last_scale(world, counts.desired, now),
        short_since=since,
        long_shortage=long,
        transport=transport,
        workload=workload_ready(world, violation, counts, transport, long, now),
        scaling=scaling_ready(world, now),
    )


def short_since(world: World, counts: Counts, now: datetime) -> datetime | None:
    """Start of the present shortage of Ready pods; a raised Desired starts it anew."""
    if counts.ready >= counts.desired:
        return None
    former, since = world.previous.get("desiredReplicas"), time_of(world.previous.get("shortSince"))
    risen = isinstance(former, int) and counts.desired > former
    return now.replace(microsecond=0) if since is None or risen else since


def patience(world: World) -> timedelta:
    """How long pods may take to become ready before a shortage is long."""
    return max(LONG_SHORTAGE, timedelta(seconds=lenient(startup_budget_s, world.spec, 0)))


def long_shortage(world: World, counts: Counts, since: datetime | None, now: datetime) -> bool:
    """Whether waiting has not helped. A Deployment that makes progress with its rollout is given time."""
    if since is None:
        return False
    progress = progressing(world.workload)
    if progress.get("reason") == "ProgressDeadlineExceeded":
        return True
    deployment = (world.workload or {}).get("kind") == "Deployment"
    if counts.rollout and deployment and progress.get("status") == "True":
        return False
    return now - since >= patience(world)
