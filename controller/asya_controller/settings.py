"""The controller's variables, read once (contract: controller, Process).

Made by the process's start from its environment; nothing else reads it. Says every mistake at once. The operator's configuration is
another input: `decide.config` checks it, and `overrides` is what the variables here set over its file.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from asya_schemas.durations import parse_duration
from asya_schemas.names import is_actor_name

DEFAULT_CONFIG_FILE = "/etc/asya/controller.yaml"
DEFAULT_CREDENTIALS = "/etc/asya/transports"
DEFAULT_SCRIPT = "/runtime/asya_runtime.py"
SHORTEST_CHECK_S = 5.0
MOST_WORKERS = 64
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

T = TypeVar("T")


class ConfigurationError(Exception):
    """Variables that cannot be used.

    Attributes:
        lines: one `configuration error: <variable>: <problem>` each.
        settings: what the others say, with defaults for these, so that the files they name can be checked in the same go.
    """

    def __init__(self, lines: list[str], settings: "Settings") -> None:
        self.lines = tuple(lines)
        self.settings = settings
        super().__init__("\n".join(lines))


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says. Without `config_file_required` an absent `config_file` means an empty configuration."""

    config_file: str
    config_file_required: bool
    runtime_script: str
    credentials: str
    watch_namespaces: tuple[str, ...]
    source_path: str | None
    manage_queues: bool
    queue_check_s: float
    workers: int
    leader_elect: bool
    metrics_addr: str
    probe_addr: str
    log_level: str
    overrides: Mapping[str, Any]


def from_environ(environ: Mapping[str, str]) -> Settings:
    """The settings; an empty variable counts as unset.

    Raises:
        ConfigurationError: with every mistake.
    """
    reader = Reader({name: value for name, value in environ.items() if value})
    settings = Settings(
        config_file=reader.text("ASYA_CONFIG_FILE", DEFAULT_CONFIG_FILE),
        config_file_required=reader.given("ASYA_CONFIG_FILE"),
        runtime_script=reader.text("ASYA_RUNTIME_SCRIPT_PATH", DEFAULT_SCRIPT),
        credentials=reader.text("ASYA_TRANSPORT_CREDENTIALS_PATH", DEFAULT_CREDENTIALS),
        watch_namespaces=reader.read("ASYA_WATCH_NAMESPACES", "", namespaces),
        source_path=reader.text("ASYA_SOURCE_PATH", "") or None,
        # Exactly `true`: a half-understood value must not stop queues from being made.
        manage_queues=reader.text("ASYA_DISABLE_QUEUE_MANAGEMENT", "") != "true",
        queue_check_s=reader.read("ASYA_QUEUE_HEALTH_CHECK_INTERVAL", "30s", check_interval),
        workers=reader.read("ASYA_MAX_CONCURRENT_RECONCILES", "8", workers),
        leader_elect=reader.read("ASYA_LEADER_ELECT", "true", boolean),
        metrics_addr=reader.read("ASYA_METRICS_ADDR", ":8080", address),
        probe_addr=reader.read("ASYA_PROBE_ADDR", ":8081", address),
        log_level=reader.read("ASYA_LOG_LEVEL", "INFO", log_level),
        overrides=dict(overrides(reader)),
    )
    if reader.problems:
        raise ConfigurationError(reader.problems, settings)
    return settings


class Reader:
    """Takes values out of the environment and collects what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.problems: list[str] = []

    def given(self, name: str) -> bool:
        """Whether the variable is set."""
        return name in self.environ

    def text(self, name: str, default: str) -> str:
        """The value as it stands."""
        return self.environ.get(name, default)

    def read(self, name: str, default: str, parse: Callable[[str], T]) -> T:
        """The parsed value; the default's when it cannot be used, with the problem noted."""
        try:
            return parse(self.text(name, default))
        except ValueError as error:
            self.problems.append(f"configuration error: {name}: {error}")
            return parse(default)


def overrides(reader: Reader) -> Iterator[tuple[str, Any]]:
    """What variables set over the configuration file, in its shape."""
    if reader.given("ASYA_TRANSPORT_CONFIG"):
        yield "transports", reader.read("ASYA_TRANSPORT_CONFIG", '{"transports": {}}', transports)
    if reader.given("ASYA_SIDECAR_IMAGE"):
        yield "sidecar", {"image": reader.text("ASYA_SIDECAR_IMAGE", "")}
    if reader.given("ASYA_GATEWAY_URL"):
        yield "gateway", {"url": reader.text("ASYA_GATEWAY_URL", "")}
    ends = {"sink": "ASYA_ACTOR_SINK", "sump": "ASYA_ACTOR_SUMP"}
    given = {key: reader.text(name, "") for key, name in ends.items() if reader.given(name)}
    if given:
        yield "endActors", given
    if reader.given("ASYA_MAX_MESSAGE_BYTES"):
        yield "maxMessageBytes", reader.read("ASYA_MAX_MESSAGE_BYTES", "10485760", whole)


def transports(text: str) -> Any:
    """The `transports` of a JSON object."""
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f'expected JSON such as {{"transports": {{..}}}}: {error}') from None
    if not isinstance(found, dict) or set(found) != {"transports"}:
        raise ValueError('expected a JSON object with the one key "transports"')
    return found["transports"]


def namespaces(text: str) -> tuple[str, ...]:
    """A comma list; empty means all."""
    found = tuple(filter(None, map(str.strip, text.split(","))))
    wrong = [name for name in found if not is_actor_name(name)]
    if wrong:
        raise ValueError(
            f"expected names of namespaces, which are DNS labels, with commas between them, got {wrong[0]!r}"
        )
    return found


def whole(text: str) -> int:
    """A whole number."""
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"expected a whole number, got {text!r}")
    return int(text)


def workers(text: str) -> int:
    """A number of passes at once."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_WORKERS:
        raise ValueError(f"expected a number from 1 to {MOST_WORKERS}, got {text!r}")
    return int(text)


def check_interval(text: str) -> float:
    """Seconds between two looks at the queues."""
    interval_s = parse_duration(text)
    if interval_s < SHORTEST_CHECK_S:
        raise ValueError(f"expected {SHORTEST_CHECK_S:g}s or more, got {text!r}")
    return interval_s


def boolean(text: str) -> bool:
    """`true/1/yes/on` or `false/0/no/off`."""
    if text.lower() in ("true", "1", "yes", "on"):
        return True
    if text.lower() in ("false", "0", "no", "off"):
        return False
    raise ValueError(f"expected true or false, got {text!r}")


def address(text: str) -> str:
    """`:8080` or `host:8080`."""
    port = text.rpartition(":")[2]
    if ":" not in text or not port.isdigit() or not 0 <= int(port) < 65536:
        raise ValueError(f"expected [host]:port, got {text!r}")
    return text


def log_level(text: str) -> str:
    """A level by name."""
    level = {"WARN": "WARNING"}.get(text.upper(), text.upper())
    if level not in LOG_LEVELS:
        raise ValueError(f"expected one of {', '.join(LOG_LEVELS)}, got {text!r}")
    return level
