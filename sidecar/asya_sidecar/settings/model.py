"""What the sidecar was told: frozen values, made once by reading.py and handed down from `__main__`.

Everything a component needs is a member here, so that nothing else looks at the environment. Secrets are kept out of
`repr`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from asya_schemas import names
from asya_schemas.policies import RetryPolicy, Rule
from asya_transport.rabbitmq.address import RabbitmqAddress


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; an empty host means all interfaces, port 0 a free one."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class SqsSettings:
    """How to reach SQS; credentials come from the usual AWS chain."""

    region: str
    endpoint: str | None
    queue_url: str | None
    visibility_timeout_s: int
    wait_time_s: int


@dataclass(frozen=True, slots=True)
class SqliteSettings:
    """The one file of the local mesh."""

    path: Path


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Where reports go. The token stands in one of two members or in none; the file is read again when it changes."""

    url: str
    token: str | None = field(repr=False)
    token_file: Path | None
    cancel_check: str
    """`auto`, `always` or `off`."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All of contract: sidecar, Variables. Times in seconds, sizes in bytes."""

    actor_name: str
    namespace: str
    queue_name_template: str
    queue: str
    """Own queue, full name."""
    transport: str
    sink: str
    """Actor that gets results (a name, not a queue)."""
    sump: str
    """Actor that gets errors (a name, not a queue)."""
    is_end_actor: bool
    socket_path: Path
    actor_timeout_s: float
    policies: Mapping[str, RetryPolicy]
    rules: tuple[Rule, ...]
    max_deliveries: int
    graceful_shutdown_s: float
    runtime_ready_timeout_s: float
    """0: no limit."""
    prefetch: int | None
    """None: the window follows the handler (`auto`)."""
    prefetch_max: int
    max_message_bytes: int
    max_result_bytes: int
    max_frames: int
    unknown_actor_wait_s: float
    queue_auto_create: bool
    gateway: GatewaySettings | None
    """None: reports are off."""
    rabbitmq: RabbitmqAddress | None
    """Exactly one of the three is set, by `transport`."""
    sqs: SqsSettings | None
    sqlite: SqliteSettings | None
    metrics_addr: Address
    metrics_namespace: str
    log_level: str
    """`DEBUG`, `INFO`, `WARNING` or `ERROR`."""
    log_format: str
    """`json` or `text`."""
    otel: Mapping[str, str]
    """All `OTEL_*` variables when `OTEL_EXPORTER_OTLP_ENDPOINT` is set, else empty: tracing is off."""
    warnings: tuple[str, ...] = ()
    """Sentences to be logged once at start."""

    def queue_of(self, actor: str) -> str:
        """The queue of an actor of the own namespace."""
        return names.queue_name(self.queue_name_template, self.namespace, actor)

    @property
    def sink_queue(self) -> str:
        """Where results go."""
        return self.queue_of(self.sink)

    @property
    def sump_queue(self) -> str:
        """Where errors go."""
        return self.queue_of(self.sump)


class ConfigurationError(Exception):
    """The environment cannot be used.

    Attributes:
        lines: one sentence per mistake; secrets are masked.
    """

    def __init__(self, lines: tuple[str, ...]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines
