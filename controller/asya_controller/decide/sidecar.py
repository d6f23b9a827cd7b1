"""What does the injected sidecar container look like?

Called by workload.py (contract: controller, The pod). The local mesh starts its sidecars from the same container.
Must not put a secret's value anywhere: secrets are files or references.
"""

import json
from collections.abc import Mapping
from typing import Any

from asya_controller.decide.config import OperatorConfig
from asya_controller.decide.transports import RabbitMQ, SecretRef, Sqlite, Sqs, Transport
from asya_controller.decide.world import namespace_of
from asya_schemas.actor import effective

SOCKET_FOLDER = "/var/run/asya"
CREDENTIALS_FOLDER = "/etc/asya/credentials"
METRICS_PORT = 8080
SQS_MAX_MESSAGE_BYTES = 1_048_576
MAX_DELIVERIES = 5
END_ACTORS = frozenset({"x-sink", "x-sump", "x-pause", "happy-end", "error-end"})
# An entry of `sidecar.env` under an older name replaces the injected variable (contract: sidecar, Variables).
ALIASES: Mapping[str, tuple[str, ...]] = {
    "ASYA_ACTOR_SINK": ("ASYA_ACTOR_HAPPY_END", "ASYA_STEP_HAPPY_END"),
    "ASYA_ACTOR_SUMP": ("ASYA_ACTOR_ERROR_END", "ASYA_STEP_ERROR_END"),
    "ASYA_RESILIENCY_ACTOR_TIMEOUT": ("ASYA_RUNTIME_TIMEOUT",),
    "ASYA_PREFETCH": ("ASYA_RABBITMQ_PREFETCH",),
    "ASYA_AWS_REGION": ("AWS_REGION",),
}
_TRUE = frozenset({"true", "1", "yes", "on"})


def literal(env: Any, name: str) -> str | None:
    """The literal value of a variable in a container's `env` list."""
    found = [entry.get("value") for entry in env or () if isinstance(entry, Mapping) and entry.get("name") == name]
    return found[-1] if found and isinstance(found[-1], str) else None


def user_env(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`sidecar.env` as given."""
    return [dict(entry) for entry in (spec.get("sidecar") or {}).get("env") or ()]


def is_end_actor(name: str, spec: Mapping[str, Any], config: OperatorConfig) -> bool:
    """Whether the actor ends routes: by its name, the operator's or its own word."""
    own = (literal(user_env(spec), "ASYA_IS_END_ACTOR") or "").strip().lower()
    return name in END_ACTORS | {config.end_actors.sink, config.end_actors.sump} or own in _TRUE


def max_message_bytes(transport: Transport, config: OperatorConfig) -> int:
    """The largest message, which on sqs is never above what the service takes."""
    return min(config.max_message_bytes, SQS_MAX_MESSAGE_BYTES) if transport.type == "sqs" else config.max_message_bytes


def metrics_port(spec: Mapping[str, Any]) -> int:
    """The port of a literal ASYA_METRICS_ADDR, else 8080."""
    text = (literal(user_env(spec), "ASYA_METRICS_ADDR") or "").rpartition(":")[2]
    return int(text) if text.isdigit() and 0 < int(text) < 65536 else METRICS_PORT


def sidecar_container(
    actor: Mapping[str, Any], transport: Transport, config: OperatorConfig, queue_url: str | None
) -> dict[str, Any]:
    """The container `asya-sidecar`."""
    spec = actor["spec"]
    own, port = spec.get("sidecar") or {}, metrics_port(spec)
    mounts = [{"name": "socket-dir", "mountPath": SOCKET_FOLDER}, {"name": "asya-tmp", "mountPath": "/tmp"}]
    if credential_files(transport, config):
        mounts.append({"name": "asya-credentials", "mountPath": CREDENTIALS_FOLDER, "readOnly": True})  # type: ignore[dict-item]
    return {
        "name": "asya-sidecar",
        "image": own.get("image") or config.sidecar.image,
        "imagePullPolicy": own.get("imagePullPolicy") or config.sidecar.image_pull_policy,
        "resources": own.get("resources") or config.sidecar.resources,
        "env": merged(injected_env(actor, transport, config, queue_url), user_env(spec)),
        "ports": [{"name": "metrics", "containerPort": port, "protocol": "TCP"}],
        "volumeMounts": mounts,
        "livenessProbe": probe("/healthz", port, period_s=10, failures=6),
        "readinessProbe": probe("/readyz", port, period_s=5, failures=2),
        "securityContext": security_context(config.sidecar.run_as_user),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def probe(path: str, port: int, period_s: int, failures: int) -> dict[str, Any]:
    """A probe of the sidecar's HTTP port; the timeout is 3 s."""
    return {
        "httpGet": {"path": path, "port": port},
        "periodSeconds": period_s,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    }


def security_context(user: int | None) -> dict[str, Any]:
    """Passes the `restricted` profile; without a user for platforms that assign one."""
    context: dict[str, Any] = {
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    return context if user is None else {**context, "runAsUser": user, "runAsGroup": user}


def credential_files(transport: Transport, config: OperatorConfig) -> list[tuple[SecretRef, str]]:
    """The Secrets projected into the sidecar's credentials folder, with their file names."""
    files: list[tuple[SecretRef, str]] = []
    if isinstance(transport.config, RabbitMQ):
        files.append((transport.config.password_secret_ref, "password"))
        if transport.config.tls.enabled and transport.config.tls.ca_secret_ref:
            files.append((transport.config.tls.ca_secret_ref, "ca.crt"))
    if config.gateway.callback_token_secret_ref:
        files.append((config.gateway.callback_token_secret_ref, "callback-token"))
    return files


def merged(injected: list[dict[str, Any]], own: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The injected variables without those that `sidecar.env` replaces, then `sidecar.env`."""
    names = {entry.get("name") for entry in own}
    kept = [entry for entry in injected if not names & {entry["name"], *ALIASES.get(entry["name"], ())}]
    return kept + own


def injected_env(
    actor: Mapping[str, Any], transport: Transport, config: OperatorConfig, queue_url: str | None
) -> list[dict[str, Any]]:
    """The variables the controller sets, in the order of the contract's table."""
    spec, meta = actor["spec"], actor["metadata"]
    values: dict[str, str | None] = {
        "ASYA_ACTOR_NAME": meta["name"],
        "ASYA_NAMESPACE": namespace_of(actor),
        "ASYA_SOCKET_DIR": SOCKET_FOLDER,
        "ASYA_TRANSPORT": transport.type,
        "ASYA_QUEUE_NAME_TEMPLATE": transport.config.queue_name_template,
        "ASYA_ACTOR_SINK": config.end_actors.sink,
        "ASYA_ACTOR_SUMP": config.end_actors.sump,
        "ASYA_IS_END_ACTOR": "true" if is_end_actor(meta["name"], spec, config) else None,
        "ASYA_RESILIENCY_ACTOR_TIMEOUT": f"{effective.processing_s(spec)}s",
        "ASYA_GRACEFUL_SHUTDOWN": f"{effective.grace_s(spec)}s",
        **resiliency(spec),
        "ASYA_GATEWAY_URL": gateway_url(spec, config),
        "ASYA_GATEWAY_CALLBACK_TOKEN_FILE": (
            f"{CREDENTIALS_FOLDER}/callback-token" if config.gateway.callback_token_secret_ref else None
        ),
        "ASYA_MAX_MESSAGE_BYTES": str(max_message_bytes(transport, config)),
        "ASYA_LOG_LEVEL": config.sidecar.log_level,
        "ASYA_MAX_DELIVERIES": str(min(MAX_DELIVERIES, transport.config.queues.dlq.max_retry_count - 1)),
    }
    plain = [{"name": name, "value": value} for name, value in values.items() if value is not None]
    return [*plain, *broker_env(transport.config, queue_url)]


def resiliency(spec: Mapping[str, Any]) -> dict[str, str | None]:
    """Policies and rules as JSON with every default filled in; None when there are none."""
    policies, rules = effective.policies(spec), effective.rules(spec)
    return {
        "ASYA_RESILIENCY_POLICIES": json.dumps(policies, separators=(",", ":")) if policies else None,
        "ASYA_RESILIENCY_RULES": json.dumps(rules, separators=(",", ":")) if rules else None,
    }


def gateway_url(spec: Mapping[str, Any], config: OperatorConfig) -> str:
    """The operator's gateway, else the one the author gave the runtime container, else none."""
    runtime = effective.runtime_container(spec)
    return config.gateway.url or literal(runtime.get("env"), "ASYA_GATEWAY_URL") or ""


def broker_env(config: RabbitMQ | Sqs | Sqlite, queue_url: str | None) -> list[dict[str, Any]]:
    """The variables of the transport's type."""
    if isinstance(config, RabbitMQ):
        return rabbitmq_env(config)
    if isinstance(config, Sqs):
        return sqs_env(config, queue_url)
    return [{"name": "ASYA_SQLITE_PATH", "value": config.path}]


def rabbitmq_env(config: RabbitMQ) -> list[dict[str, Any]]:
    """How the sidecar reaches RabbitMQ. `ASYA_KEDA_TLS` is read by KEDA: a TriggerAuthentication holds no literals."""
    tls = config.tls
    values = {
        "ASYA_RABBITMQ_HOST": config.host,
        "ASYA_RABBITMQ_PORT": str(config.effective_port),
        "ASYA_RABBITMQ_VHOST": config.vhost,
        "ASYA_RABBITMQ_USERNAME": config.username,
        "ASYA_RABBITMQ_PASSWORD_FILE": f"{CREDENTIALS_FOLDER}/password",
        "ASYA_RABBITMQ_DELAY_TIERS": ",".join(config.delay_tiers),
        "ASYA_PREFETCH": str(config.prefetch),
        "ASYA_KEDA_TLS": "enable" if tls.enabled else None,
        "ASYA_RABBITMQ_TLS": "true" if tls.enabled else None,
        "ASYA_RABBITMQ_TLS_CA_FILE": f"{CREDENTIALS_FOLDER}/ca.crt" if tls.enabled and tls.ca_secret_ref else None,
        "ASYA_RABBITMQ_TLS_SERVER_NAME": tls.server_name if tls.enabled else None,
        "ASYA_RABBITMQ_TLS_INSECURE": "true" if tls.enabled and tls.insecure_skip_verify else None,
    }
    env: list[dict[str, Any]] = [{"name": name, "value": value} for name, value in values.items() if value is not None]
    if config.username_secret_ref:
        env.append(from_secret("ASYA_RABBITMQ_USERNAME", config.username_secret_ref))
    return env


def sqs_env(config: Sqs, queue_url: str | None) -> list[dict[str, Any]]:
    """How the sidecar reaches SQS; without static keys by the pod's identity."""
    values = {
        "ASYA_AWS_REGION": config.region,
        "ASYA_SQS_ENDPOINT": config.endpoint,
        "ASYA_QUEUE_URL": queue_url,
        "ASYA_SQS_VISIBILITY_TIMEOUT": str(config.visibility_timeout),
        "ASYA_SQS_WAIT_TIME_SECONDS": str(config.wait_time_seconds),
    }
    env: list[dict[str, Any]] = [{"name": name, "value": value} for name, value in values.items() if value is not None]
    if config.credentials:
        env.append(from_secret("AWS_ACCESS_KEY_ID", config.credentials.access_key_id_secret_ref))
        env.append(from_secret("AWS_SECRET_ACCESS_KEY", config.credentials.secret_access_key_secret_ref))
    return env


def from_secret(name: str, ref: SecretRef) -> dict[str, Any]:
    """A variable read from a Secret."""
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": ref.name, "key": ref.key}}}
