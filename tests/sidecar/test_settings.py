"""The sidecar's variables: what they become, and what is said about mistakes.

Long because it is one table of mistakes and their sentences.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from asya_schemas.policies import RetryPolicy, Rule
from asya_sidecar.settings import Address, ConfigurationError, Settings, from_environ
from asya_sidecar.settings.variables import READ_BY_OTHERS, VARIABLES

LEAST = {"ASYA_ACTOR_NAME": "a", "ASYA_NAMESPACE": "ns", "ASYA_TRANSPORT": "sqlite", "ASYA_SQLITE_PATH": "/m/mesh.db"}
RABBITMQ = {
    "ASYA_ACTOR_NAME": "a",
    "ASYA_NAMESPACE": "ns",
    "ASYA_RABBITMQ_HOST": "mq",
    "ASYA_RABBITMQ_USERNAME": "u",
    "ASYA_RABBITMQ_PASSWORD": "s3cret",
}
SQS = {"ASYA_ACTOR_NAME": "a", "ASYA_NAMESPACE": "ns", "ASYA_TRANSPORT": "sqs", "AWS_REGION": "eu-west-1"}


def read(base: Mapping[str, str] = LEAST, /, **variables: str) -> Settings:
    return from_environ(dict(base) | variables, has_adapter=lambda _: True)


def refusal(base: Mapping[str, str] = LEAST, /, **variables: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        read(base, **variables)
    return list(caught.value.lines)


def test_the_least_environment_gives_the_contracts_defaults() -> None:
    expected: dict[str, Any] = {
        "queue": "asya-ns-a",
        "sink": "x-sink",
        "sump": "x-sump",
        "is_end_actor": False,
        "socket_path": Path("/var/run/asya/asya-runtime.sock"),
        "actor_timeout_s": 300.0,
        "policies": {},
        "rules": (),
        "max_deliveries": 5,
        "graceful_shutdown_s": 30.0,
        "runtime_ready_timeout_s": 0.0,
        "prefetch": None,
        "prefetch_max": 64,
        "max_message_bytes": 10_485_760,
        "max_result_bytes": 67_108_864,
        "max_frames": 10_000,
        "unknown_actor_wait_s": 10.0,
        "queue_auto_create": False,
        "gateway": None,
        "metrics_addr": Address("", 8080),
        "metrics_namespace": "asya_actor",
        "log_level": "INFO",
        "log_format": "json",
        "otel": {},
        "warnings": (),
    }
    settings = read()
    assert {name: getattr(settings, name) for name in expected} == expected


def test_queues_are_named_by_the_template() -> None:
    settings = read(ASYA_QUEUE_NAME_TEMPLATE="{actor}.{namespace}", ASYA_ACTOR_SUMP="error-end")
    assert (settings.queue, settings.sink_queue, settings.sump_queue) == ("a.ns", "x-sink.ns", "error-end.ns")


def test_the_own_queue_may_differ_from_the_template() -> None:
    settings = read(ASYA_QUEUE_NAME="mine")
    assert (settings.queue, settings.queue_of("b")) == ("mine", "asya-ns-b")


def test_without_a_namespace_in_the_template_none_is_required() -> None:
    environ = {name: value for name, value in LEAST.items() if name != "ASYA_NAMESPACE"}
    assert read(environ, ASYA_QUEUE_NAME_TEMPLATE="{actor}").queue == "a"


@pytest.mark.parametrize("alias", ["ASYA_ACTOR_HAPPY_END", "ASYA_STEP_HAPPY_END"])
def test_older_names_are_read(alias: str) -> None:
    assert read(**{alias: "happy-end"}).sink == "happy-end"


def test_the_first_name_wins_over_its_aliases() -> None:
    names = {"ASYA_ACTOR_SINK": "one", "ASYA_ACTOR_HAPPY_END": "two", "ASYA_STEP_HAPPY_END": "three"}
    assert read(**names).sink == "one"
    assert read(**names | {"ASYA_ACTOR_SINK": ""}).sink == "two"


def test_empty_counts_as_unset() -> None:
    assert read(ASYA_MAX_FRAMES="", ASYA_LOG_LEVEL="  ").max_frames == 10_000


@pytest.mark.parametrize(
    ("text", "seconds"), [("300s", 300.0), ("5m", 300.0), ("1m30s", 90.0), ("500ms", 0.5), ("2", 2.0), ("1.5", 1.5)]
)
def test_durations_are_read_as_the_contract_says(text: str, seconds: float) -> None:
    assert read(ASYA_RUNTIME_TIMEOUT=text).actor_timeout_s == seconds


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("YES", True), ("on", True), ("off", False)])
def test_booleans_are_read_as_the_contract_says(text: str, value: bool) -> None:
    assert read(ASYA_IS_END_ACTOR=text).is_end_actor is value


@pytest.mark.parametrize(("text", "window"), [("auto", None), ("AUTO", None), ("1", 1), ("1000", 1000)])
def test_the_window_is_auto_or_a_number(text: str, window: int | None) -> None:
    assert read(ASYA_RABBITMQ_PREFETCH=text).prefetch == window


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":8080", Address("", 8080)),
        ("127.0.0.1:0", Address("127.0.0.1", 0)),
        ("[::1]:9", Address("::1", 9)),
        ("localhost:65535", Address("localhost", 65535)),
    ],
)
def test_addresses_to_listen_on(text: str, address: Address) -> None:
    assert read(ASYA_METRICS_ADDR=text).metrics_addr == address


def test_policies_and_rules_are_read() -> None:
    settings = read(
        ASYA_RESILIENCY_POLICIES='{"default": {"maxAttempts": 2}, "later": {"initialDelay": "3s"}}',
        ASYA_RESILIENCY_RULES='[{"errors": ["KeyError"], "policy": "later"}]',
    )
    assert settings.policies == {"default": RetryPolicy(max_attempts=2), "later": RetryPolicy(initial_delay_s=3.0)}
    assert settings.rules == (Rule(("KeyError",), "later"),)


def test_the_gateway_is_read_with_its_token(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("t")
    gateway = read(ASYA_GATEWAY_URL="http://gateway:8081/", ASYA_GATEWAY_CALLBACK_TOKEN_FILE=str(file)).gateway
    assert gateway is not None
    assert (gateway.url, gateway.token, gateway.token_file, gateway.cancel_check) == (
        "http://gateway:8081",
        None,
        file,
        "auto",
    )


def test_rabbitmq_is_read_from_its_parts() -> None:
    rabbitmq = read(RABBITMQ, ASYA_RABBITMQ_HOST="one, two", ASYA_RABBITMQ_TLS="true").rabbitmq
    assert rabbitmq is not None
    assert (rabbitmq.hosts, rabbitmq.port, rabbitmq.vhost) == (("one", "two"), 5671, "/")
    assert (rabbitmq.username, rabbitmq.password, rabbitmq.tls, rabbitmq.tls_insecure) == ("u", "s3cret", True, False)


def test_the_rabbitmq_url_wins_over_the_parts() -> None:
    rabbitmq = read(RABBITMQ, ASYA_RABBITMQ_URL="amqp://v:p%40ss@host:1234/my%2Fhost").rabbitmq
    assert rabbitmq is not None
    assert (rabbitmq.hosts, rabbitmq.port, rabbitmq.vhost) == (("host",), 1234, "my/host")
    assert (rabbitmq.username, rabbitmq.password, rabbitmq.tls) == ("v", "p@ss", False)


def test_the_delay_tiers_keep_the_text_that_names_them() -> None:
    rabbitmq = read(RABBITMQ, ASYA_RABBITMQ_DELAY_TIERS="1s, 1m").rabbitmq
    assert rabbitmq is not None
    assert rabbitmq.delay_tiers == (("1s", 1.0), ("1m", 60.0))


def test_the_default_delay_tiers_are_the_contracts_seventeen() -> None:
    rabbitmq = read(RABBITMQ).rabbitmq
    assert rabbitmq is not None
    assert (len(rabbitmq.delay_tiers), rabbitmq.delay_tiers[0], rabbitmq.delay_tiers[-1]) == (
        17,
        ("100ms", 0.1),
        ("1h", 3600.0),
    )


def test_sqs_is_read() -> None:
    sqs = read(SQS, ASYA_SQS_VISIBILITY_TIMEOUT="30").sqs
    assert sqs is not None
    assert (sqs.region, sqs.endpoint, sqs.queue_url, sqs.visibility_timeout_s, sqs.wait_time_s) == (
        "eu-west-1",
        None,
        None,
        30,
        20,
    )


def test_settings_of_another_transport_are_not_looked_at() -> None:
    assert read(ASYA_RABBITMQ_PORT="many", ASYA_SQS_WAIT_TIME_SECONDS="99").transport == "sqlite"


def test_a_password_is_taken_as_it_is() -> None:
    rabbitmq = read(RABBITMQ, ASYA_RABBITMQ_PASSWORD=" s3cret ").rabbitmq
    assert rabbitmq is not None
    assert rabbitmq.password == " s3cret "


def test_secrets_are_not_in_the_settings_text() -> None:
    shown = repr(read(RABBITMQ, ASYA_GATEWAY_URL="http://g:1", ASYA_GATEWAY_CALLBACK_TOKEN="tok-en"))
    assert "s3cret" not in shown
    assert "tok-en" not in shown


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("ASYA_ACTOR_NAME", "A_b", "lower-case letters"),
        ("ASYA_QUEUE_NAME_TEMPLATE", "asya-{namespace}", "contains {actor}"),
        ("ASYA_QUEUE_NAME_TEMPLATE", "{actor}-{pod}", "no placeholder but {namespace}"),
        ("ASYA_TRANSPORT", "kafka", "rabbitmq, sqs or sqlite"),
        ("ASYA_IS_END_ACTOR", "maybe", "true, 1, yes, on, false, 0, no or off"),
        ("ASYA_RESILIENCY_ACTOR_TIMEOUT", "0", "from 0.001 s to 86,400 s"),
        ("ASYA_RESILIENCY_ACTOR_TIMEOUT", "soon", "a duration such as 300s, 5m, 1m30s, 500ms"),
        ("ASYA_MAX_DELIVERIES", "0", "a whole number from 1 to 1,000"),
        ("ASYA_MAX_DELIVERIES", "1001", "a whole number from 1 to 1,000"),
        ("ASYA_PREFETCH", "many", "auto, or a whole number from 1 to 1,000"),
        ("ASYA_MAX_MESSAGE_BYTES", "1e6", "a whole number from 1,024"),
        ("ASYA_CANCEL_CHECK", "never", "auto, always or off"),
        ("ASYA_METRICS_ADDR", "8080", "an address such as :8080"),
        ("ASYA_METRICS_ADDR", ":65536", "an address such as :8080"),
        ("ASYA_METRICS_NAMESPACE", "a-b", "letters, digits and '_'"),
        ("ASYA_LOG_FORMAT", "xml", "json or text"),
        ("ASYA_GATEWAY_URL", "gateway:8081", "an address such as http://asya-gateway:8081"),
        ("ASYA_SOCKET_NAME", "a/b", "a file name without '/'"),
        ("ASYA_SOCKET_DIR", "/" + "x" * 100, "at most 107 bytes"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(variable: str, value: str, allowed: str) -> None:
    (line,) = refusal(**{variable: value})
    assert line.startswith(f"{variable}={value!r}: must be ")
    assert allowed in line


def test_a_wrong_value_under_an_older_name_is_named_as_it_was_written() -> None:
    assert refusal(ASYA_STEP_HAPPY_END="X")[0].startswith("ASYA_STEP_HAPPY_END='X': ")


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    lines = refusal(ASYA_GATEWAY_URL="http://g", ASYA_GATEWAY_CALLBACK_TOKEN_FILE=str(tmp_path / "gone"))
    assert lines == [
        f"ASYA_GATEWAY_CALLBACK_TOKEN_FILE='{tmp_path}/gone': must be a file that can be read "
        "(No such file or directory)"
    ]


def test_a_broker_url_is_never_shown() -> None:
    (line,) = refusal(RABBITMQ, ASYA_RABBITMQ_URL="amqp:/user:s3cret@host")
    assert line.startswith("ASYA_RABBITMQ_URL=***: must be an address such as ")


def test_the_password_in_any_address_is_masked() -> None:
    (line,) = refusal(ASYA_GATEWAY_URL="http://user:s3/cr@et@host")
    assert line.startswith("ASYA_GATEWAY_URL='http://***@host': ")


def test_a_long_value_is_cut_and_control_characters_are_escaped() -> None:
    (line,) = refusal(ASYA_LOG_FORMAT="\x1b[31m\n" + "x" * 1000)
    assert line.startswith("ASYA_LOG_FORMAT='\\x1b[31m\\n")
    assert len(line) < 300


def test_what_rabbitmq_needs_is_required() -> None:
    lines = refusal({"ASYA_ACTOR_NAME": "a", "ASYA_NAMESPACE": "ns"})
    assert [line.split(" is not set but required")[0] for line in lines] == [
        "ASYA_RABBITMQ_HOST",
        "ASYA_RABBITMQ_USERNAME",
        "ASYA_RABBITMQ_PASSWORD",
    ]


@pytest.mark.parametrize(
    ("base", "missing"),
    [(LEAST, "ASYA_SQLITE_PATH"), (SQS, "AWS_REGION"), (LEAST, "ASYA_NAMESPACE"), (LEAST, "ASYA_ACTOR_NAME")],
)
def test_a_required_variable_is_named(base: dict[str, str], missing: str) -> None:
    environ = {name: value for name, value in base.items() if name != missing}
    name = "ASYA_AWS_REGION" if missing == "AWS_REGION" else missing
    assert [line.split(" ")[0] for line in refusal(environ)] == [name]


def test_sqs_cannot_hold_a_call_of_more_than_11_hours() -> None:
    assert "at most 11 h" in refusal(SQS, ASYA_RESILIENCY_ACTOR_TIMEOUT="11h1s")[0]


def test_a_transport_without_adapter_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError) as caught:
        from_environ(RABBITMQ, has_adapter=lambda transport: transport == "sqlite")
    assert caught.value.lines == ("ASYA_TRANSPORT='rabbitmq': this build has no adapter for rabbitmq; it has: sqlite",)


def test_sqlite_has_an_adapter_in_this_build() -> None:
    assert from_environ(LEAST).transport == "sqlite"


def test_all_mistakes_of_policies_and_rules_are_told() -> None:
    policies = json.dumps({"default": {"maxAttempts": 0, "backof": "linear"}, "p": {"backoff": "random"}})
    lines = refusal(ASYA_RESILIENCY_POLICIES=policies)
    assert len(lines) == 3
    assert all(line.startswith("ASYA_RESILIENCY_POLICIES=") for line in lines)


def test_an_unknown_log_level_is_info_and_a_warning() -> None:
    settings = read(ASYA_LOG_LEVEL="chatty")
    assert settings.log_level == "INFO"
    assert settings.warnings == ("ASYA_LOG_LEVEL='CHATTY': must be DEBUG, INFO, WARNING (WARN) or ERROR; INFO is used",)


@pytest.mark.parametrize(("text", "level"), [("warn", "WARNING"), ("Debug", "DEBUG"), ("ERROR", "ERROR")])
def test_log_levels_are_read_in_any_case(text: str, level: str) -> None:
    settings = read(ASYA_LOG_LEVEL=text)
    assert (settings.log_level, settings.warnings) == (level, ())


def test_a_variable_nothing_reads_is_a_warning_with_the_near_name() -> None:
    assert read(ASYA_PREFECTH="3", ASYA_ZZZ="1").warnings == (
        "ASYA_PREFECTH is read by nothing: did you mean ASYA_PREFETCH?",
        "ASYA_ZZZ is read by nothing",
    )


def test_variables_of_the_runtime_are_no_warning() -> None:
    assert read(**dict.fromkeys(READ_BY_OTHERS, "x")).warnings == ()


def test_tracing_gets_all_its_variables_once_an_endpoint_is_set() -> None:
    otel = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SERVICE_NAME": "s"}
    assert read(**otel).otel == otel
    assert read(OTEL_SERVICE_NAME="s").otel == {}


def test_no_name_is_used_twice() -> None:
    names = [name for row in VARIABLES for name in (row.name, *row.aliases)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("row", [row for row in VARIABLES if row.default is not None], ids=lambda row: row.name)
def test_every_default_is_allowed(row: Any) -> None:
    assert row.kind.parse(row.default) is not None or row.default == "auto"


def test_reading_settings_loads_no_heavy_module() -> None:
    script = (
        "import sys, asya_sidecar.settings as s; print(sorted({'pydantic','structlog','asyncio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
