"""What has to happen before a deleted actor may go, and what becomes of a queue nobody needs any more?

Called by act/deletion.py and act/former_queues.py (contract: controller, Deletion and other transitions). Must not look at a broker.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from asya_controller.decide.counts import lenient
from asya_controller.decide.events import DELETION_POLICIES, Event
from asya_controller.decide.transports import Transport
from asya_controller.decide.world import Json
from asya_schemas.actor import effective
from asya_schemas.actor.identity import DELETION_POLICY_ANNOTATION, FORCE_DELETE_ANNOTATION
from asya_schemas.durations import parse_duration

DRAIN_ALLOWANCE_S = 60
FIRST_TRY = timedelta(seconds=20)
"""What a controller that comes to an old deletion gives the broker all the same: enough for two looks at an empty queue."""
Policy = Literal["Delete", "DeleteIfEmpty", "Retain"]


def forced(actor: Json) -> bool:
    """Whether nothing outside Kubernetes is to be cleaned."""
    return annotations(actor).get(FORCE_DELETE_ANNOTATION) == "true"


def policy_of(actor: Json, transport: Transport) -> Policy:
    """The annotation's policy, else the transport's; a word nobody knows keeps the queue."""
    asked = annotations(actor).get(DELETION_POLICY_ANNOTATION)
    if asked is None:
        return transport.config.deletion_policy
    found: Policy = asked if asked in DELETION_POLICIES else "Retain"
    return found


def drain_until(spec: Mapping[str, Any], deleted_at: datetime) -> datetime:
    """How long work in progress is waited for."""
    return deleted_at + timedelta(seconds=lenient(effective.grace_s, spec, 330) + DRAIN_ALLOWANCE_S)


def cleanup_of(text: str) -> timedelta:
    """The operator's bound."""
    return timedelta(seconds=parse_duration(text))


def given_up_at(pods_gone_at: datetime, begun_at: datetime, cleanup: timedelta) -> datetime:
    """When queues that could not be dealt with are left behind: `cleanup` after the pods were gone, whoever controlled the actor then.
    `begun_at` is when this process began to deal with them.
    """
    return max(pods_gone_at + cleanup, begun_at + min(cleanup, FIRST_TRY))


def removal_event(queue: str, result: str, messages: int, policy: Policy) -> Event | None:
    """What is told of a queue that has been dealt with; nothing of one that was not there."""
    if result == "deleted":
        if policy == "DeleteIfEmpty" and messages:
            return Event(
                "Warning",
                "MessagesLost",
                f"queue '{queue}' got {messages} messages while it was deleted; they are lost",
            )
        return Event("Normal", "QueueDeleted", f"queue '{queue}' was deleted with {messages} messages")
    if result == "kept":
        return Event(
            "Normal", "QueueRetained", f"queue '{queue}' was kept: it holds {messages} messages, or somebody reads it"
        )
    if result == "retained":
        return Event("Normal", "QueueRetained", f"queue '{queue}' was kept, as the deletion policy says")
    if result == "foreign":
        return Event("Normal", "QueueRetained", f"queue '{queue}' was kept: it belongs to somebody else")
    return None


def leaked_event(queue: str, why: str) -> Event:
    """A queue that stays because the broker could not be asked in time."""
    return Event("Warning", "QueueLeaked", f"queue '{queue}' was left behind: {why}; remove it by hand")


def annotations(actor: Json) -> Mapping[str, Any]:
    """The actor's annotations."""
    found: Mapping[str, Any] = (actor.get("metadata") or {}).get("annotations") or {}
    return found
