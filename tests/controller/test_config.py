"""The operator's configuration: what is refused, and in which words."""

from typing import Any

import pytest

from asya_controller.decide.config import ConfigurationError, local_config, operator_config
from asya_controller.decide.transports import RabbitMQ, Sqlite
from tests.controller.worlds import RABBITMQ, SQS, merge


def refused(document: Any, overrides: Any = None) -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        operator_config(document, overrides)
    return [line.removeprefix("configuration error: ") for line in error.value.lines]


@pytest.mark.parametrize("document", [None, {}])
def test_an_empty_configuration_is_valid(document: Any) -> None:
    found = operator_config(document, version="1.2.3")
    assert (found.transports, found.sidecar.image, found.propagate_labels) == (
        {},
        "asya-sidecar:1.2.3",
        ("asya.sh/flow",),
    )
    assert (found.end_actors.sink, found.end_actors.sump, found.cluster_id) == ("x-sink", "x-sump", "default")


WRONG = [
    ({"sidcar": {}}, "sidcar: unknown key, did you mean sidecar?"),
    ({"sidecar": {"imagePullpolicy": "Always"}}, "sidecar.imagePullpolicy: unknown key, did you mean imagePullPolicy?"),
    ({"endActors": {"sink": "X"}}, "endActors.sink: must be a DNS label of at most 63 characters (a-z, 0-9, '-')"),
    ({"maxMessageBytes": "10"}, "maxMessageBytes: input should be a valid integer, got '10'"),
    ({"transports": []}, "transports: expected a mapping, got list"),
    (
        {"transports": {"R": RABBITMQ}},
        "transports.R: the name must be a DNS label of at most 63 characters (a-z, 0-9, '-')",
    ),
    ({"transports": {"r": {}}}, "transports.r.type: missing; known are rabbitmq and sqs"),
    (
        {"transports": {"r": {"type": "rabitmq"}}},
        "transports.r.type: 'rabitmq' is not a transport type, did you mean rabbitmq?; known are rabbitmq and sqs",
    ),
    (
        {"transports": {"r": {"type": "sqlite", "config": {"path": "x"}}}},
        "transports.r.type: 'sqlite' is not a transport type; known are rabbitmq and sqs",
    ),
    ({"transports": {"r": {**RABBITMQ, "enable": True}}}, "transports.r.enable: unknown key, did you mean enabled?"),
    ({"transports": {"r": {**RABBITMQ, "enabled": "yes"}}}, "transports.r.enabled: expected true or false, got 'yes'"),
    ({"runtimeConfigMap": "x"}, "runtimeConfigMap: unknown key"),
]


@pytest.mark.parametrize(("document", "line"), WRONG)
def test_a_mistake_is_one_line_with_path_and_near_name(document: Any, line: str) -> None:
    assert refused(document) == [line]


RABBITMQ_WRONG = [
    ({"host": None}, "host: is required"),
    ({"username": None}, "needs either username or usernameSecretRef"),
    ({"usernameSecretRef": {"name": "a", "key": "b"}}, "needs either username or usernameSecretRef"),
    ({"passwordSecretRef": {"name": None}}, "passwordSecretRef.name: is required"),
    ({"queueNameTemplate": "{namespace}"}, "queueNameTemplate: queue name template '{namespace}' must contain {actor}"),
    (
        {"queues": {"dlq": {"enabled": False}}},
        "queues.dlq.enabled: must be true: without dead letters a message past its limit would be lost",
    ),
    (
        {"queues": {"dlq": {"maxRetryCount": 2}}},
        "queues.dlq.maxRetryCount: input should be greater than or equal to 3, got 2",
    ),
    ({"queues": {"dlq": {"retentionDays": 3}}}, "queues.dlq.retentionDays: unknown key"),
]


@pytest.mark.parametrize(("change", "line"), RABBITMQ_WRONG)
@pytest.mark.parametrize("enabled", [True, False])
def test_a_transport_is_checked_also_while_it_is_disabled(change: Any, line: str, enabled: bool) -> None:
    document = {"transports": {"r": {**merge(RABBITMQ, {"config": change}), "enabled": enabled}}}
    (found,) = refused(document)
    assert found in (f"transports.r.config.{line}", f"transports.r.config: {line}")


def test_credentials_do_not_belong_into_the_management_url() -> None:
    (line,) = refused({"transports": {"r": merge(RABBITMQ, {"config": {"managementUrl": "http://a:hunter2@c"}})}})
    assert line.startswith("transports.r.config.managementUrl: ")
    assert "hunter2" not in line


def test_a_password_in_the_place_of_its_reference_is_not_shown() -> None:
    (line,) = refused(
        {"transports": {"r": {"type": "rabbitmq", "config": {**RABBITMQ["config"], "passwordSecretRef": "hunter2"}}}}
    )  # type: ignore[dict-item]
    assert line.startswith("transports.r.config.passwordSecretRef: ")
    assert "hunter2" not in line


def test_every_mistake_is_told_at_once() -> None:
    document = {
        "sidecar": {"image": 3},
        "transports": {"r": {"type": "x"}, "s": merge(SQS, {"config": {"region": None}})},
    }
    assert len(refused(document)) == 3


def test_transports_may_stand_in_one_place_only() -> None:
    (line,) = refused({"transports": {}}, {"transports": {"r": RABBITMQ}})
    assert line.startswith("transports: stands in the file and in ASYA_TRANSPORT_CONFIG")


def test_a_variable_sets_one_key_and_leaves_its_neighbours() -> None:
    found = operator_config({"endActors": {"sump": "errors"}}, {"endActors": {"sink": "results"}})
    assert (found.end_actors.sink, found.end_actors.sump) == ("results", "errors")


@pytest.mark.parametrize(("tls", "port", "expected"), [(False, None, 5672), (True, None, 5671), (True, 1234, 1234)])
def test_the_port_follows_tls(tls: bool, port: int | None, expected: int) -> None:
    document = {
        "transports": {"r": merge(RABBITMQ, {"config": {"tls": {"enabled": tls}, "port": port, "host": "a, b"}})}
    }
    found = operator_config(document).transports["r"].config
    assert isinstance(found, RabbitMQ)
    assert (found.effective_port, found.hosts) == (expected, ("a", "b"))


def test_the_local_mesh_maps_every_transport_to_its_one_file() -> None:
    found = local_config(["rabbitmq", "sqs-eu"], Sqlite(path="mesh.db"))
    assert {name: item.type for name, item in found.transports.items()} == {"rabbitmq": "sqlite", "sqs-eu": "sqlite"}
