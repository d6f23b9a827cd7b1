"""Where a RabbitMQ is and how to enter it: values, no connection.

Made by the sidecar's settings and by the command line, used by everything here. Must not import pika: settings and decisions hold these
values.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from asya_schemas.durations import parse_duration

AMQP_PORT: Final = 5672
AMQPS_PORT: Final = 5671
DELAY_TIERS: Final = "100ms,200ms,500ms,1s,2s,3s,5s,10s,15s,30s,1m,2m,5m,10m,15m,30m,1h"
"""Contract: sidecar, section 12."""

Tier = tuple[str, float]
"""The text that names a delay tier, and its seconds."""


@dataclass(frozen=True, slots=True)
class BrokerUrl:
    """The parts of an address; None where it says nothing."""

    tls: bool
    host: str
    port: int | None
    vhost: str | None
    username: str | None
    password: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class RabbitmqAddress:
    """How to reach RabbitMQ. The password stands in one of two members; the file is read again at every connection."""

    hosts: tuple[str, ...]
    port: int
    vhost: str
    username: str
    password: str | None = field(repr=False)
    password_file: Path | None
    tls: bool
    tls_ca_file: Path | None
    tls_server_name: str | None
    tls_insecure: bool
    delay_tiers: tuple[Tier, ...]
    """Ascending."""

    def place(self, host: str) -> str:
        """In words, for sentences; without credentials."""
        return f"RabbitMQ at {host}:{self.port}"


def parse_url(text: str) -> BrokerUrl:
    """The parts of `amqp://user:password@host:port/vhost`.

    Raises:
        ValueError: it is none; the text holds no part of the address, which may hold a password.
    """
    parts = urlsplit(text)
    if parts.scheme not in ("amqp", "amqps") or not parts.hostname or parts.port == 0 or parts.query or parts.fragment:
        raise ValueError("expected an address such as amqp://user:password@host:5672/vhost or amqps://..")
    return BrokerUrl(
        tls=parts.scheme == "amqps",
        host=parts.hostname,
        port=parts.port,
        vhost=unquote(parts.path[1:]) if len(parts.path) > 1 else None,
        username=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )


def parse_tiers(text: str) -> tuple[Tier, ...]:
    """Durations separated by commas.

    Raises:
        ValueError: one is no duration, or they do not ascend.
    """
    tiers = tuple((part.strip(), parse_duration(part.strip())) for part in text.split(","))
    lengths = [length for _, length in tiers]
    if lengths != sorted(set(lengths)) or lengths[0] <= 0:
        raise ValueError("each duration must be longer than the one before")
    return tiers


def address_of(url: BrokerUrl, tiers: str = DELAY_TIERS) -> RabbitmqAddress:
    """An address without a file for the password or certificates; what the URL leaves out is as the broker's own defaults."""
    return RabbitmqAddress(
        hosts=(url.host,),
        port=url.port or (AMQPS_PORT if url.tls else AMQP_PORT),
        vhost=url.vhost or "/",
        username=url.username or "guest",
        password=url.password or "guest",
        password_file=None,
        tls=url.tls,
        tls_ca_file=None,
        tls_server_name=None,
        tls_insecure=False,
        delay_tiers=parse_tiers(tiers),
    )
