"""Small builders of worlds: an actor that works, and one thing wrong with it.

Used by the tests of the controller's decisions. Children are made by the code under test (`desired_objects`), so that hashes and labels
agree with it; everything a cluster would report is written out here as the cluster writes it. Longer than
300 lines so that a test finds all its words in one place.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from asya_controller.decide.conditions import Verdict
from asya_controller.decide.config import OperatorConfig, operator_config
from asya_controller.decide.desired import Desired, desired_objects
from asya_controller.decide.events import transitions
from asya_controller.decide.memory import remember
from asya_controller.decide.plan import Step, plan
from asya_controller.decide.status import stamp, status_of
from asya_controller.decide.world import Memory, QueueFacts, World

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
UID = "11111111-2222-3333-4444-555555555555"
RABBITMQ = {
    "type": "rabbitmq",
    "config": {
        "host": "rabbit.mq",
        "username": "asya",
        "passwordSecretRef": {"name": "rabbit", "key": "password"},
        "managementUrl": "http://rabbit.mq:15672",
    },
}
SQS = {"type": "sqs", "config": {"region": "eu-west-1"}}
Json = dict[str, Any]
USABLE = Verdict("True", "QueueReady", "")


def config(**transports: Mapping[str, Any]) -> OperatorConfig:
    """An operator configuration: `rabbitmq` alone, or the transports given."""
    return operator_config({"transports": transports or {"rabbitmq": RABBITMQ}})


def merge(base: Json, over: Mapping[str, Any]) -> Json:
    """`base` with `over` laid into it; None takes a key away."""
    merged = copy.deepcopy(base)
    for key, value in over.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(merged.get(key), dict):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def actor(spec: Mapping[str, Any] | None = None, *, name: str = "a", namespace: str = "ns", **metadata: Any) -> Json:
    """An AsyncActor that works, with changes to its spec or metadata."""
    container = {
        "name": "asya-runtime",
        "image": "registry.example.com/a:1",
        "env": [{"name": "ASYA_HANDLER", "value": "my_module.process"}],
    }
    base: Json = {
        "apiVersion": "asya.sh/v1alpha1",
        "kind": "AsyncActor",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": UID,
            "generation": 1,
            "creationTimestamp": stamp(NOW),
            **metadata,
        },
        "spec": {"transport": "rabbitmq", "workload": {"template": {"spec": {"containers": [container]}}}},
        "status": {"observedGeneration": -1},
    }
    return merge(base, {"spec": spec or {}})


def fixed(replicas: int) -> Json:
    """Spec of an actor without autoscaling."""
    return {"workload": {"replicas": replicas}}


def scaled(**scaling: Any) -> Json:
    """Spec of an actor with autoscaling."""
    return {"scaling": {"enabled": True, **scaling}}


# --- pods -------------------------------------------------------------------------------------------------------------


def container(name: str, ready: bool, state: Json, *, restarts: int = 0, last: Json | None = None) -> Json:
    """A container status."""
    return {"name": name, "ready": ready, "restartCount": restarts, "state": state, "lastState": last or {}}


def running(since: datetime = NOW - timedelta(hours=1)) -> Json:
    """State of a running container."""
    return {"running": {"startedAt": stamp(since)}}


def ended(code: int, *, at: datetime = NOW, reason: str = "Error", message: str = "") -> Json:
    """State of a container that has ended."""
    return {"terminated": {"exitCode": code, "reason": reason, "message": message, "finishedAt": stamp(at)}}


def waiting(reason: str, message: str = "") -> Json:
    """State of a waiting container."""
    return {"waiting": {"reason": reason, "message": message}}


def pod(
    name: str = "a-1",
    *,
    ready: bool = False,
    phase: str = "Running",
    containers: Sequence[Json] | None = None,
    init: Sequence[Json] = (),
    deleting: bool = False,
    scheduling: tuple[str, str] | None = None,
    sandbox: bool = True,
    template: str | None = None,
    created: datetime = NOW - timedelta(hours=1),
    **status: Any,
) -> Json:
    """A pod. `template` is the template hash it was made from; None means the one applied now."""
    both = [container("asya-runtime", ready, running()), container("asya-sidecar", ready, running())]
    conditions = [
        {"type": "Ready", "status": str(ready)},
        {"type": "PodReadyToStartContainers", "status": str(sandbox)},
        {"type": "PodScheduled", "status": "False", "reason": scheduling[0], "message": scheduling[1]}
        if scheduling
        else {"type": "PodScheduled", "status": "True"},
    ]
    metadata: Json = {"name": name, "uid": f"uid-{name}", "creationTimestamp": stamp(created)}
    if deleting:
        metadata["deletionTimestamp"] = stamp(NOW)
    if template is not None:
        metadata["annotations"] = {"asya.sh/template-hash": template}
    return {
        "metadata": metadata,
        "status": {
            "phase": phase,
            "conditions": conditions,
            "initContainerStatuses": list(init),
            "containerStatuses": list(both if containers is None else containers),
            **status,
        },
    }


def ready_pods(number: int, prefix: str = "a", **more: Any) -> tuple[Json, ...]:
    """Pods that work."""
    return tuple(pod(f"{prefix}-{index}", ready=True, **more) for index in range(number))


def starting_pods(number: int, prefix: str = "s", **more: Any) -> tuple[Json, ...]:
    """Pods whose containers run but are not ready yet."""
    return tuple(pod(f"{prefix}-{index}", **more) for index in range(number))


def going_pods(number: int, prefix: str = "g") -> tuple[Json, ...]:
    """Pods that finish their work and go."""
    return tuple(pod(f"{prefix}-{index}", ready=True, deleting=True) for index in range(number))


def crashing_pod(
    name: str = "c-1", *, of: str = "asya-runtime", code: int = 1, message: str = "", reason: str = "Error", **more: Any
) -> Json:
    """A pod of which one container is between two crashes."""
    names = list(dict.fromkeys(["asya-runtime", "asya-sidecar", of]))
    told = f"back-off 40s restarting failed container={of} pod={name}_ns(0123abcd-0000-0000-0000-0123456789ab)"
    last = ended(code, at=NOW - timedelta(seconds=20), message=message, reason=reason)
    broken = container(of, False, waiting("CrashLoopBackOff", told), restarts=3, last=last)
    return pod(name, containers=[broken if item == of else container(item, True, running()) for item in names], **more)


def waiting_pod(name: str, reason: str, message: str, *, of: str = "asya-runtime", **more: Any) -> Json:
    """A pod of which one container waits for what is not there."""
    names = list(dict.fromkeys(["asya-runtime", "asya-sidecar", of]))
    states = [container(item, False, waiting(reason, message) if item == of else running()) for item in names]
    return pod(name, phase="Pending", containers=states, **more)


def unstarted_pod(name: str = "u-1", **more: Any) -> Json:
    """A pod in which nothing has started: its volumes are awaited."""
    states = [container(item, False, waiting("ContainerCreating")) for item in ("asya-runtime", "asya-sidecar")]
    return pod(name, phase="Pending", containers=states, sandbox=False, **more)


def unschedulable_pod(name: str, message: str, reason: str = "Unschedulable") -> Json:
    """A pod for which there is no node."""
    return pod(name, phase="Pending", containers=[], scheduling=(reason, message), sandbox=False)


def event(reason: str, message: str, about: str, kind: str = "Pod", at: datetime = NOW, type: str = "Warning") -> Json:  # noqa: A002 - Kubernetes' word
    """A core/v1 Event."""
    return {
        "type": type,
        "reason": reason,
        "message": message,
        "lastTimestamp": stamp(at),
        "involvedObject": {"kind": kind, "name": about},
    }


# --- worlds -----------------------------------------------------------------------------------------------------------


def desired_of(document: Json, operator: OperatorConfig | None = None) -> Desired:
    """What the controller would apply."""
    return desired_objects(document, operator or config())


def world(
    document: Json | None = None,
    pods: Sequence[Json] = (),
    *,
    operator: OperatorConfig | None = None,
    replicas: int | None = None,
    workload: Json | None = None,
    **facts: Any,
) -> World:
    """A World in which everything was applied and the queue is there.

    `replicas` is what the autoscaler has set; `workload` is laid over the live workload. Pods without a template hash get the current one.
    """
    document, operator = document or actor(), operator or config()
    wanted = desired_objects(document, operator)
    live = live_workload(wanted, replicas)
    now_applied = wanted.template_hash
    if scaled_object := wanted.scaled_object:
        status = {"conditions": [{"type": "Ready", "status": "True", "reason": "ScaledObjectReady"}]}
        facts.setdefault("scaled_object", {**scaled_object, "status": status})
        facts.setdefault("trigger_authentication", wanted.trigger_authentication)
    facts.setdefault("queue", QueueFacts(queued=0, processing=0, dead=0))
    return World(
        actor=document,
        config=operator,
        workload=merge(live, workload or {}),
        pods=tuple(stamped(item, now_applied) for item in pods),
        **facts,
    )


def unmade(document: Json | None = None, operator: OperatorConfig | None = None, **facts: Any) -> World:
    """A World in which nothing was applied yet."""
    facts.setdefault("queue", QueueFacts())
    return World(actor=document or actor(), config=operator or config(), **facts)


def live_workload(wanted: Desired, replicas: int | None = None) -> Json:
    """The desired workload as it would live in a cluster."""
    live = copy.deepcopy(wanted.workload)
    if replicas is not None or "replicas" not in live["spec"]:
        live["spec"]["replicas"] = replicas if replicas is not None else 1
    live["metadata"]["uid"] = "uid-workload"
    return live


def stamped(item: Json, template_hash: str) -> Json:
    """The pod with a template hash, unless it has one."""
    annotations = {"asya.sh/template-hash": template_hash, **item["metadata"].get("annotations", {})}
    return {**item, "metadata": {**item["metadata"], "annotations": annotations}}


@dataclass
class History:
    """An actor through time: each look gets the status and the memory of the one before."""

    status: Json = field(default_factory=lambda: {"observedGeneration": -1})
    memory: Memory = field(default_factory=Memory)
    before: Json = field(default_factory=dict)

    def look(self, now_world: World, now: datetime = NOW) -> Json:
        """The status at `now`; `before` keeps the one before it."""
        known = replace(now_world, actor={**now_world.actor, "status": self.status}, memory=self.memory)
        self.before, self.status = self.status, status_of(known, now)
        self.memory = remember(known, now)
        return self.status

    def world(self, now_world: World) -> World:
        """`now_world` with what this history knows."""
        return replace(now_world, actor={**now_world.actor, "status": self.status}, memory=self.memory)


def seconds(number: float) -> timedelta:
    """A span."""
    return timedelta(seconds=number)


def minutes(number: float) -> timedelta:
    """A span."""
    return timedelta(minutes=number)


def settled(now_world: World, at: datetime = NOW - timedelta(hours=1)) -> History:
    """A history that has seen `now_world` for a while."""
    history = History()
    history.look(now_world, at)
    return history


# --- reading a status -------------------------------------------------------------------------------------------------


def condition(status: Json, kind: str) -> Json:
    """A condition of a status, empty when it is absent."""
    return next((item for item in status["conditions"] if item["type"] == kind), {})


def told(status: Json, kind: str) -> tuple[str, str] | None:
    """Status and reason of a condition."""
    found = condition(status, kind)
    return (found["status"], found["reason"]) if found else None


def reasons(status: Json) -> dict[str, tuple[str, str]]:
    """Every condition as (status, reason)."""
    return {item["type"]: (item["status"], item["reason"]) for item in status["conditions"]}


def events(history: History) -> list[str]:
    """Reasons of the Events that the last step of a history raises."""
    return [item.reason for item in transitions(history.before, history.status)]


def steps_of(facts: World, transport: Verdict = USABLE) -> tuple[Step, ...]:
    """What would be done about the children."""
    return plan(facts, desired_of(dict(facts.actor), facts.config), transport, NOW)
