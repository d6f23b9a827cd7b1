"""What must be remembered until the next evaluation, besides the status itself?

Called by `status_of`, and by its caller to fill the next World's `memory`. Applying it twice at one time changes nothing.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from asya_controller.decide.causes import EVENT_REASONS, NOT_FOUND
from asya_controller.decide.pods import EPOCH, pods_of, time_of
from asya_controller.decide.reasons import USABLE_QUEUE
from asya_controller.decide.world import Json, Memory, World

SCALER_PATIENCE = timedelta(seconds=60)
"""KEDA's conditions carry no times and flip while a scaler hangs: this long False is a fault, this long True ends it."""


def remember(world: World, now: datetime) -> Memory:
    """The memory after looking at `world`."""
    unready_since, ready_since = scaler_times(world, now)
    failing = world.queue is not None and world.queue.reason not in USABLE_QUEUE
    return Memory(
        queue_failing_since=(world.memory.queue_failing_since or now) if failing else None,
        scaler_unready_since=unready_since,
        scaler_ready_since=ready_since,
        mount_failures=dict(mount_failures(world)),
    )


def scaler_times(world: World, now: datetime) -> tuple[datetime | None, datetime | None]:
    """Since when KEDA has called the scaler not ready (flips ignored), and since when it has called it ready."""
    verdict = condition(world.scaled_object, "Ready").get("status")
    unready_since = world.memory.scaler_unready_since or blamed_since(world)
    if verdict == "False":
        return unready_since or now, None
    if verdict != "True":
        return unready_since, None
    ready_since = world.memory.scaler_ready_since or now
    return (None if now - ready_since >= SCALER_PATIENCE else unready_since), ready_since


def blamed_since(world: World) -> datetime | None:
    """A restart forgets the memory but not the verdict in status: it stands until the scaler has been ready long enough."""
    for entry in world.previous.get("conditions") or ():
        if entry.get("type") == "ScalingReady" and entry.get("reason") == "ScaledObjectNotReady":
            since = time_of(entry.get("lastTransitionTime"))
            return since - SCALER_PATIENCE if since else None
    return None


def condition(item: Json | None, kind: str) -> Mapping[str, Any]:
    """A condition of a child, empty when it has none of that type."""
    conditions = ((item or {}).get("status") or {}).get("conditions") or ()
    return next((entry for entry in conditions if entry.get("type") == kind), {})


def mount_failures(world: World) -> Iterator[tuple[str, tuple[str, str]]]:
    """For every pod in which nothing has started: the Event that says why, kept after it has expired."""
    for pod in pods_of(world.pods, {}):
        if not pod.awaits_sandbox:
            continue
        events = [event for event in world.events if blames(event, pod.name, pod.uid)]
        if events:
            telling = max(events, key=tells_most)
            yield pod.uid, (str(telling.get("reason")), str(telling.get("message") or ""))
        elif pod.uid in world.memory.mount_failures:
            yield pod.uid, world.memory.mount_failures[pod.uid]


def blames(event: Json, name: str, uid: str) -> bool:
    """Whether the Event is a Warning of P6 about this pod."""
    about = event.get("involvedObject") or {}
    this_pod = about.get("kind") == "Pod" and about.get("name") == name and about.get("uid", uid) == uid
    return this_pod and event.get("type") == "Warning" and event.get("reason") in EVENT_REASONS


def tells_most(event: Json) -> tuple[bool, bool, datetime, str]:
    """Kubelet alternates between the cause and "timed out waiting": what names a missing thing or a volume comes first."""
    message = str(event.get("message") or "")
    return bool(NOT_FOUND.search(message)), "timed out waiting" not in message, happened(event), message


def happened(event: Json) -> datetime:
    """When the Event was last seen."""
    times = (event.get("series") or {}).get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime")
    return next((found for text in times if (found := time_of(text))), EPOCH)
