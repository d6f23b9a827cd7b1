"""Why an actor of a cluster has its status: what the controller wrote, the pods, the Events. Called by `asya explain`.

Like the local one it finds no new verdict: the status is the controller's, the rule follows from it. The next command is kubectl's.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from asya_cli.cluster.connection import Cluster
from asya_cli.local.explanation import FRAME, RULES, Explanation, container_words
from asya_controller.act.api_errors import ApiError, NoAnswer
from asya_controller.act.kinds import CORE_EVENT, POD
from asya_controller.decide.reasons import CLASS_ORDER

Json = dict[str, Any]
MOST_PODS, MOST_EVENTS = 3, 5
_RULE_OF = {
    "Terminating": "terminating",
    "Creating": "creating",
    "TransportError": "transport_failed",
    "ScalingError": "scaling_failed",
    "Napping": "napping",
    "Running": "running",
    **dict.fromkeys(CLASS_ORDER, "workload_failed"),
}
_HEALTHY = ("Running", "Napping")


def explanation(cluster: Cluster, actor: Json) -> Explanation:
    """Explain one actor.

    Raises:
        ApiError: pods cannot be read. (Events that may not be read are left out.)
    """
    name = str(actor["metadata"]["name"])
    pods = [pod for items, _ in cluster.api.pages(POD, cluster.namespace, f"asya.sh/actor={name}") for pod in items]
    unhappy = [pod for pod in pods if not _ready(pod)][:MOST_PODS]
    events = _events(cluster, [name, *(str(pod["metadata"]["name"]) for pod in unhappy)])
    return explained(actor, pods, unhappy, events, cluster.namespace)


def explained(actor: Json, pods: list[Json], unhappy: list[Json], events: list[Json], namespace: str) -> Explanation:
    """The explanation from what was read. Pure."""
    status = actor.get("status") or {}
    value = str(status.get("status") or "")
    place, error = _fault(unhappy) if value not in _HEALTHY else (None, None)
    rule = _rule(value, status, pods)
    name = str(actor["metadata"]["name"])
    return Explanation(
        actor=name,
        status=value or "not looked at yet",
        message=str(status.get("message") or ""),
        rule=f"{rule}: {RULES[rule]}" if rule else "none yet: no controller has looked at it",
        place=place,
        error=error,
        evidence=tuple(_evidence(status, unhappy, _standing(events, name))),
        changed=_changed(status, events, name),
        next=_next(status, name, unhappy, namespace),
    )


def _rule(value: str, status: Json, pods: Iterable[Json]) -> str | None:
    if value in _RULE_OF:
        return _RULE_OF[value]
    active = sum(
        1 for pod in pods if not pod["metadata"].get("deletionTimestamp") and _phase(pod) not in ("Succeeded", "Failed")
    )
    desired = status.get("desiredReplicas") or 0
    if value in ("ScalingUp", "Degraded"):
        return "too_few_pods" if active < desired else "too_few_ready"
    return {"ScalingDown": "too_many_pods" if active > desired else "draining"}.get(value)


def _phase(pod: Json) -> str:
    return str((pod.get("status") or {}).get("phase") or "")


def _ready(pod: Json) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _containers(pod: Json) -> Iterator[Json]:
    status = pod.get("status") or {}
    yield from status.get("initContainerStatuses") or ()
    yield from status.get("containerStatuses") or ()


def _fault(unhappy: Iterable[Json]) -> tuple[str | None, str | None]:
    """The last words of a container that ended, with the user's line they speak of."""
    for pod in unhappy:
        for container in _containers(pod):
            ended = (container.get("state") or {}).get("terminated") or (container.get("lastState") or {}).get(
                "terminated"
            )
            text = str((ended or {}).get("message") or "").strip()
            if text and not container.get("ready"):
                frames = [(file, line) for file, line in FRAME.findall(text) if "asya_runtime.py" not in file]
                return ":".join(frames[-1]) if frames else None, text.splitlines()[-1].strip()
    return None, None


def _standing(events: list[Json], name: str) -> list[Json]:
    """Without what was told of the actor before it recovered."""
    own = [event for event in events if _about(event) == ("AsyncActor", name)]
    recovered = max((_time(event) for event in own if event.get("reason") == "Recovered"), default="")
    return [event for event in events if event not in own or _time(event) > recovered]


def _about(event: Json) -> tuple[str, str]:
    about = event.get("involvedObject") or {}
    return str(about.get("kind")), str(about.get("name"))


def _evidence(status: Json, unhappy: Iterable[Json], events: Iterable[Json]) -> Iterator[str]:
    for c in status.get("conditions") or ():
        fine = c["status"] == "True" and c["type"] in ("TransportReady", "ScalingReady", "WorkloadReady")
        if fine or c["type"] in ("Ready", "Reconciling", "Stalled"):  # these repeat what the others say
            continue
        news = c.get("message") if c.get("message") != status.get("message") else ""
        yield f"condition {c['type']} {c['status']}, {c['reason']}" + (f": {news}" if news else "")
    for pod in unhappy:
        name = pod["metadata"]["name"]
        for c in (pod.get("status") or {}).get("conditions") or ():
            if c["type"] == "PodScheduled" and c["status"] == "False":
                yield f"pod {name}: {c.get('reason', 'not scheduled')}: {c.get('message', '')}"
        yield from (
            f"pod {name}: {container_words(container)}" for container in _containers(pod) if container.get("state")
        )
    for event in events:
        if event.get("type") == "Warning":
            kind, name = _about(event)
            yield f"event {event.get('reason')} on {kind} {name}: {event.get('message', '')}"
    if queue := status.get("queue"):
        waiting, work = (status.get(name, "?") for name in ("queuedMessages", "processingMessages"))
        yield f"queue {queue}: {waiting} waiting, {work} in work"


def _changed(status: Json, events: Iterable[Json], name: str) -> str:
    """The newest transition of a condition, or the newest Event of the actor itself."""
    found = [
        (str(c["lastTransitionTime"]), f"{c['type']} became {c['status']}, {c['reason']}")
        for c in status.get("conditions") or ()
        if c.get("lastTransitionTime")
    ]
    for event in events:
        if _about(event) == ("AsyncActor", name):
            found.append((_time(event), f"{event.get('reason')}: {event.get('message', '')}"))
    return ": ".join(max(found)) if found else "nothing is recorded"


def _time(event: Json) -> str:
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return str(next((t for t in times if t), event["metadata"].get("creationTimestamp", "")))


def _events(cluster: Cluster, names: Iterable[str]) -> list[Json]:
    """The newest Events about objects of these names: the actor's children have its own name."""
    found: list[Json] = []
    try:
        for name in names:
            for items, _ in cluster.api.pages(CORE_EVENT, cluster.namespace, fields=f"involvedObject.name={name}"):
                found += items
    except NoAnswer:
        raise
    except ApiError:  # Events may be closed to this user; the rest still explains
        return found
    return sorted(found, key=_time)[-MOST_EVENTS:]


def _next(status: Json, name: str, unhappy: list[Json], namespace: str) -> str:
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    failed = [conditions[kind] for kind in ("TransportReady", "WorkloadReady", "ScalingReady") if kind in conditions]
    reason = next((str(c["reason"]) for c in failed if c["status"] == "False"), "")
    pod = str(unhappy[0]["metadata"]["name"]) if unhappy else ""
    template = NEXT.get(reason, "")
    if not status.get("status"):
        template = "asya doctor -n {ns}"
    elif status["status"] == "Napping":
        template = "kubectl describe scaledobject -n {ns} {name}"
    elif status["status"] == "Running":
        template = "kubectl logs -n {ns} -l asya.sh/actor={name} -c asya-sidecar --tail=20"
    if "{pod}" in template and not pod:
        template = ""
    return (template or "kubectl describe asya -n {ns} {name}").format(ns=namespace, name=name, pod=pod)


_LOGS = "kubectl logs -n {ns} {pod} -c %s --previous"
_POD = "kubectl describe pod -n {ns} {pod}"
_FILE = "asya validate FILE, then asya sync FILE -n {ns}"
_TRIAL = "asya diff FILE -n {ns}, then asya sync FILE -n {ns}"  # asks the cluster, which alone knows
NEXT = {
    "RuntimeCrashLoop": _LOGS % "asya-runtime",
    "RuntimeMisconfigured": _LOGS % "asya-runtime",
    "SidecarCrashLoop": _LOGS % "asya-sidecar",
    **dict.fromkeys(
        (
            "ImagePullFailed", "InsufficientResources", "Unschedulable", "VolumeNotBound", "VolumeMountFailed", "PodsFailing",
            "ConfigNotFound", "ContainerConfigInvalid", "InterpreterNotFound", "ReplicasUnavailable",
        ),
        _POD,
    ),
    "QuotaExceeded": "kubectl describe quota -n {ns}",
    **dict.fromkeys(
        ("PodRejected", "PodCreationFailed", "ServiceAccountNotFound"), "kubectl describe rs,sts -n {ns} -l asya.sh/actor={name}"
    ),
    "ValidationError": _FILE,
    **dict.fromkeys(
        (
            "PolicyViolation", "TimeoutTooLong", "ServiceAccountConflict", "QueueNameInvalid", "InvalidTemplate", "ImmutableField",
            "AdmissionDenied",
        ),
        _TRIAL,
    ),
    "Contested": "kubectl get deploy,sts -n {ns} {name} -o yaml --show-managed-fields",
    "NameConflict": "kubectl get deploy,sts,scaledobject -n {ns} {name} -o yaml",
    "QueueConflict": "kubectl get asya -A -o wide",
    **dict.fromkeys(
        ("InvalidTransport", "BrokerUnreachable", "AuthFailed", "CredentialsMissing", "QueueMissing", "QueueCreateFailed",
         "KEDANotInstalled", "KEDANotResponding", "RBACDenied", "ApiError"),
        "asya doctor -n {ns}",
    ),
    "ScaledObjectNotReady": "kubectl describe scaledobject -n {ns} {name}",
    "ScaledObjectRefused": "kubectl describe asya -n {ns} {name}",
    "HPAError": "kubectl describe hpa -n {ns} keda-hpa-{name}",
}  # fmt: skip
