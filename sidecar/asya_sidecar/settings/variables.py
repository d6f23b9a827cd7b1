"""Every variable the sidecar reads, once: name, aliases, kind, default, meaning (contract: sidecar, Variables).

Read by reading.py, which makes Settings of it, and by reference.py, which makes the documentation page of it. Data
only.
"""

from dataclasses import dataclass

from asya_sidecar.settings import values
from asya_sidecar.settings.values import Kind, one_of, seconds, whole
from asya_transport.rabbitmq.address import DELAY_TIERS

SECONDS_PER_DAY = 86_400
TRANSPORTS = ("rabbitmq", "sqs", "sqlite")


@dataclass(frozen=True, slots=True)
class Variable:
    """One row. `default` is text in the form a user would write; None means none. `transport`: read for that one
    only.
    """

    name: str
    kind: Kind
    default: str | None
    meaning: str
    aliases: tuple[str, ...] = ()
    required: bool = False
    secret: bool = False
    transport: str | None = None


def _rabbitmq(name: str, kind: Kind, default: str | None, meaning: str, secret: bool = False) -> Variable:
    return Variable(f"ASYA_RABBITMQ_{name}", kind, default, meaning, transport="rabbitmq", secret=secret)


def _sqs(
    name: str, kind: Kind, default: str | None, meaning: str, aliases: tuple[str, ...] = (), required: bool = False
) -> Variable:
    return Variable(name, kind, default, meaning, aliases=aliases, required=required, transport="sqs")


VARIABLES: tuple[Variable, ...] = (
    Variable("ASYA_ACTOR_NAME", values.ACTOR, None, "own name", required=True),
    Variable("ASYA_NAMESPACE", values.ACTOR, None, "own namespace; required if the template uses it"),
    Variable("ASYA_QUEUE_NAME_TEMPLATE", values.TEMPLATE, "asya-{namespace}-{actor}", "how an actor's queue is named"),
    Variable("ASYA_QUEUE_NAME", values.TEXT, None, "own queue, when it differs from the template"),
    Variable("ASYA_TRANSPORT", one_of(*TRANSPORTS), "rabbitmq", "the broker in use"),
    Variable(
        "ASYA_ACTOR_SINK",
        values.ACTOR,
        "x-sink",
        "actor that gets results",
        aliases=("ASYA_ACTOR_HAPPY_END", "ASYA_STEP_HAPPY_END"),
    ),
    Variable(
        "ASYA_ACTOR_SUMP",
        values.ACTOR,
        "x-sump",
        "actor that gets errors",
        aliases=("ASYA_ACTOR_ERROR_END", "ASYA_STEP_ERROR_END"),
    ),
    Variable(
        "ASYA_IS_END_ACTOR", values.BOOLEAN, "false", "this actor ends routes: it stores and reports, and sends nothing"
    ),
    Variable(
        "ASYA_SOCKET_DIR", values.PATH, "/var/run/asya", "folder of the runtime's socket", aliases=("ASYA_SOCKETS_DIR",)
    ),
    Variable("ASYA_SOCKET_NAME", values.TEXT, "asya-runtime.sock", "file name of the runtime's socket"),
    Variable(
        "ASYA_RESILIENCY_ACTOR_TIMEOUT",
        seconds(0.001, SECONDS_PER_DAY),
        "300s",
        "longest call of the handler",
        aliases=("ASYA_RUNTIME_TIMEOUT",),
    ),
    Variable("ASYA_RESILIENCY_POLICIES", values.TEXT, None, "retry policies, a JSON object of name and policy"),
    Variable(
        "ASYA_RESILIENCY_RULES", values.TEXT, None, 'which policy for which error, a JSON list of {"errors", "policy"}'
    ),
    Variable(
        "ASYA_MAX_DELIVERIES",
        whole(1, 1000),
        "5",
        "crash fence: deliveries of one message; below the broker's own limit",
    ),
    Variable("ASYA_GRACEFUL_SHUTDOWN", seconds(0, 90_000), "30s", "time between SIGTERM and SIGKILL"),
    Variable(
        "ASYA_RUNTIME_READY_TIMEOUT",
        seconds(0, SECONDS_PER_DAY),
        "0",
        "how long the runtime may take to become healthy at start (then exit 3); 0 is no limit",
    ),
    Variable(
        "ASYA_PREFETCH",
        values.auto_or(whole(1, 1000)),
        "auto",
        "unsettled deliveries in hand; auto follows the handler's time",
        aliases=("ASYA_RABBITMQ_PREFETCH",),
    ),
    Variable("ASYA_PREFETCH_MAX", whole(1, 1000), "64", "upper bound of the automatic window"),
    Variable("ASYA_MAX_MESSAGE_BYTES", whole(1024, 536_870_912), "10485760", "limit of one message, in bytes"),
    Variable(
        "ASYA_MAX_RESULT_BYTES", whole(1024, 2_147_483_648), "67108864", "limit of one answer of the runtime, in bytes"
    ),
    Variable("ASYA_MAX_FRAMES", whole(1, 1_000_000), "10000", "limit of a fan-out"),
    Variable("ASYA_UNKNOWN_ACTOR_WAIT", seconds(0, 3600), "10s", "how long a next actor without a queue is tried"),
    Variable(
        "ASYA_QUEUE_AUTO_CREATE", values.BOOLEAN, "false", "declare queues at start; for use without a controller"
    ),
    Variable("ASYA_GATEWAY_URL", values.HTTP_URL, None, "the gateway's internal listener; reports are off without it"),
    Variable("ASYA_GATEWAY_CALLBACK_TOKEN", values.TEXT, None, "bearer token for the gateway", secret=True),
    Variable(
        "ASYA_GATEWAY_CALLBACK_TOKEN_FILE",
        values.FILE,
        None,
        "file whose first line is the bearer token; read again when it changes",
    ),
    Variable(
        "ASYA_CANCEL_CHECK",
        one_of("auto", "always", "off"),
        "auto",
        "ask the gateway before a call whether its task was cancelled; auto: for slow handlers",
    ),
    _rabbitmq("HOST", values.HOSTS, None, "host, or several to be tried in turn; required without a URL"),
    _rabbitmq("PORT", whole(1, values.MAX_PORT), None, "port; 5672, with TLS 5671"),
    _rabbitmq("VHOST", values.TEXT, "/", "virtual host"),
    _rabbitmq("USERNAME", values.TEXT, None, "user; required, here or in the URL"),
    _rabbitmq("PASSWORD", values.TEXT, None, "password; required, here, in the file or in the URL", secret=True),
    _rabbitmq("PASSWORD_FILE", values.FILE, None, "file that holds the password; read again at every connection"),
    _rabbitmq("URL", values.BROKER_URL, None, "all of it in one address; wins over the parts", secret=True),
    _rabbitmq("TLS", values.BOOLEAN, "false", "encrypt the connection and verify the server"),
    _rabbitmq("TLS_CA_FILE", values.FILE, None, "certificates to trust instead of the system's"),
    _rabbitmq("TLS_SERVER_NAME", values.TEXT, None, "name the server's certificate must have; the host's by default"),
    _rabbitmq("TLS_INSECURE", values.BOOLEAN, "false", "do not verify the server"),
    _rabbitmq("DELAY_TIERS", values.TIERS, DELAY_TIERS, "waits for which the broker has a delay queue"),
    _sqs(
        "ASYA_AWS_REGION",
        values.TEXT,
        None,
        "region; credentials by the usual AWS chain",
        ("AWS_REGION",),
        required=True,
    ),
    _sqs("ASYA_SQS_ENDPOINT", values.HTTP_URL, None, "another endpoint than the region's"),
    _sqs("ASYA_QUEUE_URL", values.HTTP_URL, None, "address of the own queue; looked up by default"),
    _sqs("ASYA_SQS_VISIBILITY_TIMEOUT", whole(30, 43_200), "120", "seconds a message in hand stays invisible; renewed"),
    _sqs("ASYA_SQS_WAIT_TIME_SECONDS", whole(0, 20), "20", "seconds a long poll waits"),
    Variable("ASYA_SQLITE_PATH", values.PATH, None, "file of the local mesh", required=True, transport="sqlite"),
    Variable("ASYA_METRICS_ADDR", values.ADDRESS, ":8080", "where /healthz, /readyz and /metrics are served"),
    Variable("ASYA_METRICS_NAMESPACE", values.METRIC_PREFIX, "asya_actor", "first part of every metric's name"),
    Variable("ASYA_LOG_LEVEL", values.LOG_LEVEL, "INFO", "least level that is written"),
    Variable("ASYA_LOG_FORMAT", one_of("json", "text"), "json", "one JSON object or one line of text per event"),
    Variable(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        values.HTTP_URL,
        None,
        "where spans go; tracing is off without it. Other OTEL_* variables mean what OpenTelemetry says",
    ),
)

READ_BY_OTHERS = frozenset(
    {
        "ASYA_HANDLER",
        "ASYA_HANDLER_MODE",
        "ASYA_SOCKET_CHMOD",
        "ASYA_CHUNK_SIZE",
        "ASYA_ENABLE_VALIDATION",
        "ASYA_PYTHONEXECUTABLE",
        "ASYA_KEDA_TLS",
    }
)
"""Variables of the runtime and of the autoscaler that may stand in the sidecar's environment: no warning about them."""
