"""What Events say about a pod, a StatefulSet or a ScaledObject that says nothing itself.

Called by passes. Lists Events of one object, at most every 30 s (contract: controller, Watching and queueing): a watch of all Events of a
cluster would cost more than everything else together.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

import structlog

from asya_controller.act.actor_state import ActorState, Looked
from asya_controller.act.api import Api
from asya_controller.act.api_errors import ApiError
from asya_controller.act.gather import Children
from asya_controller.act.kinds import CORE_EVENT, STATEFUL_SET
from asya_controller.decide.memory import condition
from asya_controller.decide.pods import pods_of, time_of
from asya_controller.decide.world import Json, World

log = structlog.get_logger()

SILENT_FOR = timedelta(seconds=15)
LOOK_EVERY_S = 30.0
KEPT = ("type", "reason", "message", "lastTimestamp", "eventTime", "series", "involvedObject")


def ask(api: Api, world: World, children: Children, state: ActorState, now: datetime, now_s: float) -> float | None:
    """Read Events of whoever has waited long enough without a cause; seconds until somebody is to be asked (again)."""
    waits: list[float] = []
    silent = dict(silent_ones(world, children))
    for uid in state.looked.keys() - silent.keys():
        del state.looked[uid]
    for uid, since in silent.items():
        patience = (since + SILENT_FOR - now).total_seconds()
        looked = state.looked.get(uid)
        again = looked.at + LOOK_EVERY_S - now_s if looked else 0.0
        if (wait := max(patience, again)) > 0:
            waits.append(wait)
            continue
        state.looked[uid] = Looked(now_s, read(api, world.namespace, uid, looked))
        waits.append(LOOK_EVERY_S)
    return min(waits, default=None)


def read(api: Api, namespace: str, uid: str, before: Looked | None) -> tuple[Json, ...]:
    """The Events about one object; those read before when the server does not give them now: a status does not wait for hearsay."""
    try:
        pages = list(api.pages(CORE_EVENT, namespace, fields=f"involvedObject.uid={uid}"))
    except ApiError as error:
        log.warning("events not read", uid=uid, problem=error.message)
        return before.events if before else ()
    found = (event for page, _ in pages for event in page)
    return tuple({key: event[key] for key in KEPT if key in event} for event in found)


def silent_ones(world: World, children: Children) -> Iterator[tuple[str, datetime]]:
    """uid and since when: pods in which nothing starts, a StatefulSet without its pods, a ScaledObject that is not ready."""
    for pod in pods_of(world.pods, {}):
        scheduled = pod.scheduling[0] not in ("Unschedulable", "SchedulerError")
        if pod.active and pod.awaits_sandbox and scheduled and not any(item.waiting_message for item in pod.containers):
            yield pod.uid, pod.created
    workload = children.workload
    if workload is not None and children.workload_kind is STATEFUL_SET and world.workload is not None:
        wanted = (world.workload.get("spec") or {}).get("replicas") or 0
        if len(world.pods) < wanted:
            yield workload.uid, created(world.workload)
    if world.scaled_object is not None and condition(world.scaled_object, "Ready").get("status") == "False":
        yield str(world.scaled_object["metadata"]["uid"]), created(world.scaled_object)


def created(item: Json) -> datetime:
    """When an object was made."""
    found = time_of(item["metadata"].get("creationTimestamp"))
    assert found is not None, "the server sets it"
    return found
