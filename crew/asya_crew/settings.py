"""What the crew was told: one frozen value made from the environment (contract: gateway, Crew).

Called by sink.py and sump.py while the runtime imports them: a mistake is a ConfigurationError there, which the runtime shows as the
reason why the handler cannot be loaded. Standard library only, like all of the crew's handlers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TRUE_WORDS = frozenset({"true", "1", "yes", "on"})
FALSE_WORDS = frozenset({"false", "0", "no", "off"})
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

# Name: (default, meaning). The page docs/reference/crew-variables.md is made of it.
VARIABLES = {
    "ASYA_PERSISTENCE_MOUNT": ("", "folder to store in, which must exist; without it nothing is stored"),
    "ASYA_S3_RESULTS_PREFIX": ("results/", "where results are stored, below the folder"),
    "ASYA_S3_ERRORS_PREFIX": ("errors/", "where errors are stored, below the folder"),
    "ASYA_LOG_PAYLOADS": ("true", "whether payloads stand in the log: true, 1, yes, on, false, 0, no or off"),
    "ASYA_LOG_PAYLOAD_MAX_BYTES": ("65536", "where a payload in the log is cut; a whole number of bytes"),
    "ASYA_LOG_LEVEL": (
        "INFO",
        "least level that is written: DEBUG, INFO, WARNING (WARN) or ERROR; another word is INFO",
    ),
    "ASYA_LOG_FORMAT": ("json", "json or text"),
    "ASYA_ACTOR_NAME": ("", "own name, for the log"),
    "ASYA_GATEWAY_URL": ("", "only for a warning at start: without it and a folder the log is all there is"),
}
# Names of a store to come. Set, they say that somebody counts on it, so that starting without it would lose results.
S3_VARIABLES = (
    "ASYA_S3_BUCKET",
    "ASYA_S3_ENDPOINT",
    "ASYA_S3_REGION",
    "ASYA_S3_ACCESS_KEY",
    "ASYA_S3_SECRET_KEY",
    "ASYA_S3_CREATE_BUCKET",
)


class ConfigurationError(Exception):
    """The environment cannot be used; the text has one line per mistake."""


@dataclass(frozen=True)
class Settings:
    """The variables of x-sink and x-sump."""

    actor: str
    mount: Path | None
    """Folder to store in; None: nothing is stored."""
    results_prefix: str
    errors_prefix: str
    has_gateway: bool
    log_payloads: bool
    log_payload_max_bytes: int
    log_level: str
    log_format: str


def from_environ(environ: Mapping[str, str]) -> Settings:
    """Settings of an end actor; empty counts as unset.

    Raises:
        ConfigurationError: with one line for every mistake there is.
    """
    given = {name: environ.get(name, "").strip() or default for name, (default, _) in VARIABLES.items()}
    mistakes = [
        f"{name} is set, but this build stores in a folder only: "
        "set ASYA_PERSISTENCE_MOUNT and remove the ASYA_S3_ settings"
        for name in S3_VARIABLES
        if environ.get(name, "").strip()
    ]
    settings = Settings(
        actor=given["ASYA_ACTOR_NAME"],
        mount=_mount(given["ASYA_PERSISTENCE_MOUNT"], mistakes),
        results_prefix=_prefix("ASYA_S3_RESULTS_PREFIX", given, mistakes),
        errors_prefix=_prefix("ASYA_S3_ERRORS_PREFIX", given, mistakes),
        has_gateway=bool(given["ASYA_GATEWAY_URL"]),
        log_payloads=_boolean("ASYA_LOG_PAYLOADS", given, mistakes),
        log_payload_max_bytes=_bytes("ASYA_LOG_PAYLOAD_MAX_BYTES", given, mistakes),
        log_level=_level(given["ASYA_LOG_LEVEL"].upper()),
        log_format=given["ASYA_LOG_FORMAT"].lower(),
    )
    if settings.log_format not in ("json", "text"):
        mistakes.append(f"ASYA_LOG_FORMAT={settings.log_format!r}: must be json or text")
    if mistakes:
        raise ConfigurationError("\n".join(mistakes))
    return settings


def _mount(text: str, mistakes: list[str]) -> Path | None:
    """The folder must be there: one made here, where a volume was meant, would be lost with the container."""
    if not text:
        return None
    if not Path(text).is_dir():
        mistakes.append(f"ASYA_PERSISTENCE_MOUNT={text!r}: must be a folder that exists")
    return Path(text).absolute()


def _prefix(name: str, given: Mapping[str, str], mistakes: list[str]) -> str:
    """A prefix stays inside the mount: it is joined to it as it is."""
    text = given[name]
    if text.startswith("/") or ".." in text.split("/"):
        mistakes.append(f"{name}={text!r}: must be a relative path without '..', such as results/")
    return text


def _boolean(name: str, given: Mapping[str, str], mistakes: list[str]) -> bool:
    word = given[name].lower()
    if word not in TRUE_WORDS | FALSE_WORDS:
        mistakes.append(f"{name}={given[name]!r}: must be true, 1, yes, on, false, 0, no or off")
    return word in TRUE_WORDS


def _bytes(name: str, given: Mapping[str, str], mistakes: list[str]) -> int:
    text = given[name]
    if text.isascii() and text.isdigit() and len(text) <= 12:
        return int(text)
    mistakes.append(f"{name}={text!r}: must be a whole number of bytes")
    return 0


def _level(word: str) -> str:
    """As everywhere in the mesh: `WARN` is `WARNING`, an unknown word is INFO."""
    level = "WARNING" if word == "WARN" else word
    return level if level in LOG_LEVELS else "INFO"
