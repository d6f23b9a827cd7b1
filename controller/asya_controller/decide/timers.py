"""When does this status change although no fact does?

Called after status_of; the caller starts a pass at that time (contract: controller, Watching and queueing).
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from asya_controller.decide.assessment import Assessment, assess, patience
from asya_controller.decide.conditions import API_PATIENCE, QUEUE_PATIENCE
from asya_controller.decide.memory import SCALER_PATIENCE, condition
from asya_controller.decide.plan import KEDA_PATIENCE, scaler_left
from asya_controller.decide.pods import FEW_RESTARTS, FRESH_START, RECENT_END, time_of
from asya_controller.decide.readiness import PATIENCE
from asya_controller.decide.world import World

A_MOMENT = timedelta(microseconds=1)


def next_look(world: World, status: Mapping[str, Any], now: datetime) -> datetime | None:
    """The next time mark at which `status_of` may say something else with the same facts; None when there is none.

    `status` is what `status_of(world, now)` returned.
    """
    return earliest(assess(world, now), status)


def earliest(found: Assessment, status: Mapping[str, Any]) -> datetime | None:
    """The first mark that is still to come."""
    return min((mark for mark in marks(found, status) if mark > found.now), default=None)


def marks(found: Assessment, status: Mapping[str, Any]) -> Iterator[datetime]:
    """Every time at which a rule looks at the clock, past ones included."""
    yield from status_marks(found, status)
    yield from scaler_marks(found)
    for pod in found.counts.active_pods:
        for container in pod.containers:
            if container.ended is None or container.restarts < FEW_RESTARTS:
                continue  # its past counts for nothing
            yield container.ended.at + RECENT_END
            if container.running_since is not None:
                yield container.running_since + FRESH_START
    for refusal in found.world.refusals:
        if refusal.since is not None:
            yield refusal.since + API_PATIENCE


def status_marks(found: Assessment, status: Mapping[str, Any]) -> Iterator[datetime]:
    """Marks of Last-Scale, the shortage, the queue and Stalled."""
    # Of an actor that is being created no last scale is told.
    if found.last_scale.at is not None and "lastScaleTime" in status:
        yield found.last_scale.at + found.drain_window + A_MOMENT
        if boundary := found.last_scale.next_boundary(found.now):
            yield boundary
    if found.short_since is not None:
        yield found.short_since + patience(found.world)
    if found.world.memory.queue_failing_since is not None:
        yield found.world.memory.queue_failing_since + QUEUE_PATIENCE
    for entry in status.get("conditions") or ():
        since = time_of(entry.get("lastTransitionTime"))
        if entry.get("type") == "WorkloadReady" and entry.get("status") == "False" and since:
            yield since + PATIENCE


def scaler_marks(found: Assessment) -> Iterator[datetime]:
    """Marks of KEDA and the HPA."""
    world = found.world
    if not found.scaled:
        gone = (time_of((item.get("metadata") or {}).get("deletionTimestamp")) for item in scaler_left(world))
        yield from (moment + KEDA_PATIENCE for moment in gone if moment is not None)
    yield from (moment + SCALER_PATIENCE for moment in scaler_waits(world) if moment is not None)


def scaler_waits(world: World) -> Iterator[datetime | None]:
    """Since when something lasts that means another thing after a minute. Of a scaler that is well nothing does: a thousand new actors are
    not looked at once more for it.
    """
    memory, active = world.memory, condition(world.hpa, "ScalingActive")
    yield memory.scaler_unready_since
    if memory.scaler_unready_since is not None:
        yield memory.scaler_ready_since
    if condition(world.scaled_object, "Ready").get("status") not in ("True", "False"):
        yield time_of(((world.scaled_object or {}).get("metadata") or {}).get("creationTimestamp"))
    if active.get("status") == "False" and active.get("reason") != "ScalingDisabled":
        yield time_of(active.get("lastTransitionTime"))
