"""Which transitions are worth an Event?

Called after status_of with the status before and after, and with the writes that were made (contract: controller, Events). Events are
data; somebody else emits them. Must not repeat a state: only what begins or ends is told.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from asya_controller.decide.config import EndActors
from asya_controller.decide.plan import Step
from asya_controller.decide.reasons import ERROR_STATUSES
from asya_controller.decide.world import QueueFacts
from asya_schemas.actor.identity import DELETION_POLICY_ANNOTATION

TOLD_UNDER_OWN_NAME = ERROR_STATUSES | {"Degraded"}
TOLD_REASONS = frozenset({"QueueDrift", "QueueConflict", "ReadyMessagesOnly", "Contested"})
DELETION_POLICIES = ("Delete", "DeleteIfEmpty", "Retain")

Status = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """One Event about the AsyncActor."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


def transitions(before: Status, after: Status) -> tuple[Event, ...]:
    """Events for what changed between two statuses, in a fixed order."""
    return (
        *value_events(before, after),
        *reason_events(before, after),
        *scale_events(before, after),
        *mode_events(before, after),
        *suspend_events(before, after),
    )


def value_events(before: Status, after: Status) -> Iterator[Event]:
    """A fault under its own name when it begins, `Recovered` when it ends."""
    old, new = before.get("status"), str(after.get("status"))
    if new in TOLD_UNDER_OWN_NAME and new != old:
        yield Event("Warning", new, str(after.get("message") or ""))
    if old in TOLD_UNDER_OWN_NAME and new not in TOLD_UNDER_OWN_NAME | {"Terminating"}:
        yield Event("Normal", "Recovered", f"{old} is over")


def reason_events(before: Status, after: Status) -> Iterator[Event]:
    """Reasons of conditions that deserve a word although, or before, the value says it."""
    known = set(reasons(before))
    for reason, message in reasons(after).items():
        if reason in TOLD_REASONS and reason not in known:
            yield Event("Warning", reason, message)


def reasons(status: Status) -> dict[str, str]:
    """Reason -> message of every condition."""
    return {str(item.get("reason")): str(item.get("message") or "") for item in status.get("conditions") or ()}


def scale_events(before: Status, after: Status) -> Iterator[Event]:
    """To zero and back, while scaling is on."""
    old, new = before.get("desiredReplicas"), after.get("desiredReplicas")
    if after.get("scalingMode") != "KEDA" or old is None or new is None:
        return
    if old > 0 and new == 0:
        yield Event("Normal", "ScaledToZero", "no message came for the cooldown")
    if old == 0 and new > 0:
        yield Event("Normal", "ScaledFromZero", "messages wait")


def mode_events(before: Status, after: Status) -> Iterator[Event]:
    """Scaling switched on or off."""
    old, new = before.get("scalingMode"), after.get("scalingMode")
    if old is not None and old != new:
        on = new == "KEDA"
        yield Event(
            "Normal",
            "ScalingEnabled" if on else "ScalingDisabled",
            f"replicas follow {'the queue' if on else 'the spec'}",
        )


def suspend_events(before: Status, after: Status) -> Iterator[Event]:
    """Suspended or resumed."""
    old, new = bool(before.get("suspended")), bool(after.get("suspended"))
    if new and not old:
        yield Event("Normal", "Suspended", "children and broker are left as they are")
    if old and not new:
        yield Event("Normal", "Resumed", "children and broker are managed again")


def work_events(steps: Collection[Step], queue: QueueFacts | None, had_workload: bool) -> tuple[Event, ...]:
    """Events for what a pass made: queues, the workload, and children that somebody had deleted or changed."""
    return tuple(work_told(steps, queue, had_workload))


def work_told(steps: Collection[Step], queue: QueueFacts | None, had_workload: bool) -> Iterator[Event]:
    """`had_workload`: the status written last names a workload, so a missing child was lost, not new."""
    if queue is not None and queue.created:
        yield Event("Normal", "QueueCreated", "main and dead-letter queue were created")
    for step in steps:
        kind, name = step.object.get("kind"), step.object["metadata"].get("name")
        if step.verb == "create" and kind in ("Deployment", "StatefulSet") and not had_workload:
            yield Event("Normal", "WorkloadCreated", f"{kind} '{name}' was created")
        elif step.why == "unanswered":
            text = f"ScaledObject '{name}' was to go 60 s ago and KEDA still holds it: the count of {kind} '{name}' is set without it"
            yield Event("Warning", "KEDANotResponding", text)
        elif step.why == "drifted" or (step.why == "missing" and had_workload):
            yield Event("Normal", "ChildRestored", f"{kind} '{name}' was restored")


def namespace_events(actors: Collection[str], end_actors: EndActors) -> tuple[Event, ...]:
    """`EndActorMissing` for the sink and the sump that no AsyncActor of the namespace is; their queues keep what arrives."""
    missing = [name for name in (end_actors.sink, end_actors.sump) if name not in actors]
    text = "no AsyncActor of this name is in the namespace: what is sent there waits in its queue"
    return (Event("Warning", "EndActorMissing", f"{' and '.join(missing)}: {text}"),) if missing else ()


def annotation_events(annotations: Mapping[str, Any]) -> tuple[Event, ...]:
    """`InvalidAnnotation` for a deletion policy nobody knows, which counts as Retain."""
    policy = annotations.get(DELETION_POLICY_ANNOTATION)
    if policy is None or policy in DELETION_POLICIES:
        return ()
    allowed = ", ".join(DELETION_POLICIES)
    return (
        Event(
            "Warning",
            "InvalidAnnotation",
            f"{DELETION_POLICY_ANNOTATION}: expected one of {allowed}, got {policy!r}; Retain is used",
        ),
    )
