"""The controller's variables."""

import pytest

from asya_controller.settings import ConfigurationError, from_environ


def test_nothing_set_means_the_documented_defaults() -> None:
    found = from_environ({})
    assert (found.config_file, found.config_file_required) == ("/etc/asya/controller.yaml", False)
    assert (found.queue_check_s, found.workers, found.leader_elect, found.manage_queues) == (30.0, 8, True, True)
    assert (found.metrics_addr, found.probe_addr, found.log_level, found.overrides) == (":8080", ":8081", "INFO", {})


@pytest.mark.parametrize(("value", "managed"), [("true", False), ("True", True), ("1", True), ("", True)])
def test_only_the_word_true_switches_queue_management_off(value: str, managed: bool) -> None:
    assert from_environ({"ASYA_DISABLE_QUEUE_MANAGEMENT": value}).manage_queues is managed


def test_variables_set_over_the_file_have_the_files_shape() -> None:
    found = from_environ(
        {
            "ASYA_SIDECAR_IMAGE": "s:1",
            "ASYA_GATEWAY_URL": "http://gw",
            "ASYA_ACTOR_SINK": "happy-end",
            "ASYA_MAX_MESSAGE_BYTES": "2048",
            "ASYA_TRANSPORT_CONFIG": '{"transports": {"r": {"type": "rabbitmq"}}}',
        }
    )
    assert found.overrides == {
        "transports": {"r": {"type": "rabbitmq"}},
        "sidecar": {"image": "s:1"},
        "gateway": {"url": "http://gw"},
        "endActors": {"sink": "happy-end"},
        "maxMessageBytes": 2048,
    }


def test_every_mistake_is_told_at_once_with_its_variable() -> None:
    wrong = {
        "ASYA_QUEUE_HEALTH_CHECK_INTERVAL": "4s",
        "ASYA_MAX_CONCURRENT_RECONCILES": "65",
        "ASYA_LEADER_ELECT": "maybe",
        "ASYA_METRICS_ADDR": "8080",
        "ASYA_LOG_LEVEL": "LOUD",
        "ASYA_TRANSPORT_CONFIG": "{",
        "ASYA_MAX_MESSAGE_BYTES": "big",
        "ASYA_WATCH_NAMESPACES": "a,B_c",
    }
    with pytest.raises(ConfigurationError) as refused:
        from_environ(wrong)
    assert sorted(line.split(": ")[1] for line in refused.value.lines) == sorted(wrong)
    assert all(line.startswith("configuration error: ") for line in refused.value.lines)


def test_namespaces_are_a_comma_list() -> None:
    assert from_environ({"ASYA_WATCH_NAMESPACES": "a, b,"}).watch_namespaces == ("a", "b")
