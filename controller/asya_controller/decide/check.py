"""What is wrong with this actor's spec, by itself and against its transport?

Called first in every pass and by the status (contract: controller, Bad input): the first violation decides, and a violated spec is not
applied. `asya validate` and `asya up` call it too, so that a file gets offline the verdict a cluster would give.
Must not look at queues or children: their faults are facts of the World.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from asya_controller.decide.config import OperatorConfig
from asya_controller.decide.pod_policy import policy_violation
from asya_controller.decide.transports import RabbitMQ, Sqs, Transport
from asya_controller.decide.world import namespace_of
from asya_schemas.actor import effective
from asya_schemas.actor.paths import POD, dotted
from asya_schemas.actor.problems import Cause, Problem, Severity
from asya_schemas.actor.validate import validate
from asya_schemas.durations import parse_duration
from asya_schemas.names import dead_letter_queue, queue_name

CONSUMER_TIMEOUT_MARGIN_S = 60
SQS_LONGEST_PROCESSING_S = 39_600
LONGEST_QUEUE_NAME: Mapping[str, int] = {"rabbitmq": 255, "sqs": 80, "sqlite": 255}

Actor = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Violation:
    """The first thing wrong with a spec. `condition` is the one that turns False; all of these are terminal. `path` is the field that a
    person has to change, for who has the file.
    """

    condition: Literal["WorkloadReady", "TransportReady"]
    reason: str
    message: str
    path: tuple[str | int, ...] = field(default=("spec",), compare=False)


def check(actor: Actor, config: OperatorConfig) -> Violation | None:
    """The first violation of section 12's order, None for a spec that can be applied.

    Never raises for a bad actor: stored objects of any shape get a verdict.
    """
    return next((found for step in CHECKS if (found := step(actor, config))), None)


def invalid(actor: Actor, _: OperatorConfig) -> Violation | None:
    """A rule V1-V18 or the schema is broken. Fields nobody knows are harmless in a stored object and left to `validate`."""
    found = next((problem for problem in validate(actor) if of_stored_object(problem)), None)
    return Violation("WorkloadReady", "ValidationError", found.message, found.path) if found else None


def of_stored_object(problem: Problem) -> bool:
    """Whether the problem makes a stored object unusable: metadata is the API server's affair, apart from the rules."""
    inside = problem.cause is Cause.RULE or problem.path[:1] == ("spec",)
    return inside and problem.severity is Severity.ERROR and problem.cause is not Cause.UNKNOWN


def unrenderable(actor: Actor, _: OperatorConfig) -> Violation | None:
    """The one field of the open pod template that we compute with has a wrong type; the server would refuse it in the same way."""
    grace = effective.pod_spec(actor["spec"]).get("terminationGracePeriodSeconds")
    if grace is None or (isinstance(grace, int) and not isinstance(grace, bool)):
        return None
    path = (*POD, "terminationGracePeriodSeconds")
    return Violation("WorkloadReady", "InvalidTemplate", f"{dotted(path)}: expected an integer, got {grace!r}", path)


def denied(actor: Actor, config: OperatorConfig) -> Violation | None:
    """The pod template uses what the operator denies."""
    found = policy_violation(effective.pod_spec(actor["spec"]), config.pod_policy)
    if found is None:
        return None
    path, rule = found
    message = f"pod template uses {dotted(POD[1:])}.{path}, which is denied by policy rule {rule}"
    steps = (int(step) if step.isdigit() else step for step in re.findall(r"[^.\[\]]+", path))
    return Violation("WorkloadReady", "PolicyViolation", message, (*POD, *steps))


def unknown_transport(actor: Actor, config: OperatorConfig) -> Violation | None:
    """The transport is not there to be used."""
    name = actor["spec"]["transport"]
    transport = config.transport(name)
    if transport is None:
        message = f"transport '{name}' not found in operator configuration"
    elif not transport.enabled:
        message = f"transport '{name}' is disabled in operator configuration"
    else:
        return None
    return Violation("TransportReady", "InvalidTransport", message, ("spec", "transport"))


def service_account(actor: Actor, config: OperatorConfig) -> Violation | None:
    """The author's own identity and the transport's role exclude each other."""
    name, transport = transport_of(actor, config)
    pod = effective.pod_spec(actor["spec"])
    own = pod.get("serviceAccountName") or pod.get("serviceAccount")
    if not (own and isinstance(transport.config, Sqs) and transport.config.actor_role_arn):
        return None
    message = f"serviceAccountName {own} cannot be combined with actorRoleArn of transport {name}"
    return Violation("WorkloadReady", "ServiceAccountConflict", message, (*POD, "serviceAccountName"))


def timeout(actor: Actor, config: OperatorConfig) -> Violation | None:
    """The broker would take a message back while its handler may still run."""
    name, transport = transport_of(actor, config)
    allowed = longest_processing_s(transport)
    processing = effective.processing_s(actor["spec"])
    if allowed is None or processing <= allowed:
        return None
    message = f"timeout.processing {processing}s exceeds what transport {name} allows ({allowed}s)"
    alias = "processing" not in (actor["spec"].get("timeout") or {})
    path = ("spec", "resiliency", "actorTimeout") if alias else ("spec", "timeout", "processing")
    return Violation("WorkloadReady", "TimeoutTooLong", message, path)


def longest_processing_s(transport: Transport) -> int | None:
    """The longest handler run the broker tolerates; None without a limit."""
    if isinstance(transport.config, RabbitMQ):
        return int(parse_duration(transport.config.consumer_timeout)) - CONSUMER_TIMEOUT_MARGIN_S
    return SQS_LONGEST_PROCESSING_S if isinstance(transport.config, Sqs) else None


def queue_name_too_long(actor: Actor, config: OperatorConfig) -> Violation | None:
    """Measured is the longer name, that of the dead letters. Nothing is shortened: two actors could meet in one queue."""
    _, transport = transport_of(actor, config)
    template, name = transport.config.queue_name_template, actor["metadata"]["name"]
    queue = dead_letter_queue(queue_name(template, namespace_of(actor), name))
    allowed = LONGEST_QUEUE_NAME[transport.type]
    if len(queue.encode()) <= allowed:
        return None
    message = f"queue name '{queue}' has {len(queue)} characters, {transport.type} allows {allowed}"
    return Violation("TransportReady", "QueueNameInvalid", message, ("metadata", "name"))


def transport_of(actor: Actor, config: OperatorConfig) -> tuple[str, Transport]:
    """Name and transport, which an earlier check found to be there."""
    name = actor["spec"]["transport"]
    return name, config.transports[name]


CHECKS: tuple[Callable[[Actor, OperatorConfig], Violation | None], ...] = (
    invalid,
    unrenderable,
    denied,
    unknown_transport,
    service_account,
    timeout,
    queue_name_too_long,
)
