"""Transports as an operator configures them.

Read through config.py, which checks the whole file; used wherever a decision depends on the broker (contract: controller, Operator
configuration). Must not know how a broker is spoken to.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator
from pydantic.alias_generators import to_camel

from asya_schemas.names import check_template

DEFAULT_DELAY_TIERS = (
    "100ms", "200ms", "500ms", "1s", "2s", "3s", "5s", "10s", "15s", "30s", "1m", "2m", "5m", "10m", "15m", "30m", "1h",
)  # fmt: skip
DURATION = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"
Duration = Annotated[str, StringConstraints(pattern=DURATION, max_length=32)]
Text = Annotated[str, StringConstraints(min_length=1)]


class Strict(BaseModel):
    """A part of the configuration: unknown keys and wrong types are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, alias_generator=to_camel, populate_by_name=True)


class SecretRef(Strict):
    """A key of a Secret in each actor's namespace."""

    name: Text
    key: Text


class DeadLetters(Strict):
    """`queues.dlq`: deliveries before a message is dead-lettered."""

    enabled: bool = True
    max_retry_count: int = Field(default=10, ge=3, le=1000)

    @field_validator("enabled")
    @classmethod
    def never_off(cls, value: bool) -> bool:
        """Dead letters cannot be switched off: a message past its limit would be lost."""
        if not value:
            raise ValueError("must be true: without dead letters a message past its limit would be lost")
        return value


class SqsDeadLetters(DeadLetters):
    """SQS forgets dead letters after a while."""

    retention_days: int = Field(default=14, ge=1, le=14)


class Queues(Strict):
    """How queues are made."""

    auto_create: bool = True
    force_recreate: bool = False
    dlq: DeadLetters = DeadLetters()


class RabbitMQQueues(Queues):
    """A classic queue counts no deliveries."""

    type: Literal["quorum", "classic"] = "quorum"


class SqsQueues(Queues):
    """Queues of SQS."""

    dlq: SqsDeadLetters = SqsDeadLetters()


class BrokerConfig(Strict):
    """What the `config` of every transport type has."""

    queue_name_template: str = "asya-{namespace}-{actor}"
    deletion_policy: Literal["DeleteIfEmpty", "Delete", "Retain"] = "DeleteIfEmpty"
    queues: Queues = Queues()

    @field_validator("queue_name_template")
    @classmethod
    def usable_template(cls, value: str) -> str:
        """The template contains {actor} and no placeholder but {namespace} besides."""
        check_template(value)
        return value


class Tls(Strict):
    """TLS towards RabbitMQ."""

    enabled: bool = False
    ca_secret_ref: SecretRef | None = None
    server_name: str | None = None
    insecure_skip_verify: bool = False


class RabbitMQ(BrokerConfig):
    """`config` of a transport of type rabbitmq."""

    queues: RabbitMQQueues = RabbitMQQueues()
    host: Text
    port: int | None = Field(default=None, ge=1, le=65535)
    vhost: Text = "/"
    username: Text | None = None
    username_secret_ref: SecretRef | None = None
    password_secret_ref: SecretRef
    tls: Tls = Tls()
    management_url: Annotated[str, StringConstraints(pattern=r"^https?://[^/@\s]+/?$")] | None = None
    exchange: Text | None = None
    prefetch: Literal["auto"] | Annotated[int, Field(ge=1, le=65535)] = "auto"
    consumer_timeout: Duration = "30m"
    delay_tiers: Annotated[tuple[Duration, ...], Field(strict=False, min_length=1)] = DEFAULT_DELAY_TIERS

    @model_validator(mode="after")
    def one_username(self) -> Self:
        """The user's name is given exactly once."""
        if (self.username is None) == (self.username_secret_ref is None):
            raise ValueError("needs either username or usernameSecretRef")
        return self

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts in the order given."""
        return tuple(host.strip() for host in self.host.split(","))

    @property
    def effective_port(self) -> int:
        """The port, 5671 with TLS and 5672 without when none was given."""
        return self.port or (5671 if self.tls.enabled else 5672)


class SqsCredentials(Strict):
    """Static keys."""

    access_key_id_secret_ref: SecretRef
    secret_access_key_secret_ref: SecretRef


class Sqs(BrokerConfig):
    """`config` of a transport of type sqs."""

    queues: SqsQueues = SqsQueues()
    region: Text
    endpoint: Annotated[str, StringConstraints(pattern=r"^https?://[^@\s]+$")] | None = None
    actor_role_arn: Text | None = None
    credentials: SqsCredentials | None = None
    visibility_timeout: int = Field(default=120, ge=1, le=43200)
    wait_time_seconds: int = Field(default=20, ge=0, le=20)
    message_retention_days: int = Field(default=4, ge=1, le=14)
    tags: dict[str, str] = Field(default={})
    account_id: Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")] | None = None


class Sqlite(BrokerConfig):
    """`config` of the local mesh's transport; no file may name this type."""

    path: Text


class Transport(Strict):
    """One named transport."""

    type: Literal["rabbitmq", "sqs", "sqlite"]
    enabled: bool = True
    config: RabbitMQ | Sqs | Sqlite
