"""Environment in, Settings out; all mistakes at once (contract: sidecar, Variables, Bad configuration).

Called by `__main__` once, before any connection is made. Looks at nothing but the mapping it is given and the files
that it names.
"""

import re
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from asya_schemas import names
from asya_schemas.policies import PolicyError, RetryPolicy, Rule, parse_policies, parse_rules
from asya_sidecar.settings import values
from asya_sidecar.settings.model import (
    ConfigurationError,
    GatewaySettings,
    Settings,
    SqliteSettings,
    SqsSettings,
)
from asya_sidecar.settings.variables import READ_BY_OTHERS, TRANSPORTS, VARIABLES, Variable
from asya_transport.rabbitmq.address import AMQP_PORT, AMQPS_PORT, BrokerUrl, RabbitmqAddress

SHOWN_VALUE_CHARACTERS = 200
# SQS ends visibility at 12 h whatever is renewed; an hour is left for sends and settlement.
SQS_LONGEST_CALL_S = 39_600
MASK = "***"


def adapter_exists(transport: str) -> bool:
    """Whether this build can speak to that broker: the adapter module is there, and what it imports may be looked up
    by it alone.
    """
    return find_spec(f"asya_transport.{transport}") is not None


def from_environ(environ: Mapping[str, str], has_adapter: Callable[[str], bool] = adapter_exists) -> Settings:
    """Settings of a sidecar.

    Raises:
        ConfigurationError: with one line for every mistake there is.
    """
    return _Reading(environ, has_adapter).settings()


class _Reading:
    """One pass over the environment: collects values, mistakes and warnings; `settings` puts them together."""

    def __init__(self, environ: Mapping[str, str], has_adapter: Callable[[str], bool]) -> None:
        self._environ = {name: value for name, value in environ.items() if value.strip()}
        self._has_adapter = has_adapter
        self._mistakes: list[str] = []
        self._rows = {row.name: row for row in VARIABLES}
        self._values: dict[str, Any] = {}
        for row in VARIABLES:
            if row.transport in (None, self._values.get("ASYA_TRANSPORT")):
                self._values[row.name] = self._read(row)

    def settings(self) -> Settings:
        """Everything together, or every mistake."""
        transport: str = self._values["ASYA_TRANSPORT"] or ""
        if transport and not self._has_adapter(transport):
            available = ", ".join(name for name in TRANSPORTS if self._has_adapter(name)) or "none"
            self._mistakes.append(
                f"ASYA_TRANSPORT={transport!r}: this build has no adapter for {transport}; it has: {available}"
            )
        self._check_names()
        policies, rules = self._retries()
        gateway = self._gateway()
        rabbitmq = self._rabbitmq() if transport == "rabbitmq" else None
        sqs = self._sqs() if transport == "sqs" else None
        sqlite = SqliteSettings(self["SQLITE_PATH"]) if transport == "sqlite" else None
        if self._mistakes:
            raise ConfigurationError(tuple(self._mistakes))
        return Settings(
            actor_name=self["ACTOR_NAME"],
            namespace=self["NAMESPACE"] or "",
            queue_name_template=self["QUEUE_NAME_TEMPLATE"],
            queue=self["QUEUE_NAME"]
            or names.queue_name(self["QUEUE_NAME_TEMPLATE"], self["NAMESPACE"] or "", self["ACTOR_NAME"]),
            transport=transport,
            sink=self["ACTOR_SINK"],
            sump=self["ACTOR_SUMP"],
            is_end_actor=self["IS_END_ACTOR"],
            socket_path=self["SOCKET_DIR"] / self["SOCKET_NAME"],
            actor_timeout_s=self["RESILIENCY_ACTOR_TIMEOUT"],
            policies=policies,
            rules=rules,
            max_deliveries=self["MAX_DELIVERIES"],
            graceful_shutdown_s=self["GRACEFUL_SHUTDOWN"],
            runtime_ready_timeout_s=self["RUNTIME_READY_TIMEOUT"],
            prefetch=self["PREFETCH"],
            prefetch_max=self["PREFETCH_MAX"],
            max_message_bytes=self["MAX_MESSAGE_BYTES"],
            max_result_bytes=self["MAX_RESULT_BYTES"],
            max_frames=self["MAX_FRAMES"],
            unknown_actor_wait_s=self["UNKNOWN_ACTOR_WAIT"],
            queue_auto_create=self["QUEUE_AUTO_CREATE"],
            gateway=gateway,
            rabbitmq=rabbitmq,
            sqs=sqs,
            sqlite=sqlite,
            metrics_addr=self["METRICS_ADDR"],
            metrics_namespace=self["METRICS_NAMESPACE"],
            log_level=self["LOG_LEVEL"],
            log_format=self["LOG_FORMAT"],
            otel=self._otel(),
            warnings=tuple(self._warnings()),
        )

    def __getitem__(self, name: str) -> Any:
        """The value of `ASYA_<name>`; None when unset without default, or refused."""
        return self._values[f"ASYA_{name}"]

    def _given(self, row: Variable) -> tuple[str, str] | None:
        """The name and text that count: the first name wins over its aliases."""
        for name in (row.name, *row.aliases):
            if name in self._environ:
                return name, self._environ[name]
        return None

    def _read(self, row: Variable) -> Any:
        given = self._given(row)
        if given is None and row.required:
            self._mistakes.append(_missing(row))
        if given is None and row.default is None:
            return None
        name, text = given or (row.name, row.default or "")
        try:
            # A secret may begin or end with a blank; anything else may not.
            value = row.kind.parse(text if row.secret else text.strip())
        except ValueError:
            self._refuse(row.name, row.kind.allowed)
            return None
        if row.kind is values.FILE and (reason := _unreadable(value)):
            self._mistakes.append(f"{name}={_shown(row, text)}: must be a file that can be read ({reason})")
        return value

    def _refuse(self, variable: str, allowed: str) -> None:
        """One line about a variable that is set, or has a default that cannot stand."""
        row = self._rows[variable]
        name, text = self._given(row) or (row.name, row.default or "")
        self._mistakes.append(f"{name}={_shown(row, text)}: must be {allowed}")

    def _check_names(self) -> None:
        if names.uses_namespace(self["QUEUE_NAME_TEMPLATE"] or "") and "ASYA_NAMESPACE" not in self._environ:
            self._mistakes.append(_missing(self._rows["ASYA_NAMESPACE"]))
        path = self["SOCKET_DIR"] / self["SOCKET_NAME"]
        if "/" in self["SOCKET_NAME"]:
            self._refuse("ASYA_SOCKET_NAME", "a file name without '/'")
        elif len(bytes(path)) > values.MAX_SOCKET_PATH_BYTES:
            self._refuse(
                "ASYA_SOCKET_DIR", f"so short that the socket's path has at most {values.MAX_SOCKET_PATH_BYTES} bytes"
            )

    def _retries(self) -> tuple[Mapping[str, RetryPolicy], tuple[Rule, ...]]:
        policies_text, rules_text = self["RESILIENCY_POLICIES"], self["RESILIENCY_RULES"]
        try:
            policies = parse_policies(policies_text) if policies_text else {}
        except PolicyError as error:
            self._json_mistakes("ASYA_RESILIENCY_POLICIES", error)
            return {}, ()  # which policies the rules may name is not known
        try:
            return policies, parse_rules(rules_text, policies) if rules_text else ()
        except PolicyError as error:
            self._json_mistakes("ASYA_RESILIENCY_RULES", error)
            return policies, ()

    def _json_mistakes(self, variable: str, error: PolicyError) -> None:
        text = _shown(self._rows[variable], self._environ[variable])
        self._mistakes.extend(f"{variable}={text}: {mistake}" for mistake in error.mistakes)

    def _gateway(self) -> GatewaySettings | None:
        if not self["GATEWAY_URL"]:
            return None
        token, token_file = self["GATEWAY_CALLBACK_TOKEN"], self["GATEWAY_CALLBACK_TOKEN_FILE"]
        return GatewaySettings(self["GATEWAY_URL"], token, None if token else token_file, self["CANCEL_CHECK"])

    def _rabbitmq(self) -> RabbitmqAddress:
        url: BrokerUrl | None = self["RABBITMQ_URL"]
        tls = url.tls if url else bool(self["RABBITMQ_TLS"])
        username = (url and url.username) or self["RABBITMQ_USERNAME"]
        password = (url and url.password) or self["RABBITMQ_PASSWORD"]
        hosts = (url.host,) if url else self["RABBITMQ_HOST"]
        wanted = {"HOST": hosts, "USERNAME": username, "PASSWORD": password or self["RABBITMQ_PASSWORD_FILE"]}
        for name, value in wanted.items():
            if not value and f"ASYA_RABBITMQ_{name}" not in self._environ:
                self._mistakes.append(_missing(self._rows[f"ASYA_RABBITMQ_{name}"]))
        return RabbitmqAddress(
            hosts=hosts or (),
            port=(url and url.port) or self["RABBITMQ_PORT"] or (AMQPS_PORT if tls else AMQP_PORT),
            vhost=(url and url.vhost) or self["RABBITMQ_VHOST"],
            username=username or "",
            password=password,
            password_file=None if password else self["RABBITMQ_PASSWORD_FILE"],
            tls=tls,
            tls_ca_file=self["RABBITMQ_TLS_CA_FILE"],
            tls_server_name=self["RABBITMQ_TLS_SERVER_NAME"],
            tls_insecure=bool(self["RABBITMQ_TLS_INSECURE"]),
            delay_tiers=self["RABBITMQ_DELAY_TIERS"] or (),
        )

    def _sqs(self) -> SqsSettings:
        if (self["RESILIENCY_ACTOR_TIMEOUT"] or 0) > SQS_LONGEST_CALL_S:
            self._refuse(
                "ASYA_RESILIENCY_ACTOR_TIMEOUT", "at most 11 h with transport sqs, where visibility ends at 12 h"
            )
        return SqsSettings(
            region=self["AWS_REGION"],
            endpoint=self["SQS_ENDPOINT"],
            queue_url=self["QUEUE_URL"],
            visibility_timeout_s=self["SQS_VISIBILITY_TIMEOUT"],
            wait_time_s=self["SQS_WAIT_TIME_SECONDS"],
        )

    def _otel(self) -> Mapping[str, str]:
        if not self._values["OTEL_EXPORTER_OTLP_ENDPOINT"]:
            return {}
        return {name: value for name, value in self._environ.items() if name.startswith("OTEL_")}

    def _warnings(self) -> list[str]:
        warnings = []
        level = self._environ.get("ASYA_LOG_LEVEL", "INFO").strip().upper()
        if level not in (*values.LOG_LEVELS, "WARN"):
            warnings.append(
                f"ASYA_LOG_LEVEL={level[:SHOWN_VALUE_CHARACTERS]!r}: must be {values.LOG_LEVEL.allowed}; INFO is used"
            )
        known = {name for row in VARIABLES for name in (row.name, *row.aliases)}
        for name in sorted(self._environ):
            if name.startswith("ASYA_") and name not in known | READ_BY_OTHERS:
                warnings.append(f"{name} is read by nothing{_near(name, known)}")
        return warnings


def _missing(row: Variable) -> str:
    return f"{row.name} is not set but required ({row.meaning}): must be {row.kind.allowed}"


def _near(name: str, known: set[str]) -> str:
    """A hint at the name that was probably meant."""
    from difflib import get_close_matches  # loaded for a mistake only: every start would pay for it

    near = get_close_matches(name, sorted(known), n=1)
    return f": did you mean {near[0]}?" if near else ""


def _shown(row: Variable, text: str) -> str:
    """A value fit for a log: secrets masked, user and password of an address too, control characters escaped, not
    endless.
    """
    if row.secret:
        return MASK
    masked = re.sub(r"//.*@", f"//{MASK}@", text.strip())
    return repr(masked if len(masked) <= SHOWN_VALUE_CHARACTERS else masked[:SHOWN_VALUE_CHARACTERS] + "...")


def _unreadable(path: Path) -> str | None:
    """Why the file cannot be read; None when it can."""
    try:
        with path.open("rb"):
            return None
    except OSError as error:
        return error.strerror or type(error).__name__
