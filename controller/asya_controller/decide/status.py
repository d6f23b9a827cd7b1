"""How is this actor?

One function from facts and a time to the whole status (contract: crd, Status to Write rates; controller, Status). Called by the
controller after every pass and by the local mesh, unchanged. Must not do I/O or read a clock: the same facts and time give the same status.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from asya_controller.decide.assessment import Assessment, assess
from asya_controller.decide.conditions import Verdict
from asya_controller.decide.queues import previous_queues
from asya_controller.decide.readiness import progress, ready
from asya_controller.decide.reasons import CLASS_OF, CLASS_ORDER
from asya_controller.decide.wording import LONGEST_MESSAGE, cut
from asya_controller.decide.world import World
from asya_schemas.actor.identity import FLUX_RECONCILE_ANNOTATION, RECONCILE_ANNOTATION, SUSPEND_ANNOTATION
from asya_schemas.names import dead_letter_queue, queue_name

OURS = ("TransportReady", "WorkloadReady", "ScalingReady", "Ready", "Reconciling", "Stalled")


@dataclass(frozen=True, slots=True)
class Value:
    """One of the sixteen values and the sentence why; `rule` is the function that found it."""

    value: str
    message: str
    rule: str = ""


def status_of(world: World, now: datetime) -> dict[str, Any]:
    """The status to write, complete: what is unknown is left out, foreign conditions are kept.

    `world.actor["status"]` must be the status returned last: previous conditions, Desired and the shortage are read from it.
    `now` is timezone-aware. Keep `memory.remember(world, now)` for the next World.
    """
    found = assess(world, now)
    return written(found, value_of(found))


def explained(world: World, now: datetime) -> Value:
    """The value with the name of the rule that fired, for `asya explain`."""
    return value_of(assess(world, now))


def written(found: Assessment, decided: Value) -> dict[str, Any]:
    """Every field of the status, what is unknown left out."""
    world = found.world
    observed = (
        world.metadata.get("generation", 1) if world.pass_finished else world.previous.get("observedGeneration", -1)
    )
    status: dict[str, Any] = {
        "observedGeneration": observed,
        "status": decided.value,
        "message": decided.message,
        "conditions": conditions(found, decided, observed),
        **numbers(found),
        **(scale_fields(found) if decided.value != "Creating" else {}),
        "scalingMode": "KEDA" if found.scaled else "Manual",
        "transportStatus": "Ready" if found.transport and found.transport.true else "NotReady",
        **queue_fields(found),
        **references(found),
    }
    return {key: item for key, item in status.items() if item is not None}


# --- the value, first match -------------------------------------------------------------------------------------------


def terminating(found: Assessment) -> Value | None:
    """The object is being deleted."""
    if not found.world.metadata.get("deletionTimestamp"):
        return None
    return Value("Terminating", found.world.awaiting or "the actor is being deleted")


def creating(found: Assessment) -> Value | None:
    """No pass has finished yet."""
    seen = found.world.previous.get("observedGeneration", -1)
    return Value("Creating", "the first pass is under way") if not found.world.pass_finished and seen <= 0 else None


def transport_failed(found: Assessment) -> Value | None:
    """The queue cannot be used."""
    return Value("TransportError", found.transport.message) if found.transport and found.transport.false else None


def workload_failed(found: Assessment) -> Value | None:
    """Spec, pod creation or pods are at fault: seven values, by the reason's class."""
    name = CLASS_OF.get(found.workload.reason)
    return Value(name, found.workload.message) if found.workload.false and name in CLASS_ORDER else None


def scaling_failed(found: Assessment) -> Value | None:
    """The autoscaler does not work."""
    return Value("ScalingError", found.scaling.message) if found.scaling and found.scaling.false else None


def napping(found: Assessment) -> Value | None:
    """Scaled to zero on purpose."""
    return Value("Napping", "") if found.scaled and found.counts.desired == 0 else None


def too_few_pods(found: Assessment) -> Value | None:
    """Pods are missing."""
    return shortage(found) if found.counts.active < found.counts.desired else None


def too_many_pods(found: Assessment) -> Value | None:
    """More pods than wanted, and not because they are being replaced."""
    surplus = found.counts.active > found.counts.desired and not found.counts.rollout
    return Value("ScalingDown", "there are more pods than wanted") if surplus else None


def too_few_ready(found: Assessment) -> Value | None:
    """The pods are there, not all of them are ready."""
    return shortage(found) if found.counts.ready < found.counts.desired else None


def draining(found: Assessment) -> Value | None:
    """Pods still finish their work after a scale down."""
    last = found.last_scale
    lately = last.at is not None and last.direction == "down" and found.now - last.at <= found.drain_window
    return Value("ScalingDown", "pods finish their work and go") if found.counts.deleting and lately else None


def running(_: Assessment) -> Value | None:
    """As it should be."""
    return Value("Running", "")


def shortage(found: Assessment) -> Value:
    """A shortage is first an expectation, later a fault."""
    message = found.workload.message
    return Value("Degraded", message) if found.long_shortage else Value("ScalingUp", message)


RULES: tuple[Callable[[Assessment], Value | None], ...] = (
    terminating,
    creating,
    transport_failed,
    workload_failed,
    scaling_failed,
    napping,
    too_few_pods,
    too_many_pods,
    too_few_ready,
    draining,
    running,
)
"""The priority table: the first that finds its fault decides."""


def value_of(found: Assessment) -> Value:
    """The first match."""
    for rule in RULES:
        if value := rule(found):
            return Value(value.value, cut(value.message, LONGEST_MESSAGE), rule.__name__)
    raise AssertionError("the last rule always finds something")


# --- conditions -------------------------------------------------------------------------------------------------------


def conditions(found: Assessment, decided: Value, observed: int) -> list[dict[str, Any]]:
    """Ours in a fixed order, then those of others as they were."""
    former = {str(entry.get("type")): entry for entry in found.world.previous.get("conditions") or ()}
    written = [
        entry(kind, verdict, former.get(kind), observed, found.now) for kind, verdict in facts(found, decided.value)
    ]
    since = next((item["lastTransitionTime"] for item in written if item["type"] == "WorkloadReady"), None)
    is_ready = ready(found, decided.value, decided.message)
    written.append(entry("Ready", is_ready, former.get("Ready"), observed, found.now))
    if other := progress(found, decided.value, is_ready, since):
        written.append(entry(*other, former.get(other[0]), observed, found.now))
    kept = [
        dict(item) for kind, item in former.items() if kind not in OURS or (being_removed(decided) and kind in OURS[:3])
    ]
    return written + kept


def being_removed(decided: Value) -> bool:
    """While an actor goes, what was known of its parts stays as it was: they go too, and that is no fault."""
    return decided.value == "Terminating"


def facts(found: Assessment, value: str) -> Iterator[tuple[str, Verdict]]:
    """The three conditions that are judged; none before the first pass has looked, none while the actor goes."""
    if value in ("Creating", "Terminating"):
        return
    verdicts = (found.transport, found.workload, found.scaling)
    yield from ((kind, verdict) for kind, verdict in zip(OURS, verdicts, strict=False) if verdict)


def entry(
    kind: str, verdict: Verdict, former: Mapping[str, Any] | None, observed: int, now: datetime
) -> dict[str, Any]:
    """A condition as it is written; its time changes with its status only."""
    kept = former.get("lastTransitionTime") if former and former.get("status") == verdict.status else None
    return {
        "type": kind,
        "status": verdict.status,
        "reason": verdict.reason,
        "message": cut(verdict.message, LONGEST_MESSAGE),
        "lastTransitionTime": kept or stamp(now),
        "observedGeneration": observed,
    }


def stamp(moment: datetime) -> str:
    """A time as Kubernetes writes it, whole seconds."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


# --- the other fields -------------------------------------------------------------------------------------------------


def numbers(found: Assessment) -> dict[str, Any]:
    """Counters of pods and messages."""
    counts, queue = found.counts, found.world.queue
    return {
        "readyReplicas": counts.ready,
        "pendingReplicas": len(counts.pending_pods),
        "failingPods": len(counts.failing),
        "totalReplicas": counts.total,
        "queuedMessages": queue.queued if queue else None,
        "processingMessages": queue.processing if queue else None,
    }


def scale_fields(found: Assessment) -> dict[str, Any]:
    """Desired, its last change and the present shortage; nothing before the first pass: a first value is no change."""
    last = found.last_scale
    return {
        "desiredReplicas": found.counts.desired,
        "lastScaleTime": stamp(last.at) if last.at else None,
        "lastScaleDirection": last.direction,
        "lastScaleFormatted": last.told(found.now),
        "shortSince": stamp(found.short_since) if found.short_since else None,
    }


def queue_fields(found: Assessment) -> dict[str, Any]:
    """Transport and queues as resolved.

    What cannot be resolved stays as it was, so that an old queue is not forgotten, and so it does while the actor is suspended and its
    pods stay with the queue they have. A name that is too long for a queue is too long for a status, too.
    """
    world = found.world
    name = str(world.spec.get("transport"))
    transport = world.config.transport(name)
    too_long = found.violation is not None and found.violation.reason == "QueueNameInvalid"
    if transport is None or too_long or (suspended(world) and world.previous.get("queue")):
        kept = ("transport", "queue", "queueUrl", "deadLetterQueue", "previousQueues")
        return {key: world.previous.get(key) for key in kept}
    queue = queue_name(transport.config.queue_name_template, world.namespace, world.name)
    return {
        "transport": {"name": name, "type": transport.type},
        "queue": queue,
        "queueUrl": world.queue.url if world.queue else world.previous.get("queueUrl"),
        "deadLetterQueue": dead_letter_queue(queue),
        "previousQueues": previous_queues(world, name, queue) or None,
    }


def references(found: Assessment) -> dict[str, Any]:
    """Children, and what the author asked for by annotation."""
    workload, annotations = found.world.workload, found.world.metadata.get("annotations") or {}
    reference = {
        "apiVersion": "apps/v1",
        "kind": (workload or {}).get("kind"),
        "name": ((workload or {}).get("metadata") or {}).get("name"),
    }
    return {
        "workloadRef": reference if workload else None,
        "scaledObjectRef": {"name": found.world.name} if found.scaled else None,
        "suspended": True if suspended(found.world) else None,
        "lastHandledReconcileAt": handled(found.world, annotations),
    }


def suspended(world: World) -> bool:
    """The author wants children and broker left as they are."""
    return (world.metadata.get("annotations") or {}).get(SUSPEND_ANNOTATION) == "true"


def handled(world: World, annotations: Mapping[str, Any]) -> str | None:
    """The newest reconcile request that a pass has dealt with."""
    asked = [str(annotations[key]) for key in (RECONCILE_ANNOTATION, FLUX_RECONCILE_ANNOTATION) if key in annotations]
    former: str | None = world.previous.get("lastHandledReconcileAt")
    return max(asked) if asked and world.pass_finished else former
