"""The kinds of value a variable may hold: what is allowed, in words, and how its text is read.

Used by the table in variables.py. Pure: files are looked at by reading.py. A `parse` raises ValueError for text that
is not allowed; the words for it are in `allowed`, once, for the error line and for the reference page.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from asya_schemas import durations, names
from asya_sidecar.settings.model import Address
from asya_transport.rabbitmq.address import parse_tiers, parse_url

TRUE_WORDS = frozenset({"true", "1", "yes", "on"})
FALSE_WORDS = frozenset({"false", "0", "no", "off"})
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
MAX_PORT = 65_535
MAX_SOCKET_PATH_BYTES = 107


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of value."""

    allowed: str
    parse: Callable[[str], Any]


def require(condition: object) -> None:
    """Refuse the text when `condition` does not hold.

    Raises:
        ValueError: it does not; the kind's `allowed` has the words.
    """
    if not condition:
        raise ValueError


def whole(lowest: int, highest: int) -> Kind:
    """Whole numbers in a range, both ends included."""

    def parse(value: str) -> int:
        require(value.isascii() and value.isdigit() and len(value) <= 18 and lowest <= int(value) <= highest)
        return int(value)

    return Kind(f"a whole number from {lowest:,} to {highest:,}", parse)


def auto_or(number: Kind) -> Kind:
    """As `number`; the word `auto` is None."""
    return Kind(f"auto, or {number.allowed}", lambda value: None if value.lower() == "auto" else number.parse(value))


def seconds(lowest: float, highest: float) -> Kind:
    """Durations in a range, both ends included, in seconds."""

    def parse(value: str) -> float:
        parsed = durations.parse_duration(value)
        require(lowest <= parsed <= highest)
        return parsed

    limits = f"from {lowest:g} s to {highest:,.0f} s"
    return Kind(f"a duration such as 300s, 5m, 1m30s, 500ms or a number of seconds, {limits}", parse)


def one_of(*words: str) -> Kind:
    """One of a few words, any case."""

    def parse(value: str) -> str:
        require(value.lower() in words)
        return value.lower()

    return Kind(f"{', '.join(words[:-1])} or {words[-1]}", parse)


def _boolean(value: str) -> bool:
    word = value.lower()
    require(word in TRUE_WORDS or word in FALSE_WORDS)
    return word in TRUE_WORDS


def _actor(value: str) -> str:
    require(names.is_actor_name(value))
    return value


def _template(value: str) -> str:
    names.check_template(value)
    return value


def _metric_prefix(value: str) -> str:
    require(value.isascii() and value.replace("_", "a").isalnum() and not value[0].isdigit())
    return value


def _log_level(value: str) -> str:
    """An unknown level is INFO and a warning (reading.py), because a wrong word here must not stop an actor."""
    level = value.upper()
    return "WARNING" if level == "WARN" else level if level in LOG_LEVELS else "INFO"


def _address(value: str) -> Address:
    host, colon, port = value.rpartition(":")
    require(colon and port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= MAX_PORT)
    return Address(host.removeprefix("[").removesuffix("]"), int(port))


def _http_url(value: str) -> str:
    require(value.isascii() and value.isprintable() and " " not in value)
    parts = urlsplit(value)
    require(parts.scheme in ("http", "https") and parts.hostname and parts.port != 0)
    require(parts.username is None and not parts.query and not parts.fragment)
    return value.rstrip("/")


def _hosts(value: str) -> tuple[str, ...]:
    hosts = tuple(part.strip() for part in value.split(","))
    require(all(hosts) and not any(" " in host or "/" in host or "@" in host for host in hosts))
    return hosts


TEXT = Kind("any text", str)
BOOLEAN = Kind("true, 1, yes, on, false, 0, no or off", _boolean)
ACTOR = Kind("a name of at most 63 lower-case letters, digits and '-', with no '-' at either end", _actor)
TEMPLATE = Kind("a queue name that contains {actor}, with no placeholder but {namespace} beside it", _template)
LOG_LEVEL = Kind("DEBUG, INFO, WARNING (WARN) or ERROR", _log_level)
ADDRESS = Kind("an address such as :8080, 127.0.0.1:8080 or [::1]:8080; port 0 takes a free one", _address)
HTTP_URL = Kind("an address such as http://asya-gateway:8081, without user, password, query or fragment", _http_url)
HOSTS = Kind("host names separated by commas", _hosts)
TIERS = Kind("durations separated by commas, each longer than the one before", parse_tiers)
BROKER_URL = Kind("an address such as amqp://user:password@host:5672/vhost or amqps://..", parse_url)
METRIC_PREFIX = Kind("letters, digits and '_', not beginning with a digit", _metric_prefix)
FILE = Kind("a file that can be read", Path)
PATH = Kind("a path", Path)
