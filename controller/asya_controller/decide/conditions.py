"""Is the transport ready, is the workload, is the scaling?

One function per condition, each "first match" of the contract (controller, Status and KEDA; crd, Conditions). Called by status.py.
Must not compute the status value: that depends on all three.
"""

import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from asya_controller.decide.causes import Cause, cause_of, not_ready
from asya_controller.decide.check import Violation
from asya_controller.decide.counts import Counts, scaling_enabled
from asya_controller.decide.memory import SCALER_PATIENCE, condition, happened
from asya_controller.decide.pods import time_of
from asya_controller.decide.reasons import CLASS_OF, CLASS_ORDER, FAILED_CHECKS, USABLE_QUEUE
from asya_controller.decide.transports import RabbitMQ
from asya_controller.decide.wording import LONGEST_SERVER_WORDS, cut, masked, words
from asya_controller.decide.world import Json, World

QUEUE_PATIENCE = timedelta(seconds=30)
API_PATIENCE = timedelta(seconds=60)
KEDA_SILENT = "KEDA has not looked at the ScaledObject for a minute: its operator is not running, or does not watch this namespace"
SCALING_KINDS = frozenset({"ScaledObject", "TriggerAuthentication"})
# What ScalingReady has a word for; any other fault of these objects is one of the whole workload.
SCALING_REFUSALS = frozenset({"ScaledObjectRefused", "NameConflict", "RBACDenied"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """Status, reason and message of a condition."""

    status: str
    reason: str
    message: str

    @property
    def true(self) -> bool:
        """Status True."""
        return self.status == "True"

    @property
    def false(self) -> bool:
        """Status False."""
        return self.status == "False"


def before(world: World, kind: str) -> Verdict | None:
    """The condition as it was written last."""
    for entry in world.previous.get("conditions") or ():
        if entry.get("type") == kind:
            return Verdict(str(entry.get("status")), str(entry.get("reason") or ""), str(entry.get("message") or ""))
    return None


# --- TransportReady ---------------------------------------------------------------------------------------------------


def transport_ready(world: World, violation: Violation | None, now: datetime) -> Verdict | None:
    """Whether the queue can be used. None when nobody has looked yet."""
    if violation and violation.condition == "TransportReady":
        return Verdict("False", violation.reason, violation.message)
    if violation:
        return Verdict("Unknown", "NotChecked", "the transport is looked at when the spec is accepted")
    facts, last = world.queue, before(world, "TransportReady")
    if facts is None:
        return last
    if facts.reason in USABLE_QUEUE:
        return Verdict("True", facts.reason, masked(facts.message) or QUEUE_MESSAGES[facts.reason])
    since = world.memory.queue_failing_since or now
    if facts.reason in FAILED_CHECKS and last and last.true and same_queue(world) and now - since < QUEUE_PATIENCE:
        return last
    return Verdict("False", facts.reason, words(facts.message, LONGEST_SERVER_WORDS))


QUEUE_MESSAGES = {
    "QueueReady": "the queue is there",
    "QueueDrift": "the queue works but differs from what was asked for",
    "NotManaged": "queue management is switched off",
}


def same_queue(world: World) -> bool:
    """Whether the queue verified before is the one looked at now: a new transport's queue has no credit."""
    former = (world.previous.get("transport") or {}).get("name")
    return former is None or former == world.spec.get("transport")


# --- WorkloadReady ----------------------------------------------------------------------------------------------------


def workload_ready(
    world: World, violation: Violation | None, counts: Counts, transport: Verdict | None, long: bool, now: datetime
) -> Verdict:
    """Whether the pods do their work."""
    if violation and violation.condition == "WorkloadReady":
        return Verdict("False", violation.reason, violation.message)
    if refused := refusal(world, now, of_scaling=False):
        return refused
    if world.workload is None and not (transport and transport.true):
        return Verdict("Unknown", "WaitingForTransport", "pods are created when the queue is there")
    if counts.desired == 0:
        return Verdict("True", "ScaledToZero", "no pods are wanted")
    if len(counts.judged(counts.active_pods)) < counts.desired and (refused := creation_refused(world)):
        return refused
    return pods_verdict(world, counts, long, now)


def pods_verdict(world: World, counts: Counts, long: bool, now: datetime) -> Verdict:
    """The part that depends on pods alone."""
    failing = counts.judged(counts.failing)
    if failing and len(counts.judged(counts.ready_pods)) < counts.desired:
        cause = most_frequent([cause_of(pod, now) for pod in failing])
        return Verdict("False", cause.reason, cause.message)
    if counts.ready >= counts.desired:
        return Verdict("True", "WorkloadAvailable", "all wanted pods are ready")
    awaited = next((not_ready(pod) for pod in counts.pending_pods), "waiting for pods to be created")
    if long:
        return Verdict("False", "ReplicasUnavailable", awaited)
    last = before(world, "WorkloadReady")
    if last and last.true:
        return Verdict("True", "WorkloadAvailable", awaited)
    return Verdict("Unknown", "Progressing", awaited)


def most_frequent(causes: list[Cause]) -> Cause:
    """The reason that most pods have, told of the oldest of them; ties by class."""
    numbers = Counter(cause.reason for cause in causes)
    rank = {reason: CLASS_ORDER.index(CLASS_OF[reason]) for reason in numbers}
    reason = min(numbers, key=lambda found: (-numbers[found], rank[found], found))
    return next(cause for cause in causes if cause.reason == reason)


def refusal(world: World, now: datetime, *, of_scaling: bool) -> Verdict | None:
    """The first answer of the API that kept a child from being applied."""
    for item in world.refusals:
        waited = item.reason != "ApiError" or (item.since is not None and now - item.since >= API_PATIENCE)
        if (item.kind in SCALING_KINDS and item.reason in SCALING_REFUSALS) is of_scaling and waited:
            return Verdict("False", item.reason, cut(masked(item.message), LONGEST_SERVER_WORDS))
    return None


def creation_refused(world: World) -> Verdict | None:
    """Pods are wanted and the API server does not let them be created: no pod exists to tell why."""
    failure = condition(world.workload, "ReplicaFailure")
    message = str(failure.get("message") or "") if failure.get("status") == "True" else refused_event(world)
    if not message:
        return None
    reason = next((reason for reason, sign in REFUSALS if sign.search(message)), "PodCreationFailed")
    return Verdict("False", reason, f"pods cannot be created: {words(message, LONGEST_SERVER_WORDS)}")


REFUSALS = (
    ("QuotaExceeded", re.compile("exceeded quota")),
    ("ServiceAccountNotFound", re.compile("serviceaccount .*not found")),
    ("PodRejected", re.compile("violates PodSecurity|forbidden")),
)


def refused_event(world: World) -> str:
    """A StatefulSet tells it by Event only; one followed by a success is history."""
    if (world.workload or {}).get("kind") != "StatefulSet":
        return ""
    events = [event for event in world.events if about_workload(event, world.workload)]
    newest = max(events, key=happened, default=None)
    return str(newest.get("message") or "") if newest and newest.get("reason") == "FailedCreate" else ""


def about_workload(event: Json, workload: Json | None) -> bool:
    """Whether the Event tells of pods being created for this workload."""
    name = ((workload or {}).get("metadata") or {}).get("name")
    about = event.get("involvedObject") or {}
    known = event.get("reason") in ("FailedCreate", "SuccessfulCreate")
    return known and about.get("kind") == "StatefulSet" and about.get("name") == name


# --- ScalingReady -----------------------------------------------------------------------------------------------------


def scaling_ready(world: World, now: datetime) -> Verdict | None:
    """Whether the autoscaler does its work. None while scaling is off."""
    if not scaling_enabled(world):
        return None
    if not world.keda:
        return Verdict("False", "KEDANotInstalled", "scaling needs KEDA, which is not installed in this cluster")
    if refused := refusal(world, now, of_scaling=True):
        return refused
    return scaler_verdict(world, now)


def scaler_verdict(world: World, now: datetime) -> Verdict:
    """What KEDA and the HPA say of the ScaledObject."""
    if condition(world.scaled_object, "Ready").get("status") not in ("True", "False"):
        created = time_of(((world.scaled_object or {}).get("metadata") or {}).get("creationTimestamp"))
        if created is not None and now - created >= SCALER_PATIENCE:
            return Verdict("False", "KEDANotResponding", KEDA_SILENT)
        return Verdict("Unknown", "WaitingForKEDA", "KEDA has not looked at the ScaledObject yet")
    if condition(world.scaled_object, "Paused").get("status") == "True":
        return Verdict("True", "Paused", "scaling is paused by an annotation of the ScaledObject")
    if scaler_blamed(world, now):
        return Verdict("False", "ScaledObjectNotReady", scaler_message(world))
    hpa = condition(world.hpa, "ScalingActive")
    since = time_of(hpa.get("lastTransitionTime"))
    if (
        hpa.get("status") == "False"
        and hpa.get("reason") != "ScalingDisabled"
        and since
        and now - since >= SCALER_PATIENCE
    ):
        return Verdict("False", "HPAError", words(str(hpa.get("message") or ""), LONGEST_SERVER_WORDS))
    if ready_messages_only(world):
        message = "the transport has no managementUrl: messages in work are invisible to the scaler, busy pods may be taken away"
        return Verdict("True", "ReadyMessagesOnly", message)
    return Verdict("True", "ScaledObjectReady", "the ScaledObject is ready")


def scaler_blamed(world: World, now: datetime) -> bool:
    """Not ready for 60 s. A flip to ready within a fault neither begins nor ends one."""
    since = world.memory.scaler_unready_since
    if since is None or now - since < SCALER_PATIENCE:
        return False
    last = before(world, "ScalingReady")
    unready = condition(world.scaled_object, "Ready").get("status") == "False"
    return unready or (last is not None and last.reason == "ScaledObjectNotReady")


def scaler_message(world: World) -> str:
    """KEDA's sentence is always the same one, so the HPA's words or those of the newest scaler Event go with it."""
    last = before(world, "ScalingReady")
    ready = condition(world.scaled_object, "Ready")
    if ready.get("status") != "False" and last:
        return last.message
    hpa = condition(world.hpa, "ScalingActive")
    failed = [event for event in world.events if event.get("reason") == "KEDAScalerFailed"]
    newest = max(failed, key=happened, default=None)
    detail = str(hpa.get("message") or "") if hpa.get("status") == "False" else str((newest or {}).get("message") or "")
    parts = [words(str(ready.get("message") or "")), words(detail, LONGEST_SERVER_WORDS)]
    return ": ".join(part for part in parts if part)


def ready_messages_only(world: World) -> bool:
    """RabbitMQ without the management API: only waiting messages are seen."""
    transport = world.config.transport(str(world.spec.get("transport")))
    return transport is not None and isinstance(transport.config, RabbitMQ) and transport.config.management_url is None
