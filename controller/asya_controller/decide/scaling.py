"""How is this actor scaled, and how many pods should it have now?

The KEDA objects (contract: controller, KEDA), and the rule they stand for as a function, `replicas_wanted`, which the local mesh runs
itself. Must not read a clock: `now_s` is any monotonic time.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asya_controller.decide.transports import RabbitMQ, SecretRef, Sqs, Transport
from asya_schemas.actor import effective

SCALE_DOWN_WINDOW_S = 300
"""The autoscaler acts on the highest need of this window when it goes down."""
SCALE_DOWN_STEP_S = 60
"""At most one pod goes per this time, down to one."""
SCALE_UP_PERIOD_S = 15

Object = dict[str, Any]


def scaled_object(
    metadata: Object,
    spec: Mapping[str, Any],
    kind: str,
    transport: Transport,
    queue: str,
    queue_url: str | None,
    *,
    with_authentication: bool,
) -> Object:
    """The ScaledObject of an actor whose scaling is on."""
    trigger = {"type": transport.type, "name": "queue", "metadata": trigger_metadata(spec, transport, queue, queue_url)}
    if with_authentication:
        trigger["authenticationRef"] = {"name": f"{metadata['name']}-trigger-auth"}
    if transport.type == "sqs":
        trigger["type"] = "aws-sqs-queue"
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": metadata,
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": kind, "name": metadata["name"]},
            "minReplicaCount": effective.min_replicas(spec),
            "maxReplicaCount": effective.max_replicas(spec),
            "pollingInterval": effective.polling_interval_s(spec),
            "cooldownPeriod": effective.cooldown_s(spec),
            # Without it KEDA goes to 0 at once when scaling is switched on with an idle queue.
            "initialCooldownPeriod": effective.cooldown_s(spec),
            "advanced": advanced(spec),
            "triggers": [trigger],
        },
    }


def advanced(spec: Mapping[str, Any]) -> Object:
    """HPA behaviour, formula and, only when true, the restore switch: KEDA drops a false one."""
    given = (spec.get("scaling") or {}).get("advanced") or {}
    up = {"type": "Pods", "value": effective.max_replicas(spec), "periodSeconds": SCALE_UP_PERIOD_S}
    down = {"type": "Pods", "value": 1, "periodSeconds": SCALE_DOWN_STEP_S}
    behavior = {
        "scaleUp": {"stabilizationWindowSeconds": 0, "policies": [up]},
        "scaleDown": {"stabilizationWindowSeconds": SCALE_DOWN_WINDOW_S, "policies": [down]},
    }
    result: Object = {"horizontalPodAutoscalerConfig": {"behavior": behavior}}
    if given.get("restoreToOriginalReplicaCount"):
        result["restoreToOriginalReplicaCount"] = True
    if given.get("formula"):
        modifiers = {"metricType": "AverageValue"} | {
            key: given[key] for key in ("formula", "target", "activationTarget", "metricType") if given.get(key)
        }
        result["scalingModifiers"] = modifiers
    return result


def trigger_metadata(spec: Mapping[str, Any], transport: Transport, queue: str, url: str | None) -> dict[str, str]:
    """What the scaler is told about the queue; all values are text."""
    wanted = str(effective.queue_length(spec))
    config = transport.config
    if isinstance(config, Sqs):
        found = {
            "queueURL": url or queue_address(config, queue),
            "queueLength": wanted,
            "awsRegion": config.region,
            "scaleOnInFlight": "true",
        }
        return found | ({"awsEndpoint": config.endpoint} if config.endpoint else {})
    if not isinstance(config, RabbitMQ):
        return {"queueName": queue, "value": wanted}
    metadata = rabbitmq_address(config) | {
        "vhostName": config.vhost,
        "queueName": queue,
        "mode": "QueueLength",
        "value": wanted,
        "excludeUnacknowledged": "false",
    }
    return metadata | ({"unsafeSsl": "true"} if config.tls.insecure_skip_verify else {})


def rabbitmq_address(config: RabbitMQ) -> dict[str, str]:
    """The management API where there is one: only it counts messages in work."""
    if config.management_url:
        return {"protocol": "http", "host": f"{config.management_url.rstrip('/')}/"}
    scheme = "amqps" if config.tls.enabled else "amqp"
    return {"protocol": "amqp", "host": f"{scheme}://{config.hosts[0]}:{config.effective_port}"}


def queue_address(config: Sqs, queue: str) -> str:
    """A queue's URL as built when nobody asked the broker for it (queue management switched off)."""
    base = config.endpoint.rstrip("/") if config.endpoint else f"https://sqs.{config.region}.amazonaws.com"
    return f"{base}/{config.account_id or ''}/{queue}"


def trigger_authentication(metadata: Object, transport: Transport) -> Object | None:
    """The TriggerAuthentication; None for a transport that needs none."""
    if isinstance(transport.config, RabbitMQ):
        body = rabbitmq_authentication(transport.config)
    elif isinstance(transport.config, Sqs):
        body = sqs_authentication(transport.config)
    else:
        return None
    return {"apiVersion": "keda.sh/v1alpha1", "kind": "TriggerAuthentication", "metadata": metadata, "spec": body}


def rabbitmq_authentication(config: RabbitMQ) -> Object:
    """User and password by Secret; what has no Secret is read from the sidecar's variables, as it holds no literals."""
    env: list[Object] = []
    secrets: list[Object] = []
    if config.username_secret_ref:
        secrets.append(target("username", config.username_secret_ref))
    else:
        env.append({"parameter": "username", "name": "ASYA_RABBITMQ_USERNAME", "containerName": "asya-sidecar"})
    secrets.append(target("password", config.password_secret_ref))
    if config.tls.enabled:
        env.append({"parameter": "tls", "name": "ASYA_KEDA_TLS", "containerName": "asya-sidecar"})
        if config.tls.ca_secret_ref:
            secrets.append(target("ca", config.tls.ca_secret_ref))
    return {"secretTargetRef": secrets} | ({"env": env} if env else {})


def sqs_authentication(config: Sqs) -> Object:
    """Static keys, else the pod's identity."""
    if config.credentials is None:
        return {"podIdentity": {"provider": "aws"}}
    return {
        "secretTargetRef": [
            target("awsAccessKeyID", config.credentials.access_key_id_secret_ref),
            target("awsSecretAccessKey", config.credentials.secret_access_key_secret_ref),
        ]
    }


def target(parameter: str, ref: SecretRef) -> Object:
    """A parameter that KEDA reads from a Secret."""
    return {"parameter": parameter, "name": ref.name, "key": ref.key}


@dataclass(frozen=True, slots=True)
class ScalingRule:
    """The effective scaling of one actor."""

    queue_length: int = 5
    minimum: int = 0
    maximum: int = 50
    cooldown_s: float = 60.0
    window_s: float = SCALE_DOWN_WINDOW_S
    step_s: float = SCALE_DOWN_STEP_S

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> "ScalingRule":
        """The rule that a valid spec with scaling on asks for."""
        return cls(
            queue_length=effective.queue_length(spec),
            minimum=effective.min_replicas(spec),
            maximum=effective.max_replicas(spec),
            cooldown_s=effective.cooldown_s(spec),
        )


@dataclass(frozen=True, slots=True)
class ScalingMemory:
    """What the rule remembers: start with `ScalingMemory()` and hand back what the last call returned."""

    needs: tuple[tuple[float, int], ...] = ()
    """(time, pods needed), strictly falling: the highest need of the window stands first."""
    active_at_s: float | None = None
    """Last time a message was waiting or in work; at first the time of the first look, so that a start is no idleness."""
    stepped_at_s: float | None = None
    """Last time a pod was taken away."""


def replicas_wanted(
    rule: ScalingRule, current: int, queued: int, in_work: int, memory: ScalingMemory, now_s: float
) -> tuple[int, ScalingMemory]:
    """Pods wanted now, and the memory for the next call.

    (queued + in_work) / queue_length rounded up, within minimum and maximum. Up at once, also from zero. From N towards 1 by the
    highest need of the last `window_s`, one pod per `step_s`. To zero, from any size, after `cooldown_s` without a message.
    """
    messages = queued + in_work
    active_at = now_s if messages or memory.active_at_s is None else memory.active_at_s
    # The autoscaler's own floor is 1; only the cooldown leads below it, and only messages lead out of zero.
    need = min(rule.maximum, max(rule.minimum, 1, math.ceil(messages / rule.queue_length)))
    if not messages and rule.minimum == 0 and (current == 0 or now_s - active_at >= rule.cooldown_s):
        return 0, ScalingMemory(active_at_s=active_at)
    # Who has just begun to look takes the present count for the need so far, as the autoscaler does.
    needs = remembered(memory.needs or ((now_s, current),), need, now_s, rule.window_s)
    target = max(need, min(current, needs[0][1])) if current <= rule.maximum else rule.maximum
    stepped_at = memory.stepped_at_s
    if need <= target < current <= rule.maximum:
        # One pod a minute, counted from the last one that went.
        if stepped_at is not None and now_s - stepped_at < rule.step_s:
            target = current
        else:
            target, stepped_at = current - 1, now_s
    return target, ScalingMemory(needs, active_at, stepped_at)


def remembered(
    needs: tuple[tuple[float, int], ...], need: int, now_s: float, window_s: float
) -> tuple[tuple[float, int], ...]:
    """The needs of the window that a later decision can still depend on: each lower and later than the one before."""
    kept = tuple((at, value) for at, value in needs if now_s - at < window_s and value > need)
    return (*kept, (now_s, need))
