"""What has to be written so that the cluster looks as desired?

Compares desired objects with live ones in normal form (contract: controller, One pass 4-6, Objects, Applying). Called by the pass,
after `check` accepted the spec. Must not say how a write is done: field managers and repeats are the edge's affair.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from asya_controller.decide.conditions import Verdict
from asya_controller.decide.counts import counts_of, scaling_enabled
from asya_controller.decide.desired import APPLIED_HASH, Desired
from asya_controller.decide.normal import contains, evident, normal
from asya_controller.decide.pods import time_of
from asya_controller.decide.workload import number
from asya_controller.decide.world import Json, Refusal, World
from asya_schemas.actor import effective
from asya_schemas.actor.identity import KIND, SUSPEND_ANNOTATION

NO_UPDATE = frozenset({"InvalidTransport", "QueueNameInvalid", "QueueConflict"})
KEDA_PATIENCE = timedelta(seconds=60)
"""KEDA holds finalizers; after this long without it, switching scaling off goes on."""


@dataclass(frozen=True, slots=True)
class Step:
    """One write. `replicas` is the count a new workload starts with, or the live one that is handed over; `uid` that of the object to
    remove. `scaled`: a new workload's count is somebody else's from the beginning.

    `why`: `missing`, `changed` (we want something else than before), `drifted` (somebody else changed it), `due` (to be sure),
    `handover` (the count becomes the autoscaler's), `unanswered` (the count becomes ours although KEDA has not let go), `not wanted`.
    """

    verb: Literal["create", "apply", "handover", "remove"]
    object: Json
    why: str
    replicas: int | None = None
    uid: str | None = None
    scaled: bool = False


def plan(world: World, desired: Desired, transport: Verdict | None, now: datetime) -> tuple[Step, ...]:
    """The writes that lead from what was observed to what is desired, in order; empty when nothing differs or all is suspended."""
    if (world.metadata.get("annotations") or {}).get(SUSPEND_ANNOTATION) == "true":
        return ()
    return (*applies(world, desired, transport, now), *removals(world, desired, now))


def applies(world: World, desired: Desired, transport: Verdict | None, now: datetime) -> Iterator[Step]:
    """ServiceAccount, workload, TriggerAuthentication, ScaledObject; the last two only with KEDA and something to scale."""
    if desired.service_account is not None:
        yield from applied(world.service_account, desired.service_account, world)
    there = same_kind(world.workload, desired.workload)
    usable = transport is not None and transport.true
    if there is None and usable:
        made = without_replicas(desired.workload)
        yield Step("create", made, "missing", replicas=first_replicas(world), scaled=scaling_enabled(world))
    elif there is not None and (transport is None or transport.reason not in NO_UPDATE):
        wanted = without_replicas(desired.workload) if scaler_still_there(world, now) else desired.workload
        yield from workload_applied(there, wanted, world)
    if not world.keda or (there is None and not usable):
        return
    for live, child in (
        (world.trigger_authentication, desired.trigger_authentication),
        (world.scaled_object, desired.scaled_object),
    ):
        if child is not None:
            yield from applied(live, child, world)


def removals(world: World, desired: Desired, now: datetime) -> Iterator[Step]:
    """Children that are no longer wanted. The other kind's workload goes when the new one does its work."""
    counts = counts_of(world, now)
    replaced = same_kind(world.workload, desired.workload) is not None and counts.ready >= counts.desired
    unwanted = (
        (world.scaled_object, desired.scaled_object is None),
        (world.trigger_authentication, desired.trigger_authentication is None),
        (world.service_account, desired.service_account is None),
        (world.other_workload, replaced),
    )
    for live, gone in unwanted:
        if live is not None and gone and owned(live, world) and not live["metadata"].get("deletionTimestamp"):
            yield Step("remove", live, "not wanted", uid=str(live["metadata"].get("uid")))


def workload_applied(live: Json, wanted: dict[str, Any], world: World) -> Iterator[Step]:
    """The apply of a workload, around which the count changes hands where scaling is on (contract: controller, Applying, Replicas)."""
    if not owned(live, world):
        return
    fields, scaled = world.fields.get(str(live.get("kind"))), scaling_enabled(world)
    handover = Step("handover", live, "handover", replicas=number((live.get("spec") or {}).get("replicas"), 1))
    # First the helper owns the count too, then we let go of it: at no moment is it nobody's.
    if scaled and fields is not None and fields.replicas:
        yield handover
        yield Step("apply", wanted, "changed")
    else:
        yield from applied(live, wanted, world)
    if scaled and fields is not None and fields.handover_open:
        yield handover


def applied(live: Json | None, wanted: dict[str, Any], world: World) -> Iterator[Step]:
    """The apply that `wanted` needs, if any; an object of somebody else is never touched."""
    if live is None:
        yield Step("create", wanted, "missing")
    elif owned(live, world) and (
        why := count_taken(wanted, world) or difference(live, wanted) or unsure(wanted, world)
    ):
        yield Step("apply", wanted, why)


def count_taken(wanted: Json, world: World) -> str | None:
    """Why the count is written that the autoscaler has had: its difference is nobody's interference."""
    fields = world.fields.get(str(wanted["kind"]))
    if fields is None or fields.replicas or "replicas" not in (wanted.get("spec") or {}):
        return None
    if world.left.get(str(wanted["kind"]), fields.applied) != fields.applied:
        return None  # it was ours, and somebody took it
    return "unanswered" if scaler_left(world) else "changed"


def difference(live: Json, wanted: Json) -> str | None:
    """Why `live` is not as wanted; None when an apply would change nothing."""
    if annotation(live) != annotation(wanted):
        return "changed"
    return None if evident(live, wanted) or contains(normal(live), normal(wanted)) else "drifted"


def unsure(wanted: Json, world: World) -> str | None:
    """Why an object that looks as wanted is applied all the same: its fields are not ours as we left them, or its time has come."""
    kind = str(wanted["kind"])
    fields = world.fields.get(kind)
    if fields is not None:
        left = world.left.get(kind, fields.applied)
        sent = "replicas" in (wanted.get("spec") or {})
        if fields.applied is None or fields.applied != left or (sent and not fields.replicas):
            return "changed"
    return "due" if kind in world.due else None


def annotation(item: Json) -> str | None:
    """The hash of what was applied."""
    found = ((item.get("metadata") or {}).get("annotations") or {}).get(APPLIED_HASH)
    return None if found is None else str(found)


def owned(item: Json, world: World) -> bool:
    """Whether the object's controller is this very AsyncActor, not one of the same name before it."""
    owners = (item.get("metadata") or {}).get("ownerReferences") or ()
    return any(owner.get("controller") and owner.get("uid") == world.metadata.get("uid") for owner in owners)


def conflicts(world: World) -> tuple[Refusal, ...]:
    """A refusal for every child that exists without being ours."""
    children = (world.service_account, world.workload, world.trigger_authentication, world.scaled_object)
    return tuple(
        Refusal(
            kind=str(item.get("kind")),
            name=str(item["metadata"].get("name")),
            reason="NameConflict",
            message=f"{item.get('kind')} '{item['metadata'].get('name')}' exists and is not owned by this AsyncActor",
        )
        for item in children
        if item is not None and not owned(item, world) and not of_predecessor(item, world)
    )


def predecessors(world: World) -> tuple[Json, ...]:
    """Children of an actor of the same name before this one: garbage that is about to be collected."""
    children = (
        world.service_account,
        world.workload,
        world.other_workload,
        world.trigger_authentication,
        world.scaled_object,
    )
    return tuple(item for item in children if item is not None and of_predecessor(item, world))


def of_predecessor(item: Json, world: World) -> bool:
    """Whether the object belongs to an AsyncActor of this name and another uid."""
    owners = (item.get("metadata") or {}).get("ownerReferences") or ()
    return any(
        owner.get("controller")
        and owner.get("kind") == KIND
        and owner.get("name") == world.name
        and owner.get("uid") != world.metadata.get("uid")
        for owner in owners
    )


def same_kind(live: Json | None, wanted: Mapping[str, Any]) -> Json | None:
    """The live workload, unless it is of the kind that is being left."""
    return live if live is not None and live.get("kind") == wanted["kind"] else None


def without_replicas(workload: dict[str, Any]) -> dict[str, Any]:
    """The workload without the one field that somebody else decides."""
    return {**workload, "spec": {key: value for key, value in workload["spec"].items() if key != "replicas"}}


def scaler_left(world: World) -> list[Json]:
    """KEDA's objects that were asked to go, or have yet to be."""
    return [item for item in (world.scaled_object, world.trigger_authentication) if item is not None]


def scaler_still_there(world: World, now: datetime) -> bool:
    """Whether KEDA may still set the count although scaling was switched off. The HPA goes with the ScaledObject: while KEDA holds that
    one back, nobody asks the HPA to go.
    """
    if scaling_enabled(world):
        return False
    left = scaler_left(world)
    since = [time_of((item.get("metadata") or {}).get("deletionTimestamp")) for item in left]
    if not left:
        return world.hpa is not None
    return not all(moment is not None and now - moment >= KEDA_PATIENCE for moment in since)


def first_replicas(world: World) -> int:
    """The count of a new workload: as asked, KEDA's minimum (at least 1 where nothing would wake it), or the other kind's."""
    if not scaling_enabled(world):
        return effective.replicas(world.spec)
    former = world.other_workload
    if former is not None:
        return number((former.get("spec") or {}).get("replicas"), 1)
    return max(effective.min_replicas(world.spec), 0 if world.keda else 1)
