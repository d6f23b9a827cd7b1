"""What is counted, and how Prometheus reads it."""

from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from asya_sidecar.act.exposition import Exposition
from asya_sidecar.act.metrics import MAX_DESTINATIONS, Metrics
from asya_transport.port import Connected

QUEUE = "asya-ns-a"
A = [
    *map(str, (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)),
    "+Inf",
]
B = [*map(str, (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)), "+Inf"]
C = [*(str(100.0 * 10**k) for k in range(8)), "+Inf"]

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(QUEUE, "sqlite")


def series(metrics: Metrics) -> Series:
    body, _ = Exposition(metrics).render("")
    families = text_string_to_metric_families(body.decode())
    return {
        (sample.name.removeprefix("asya_actor_"), frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return series(metrics)[name, frozenset(labels.items())]


def words(found: Series, name: str, label: str) -> set[str]:
    return {dict(labels)[label] for series_name, labels in found if series_name == name}


def test_all_series_of_the_own_queue_are_there_from_the_start_with_0(metrics: Metrics) -> None:
    found = series(metrics)
    counters = [value for (name, labels), value in found.items() if ("queue", QUEUE) in labels]
    assert len(counters) > 100
    assert set(counters) == {0.0}


@pytest.mark.parametrize(
    ("name", "label", "expected"),
    [
        (
            "messages_processed_total",
            "status",
            "success empty_response retried policy_routed error expired canceled returned end_consumed paused",
        ),
        (
            "messages_failed_total",
            "reason",
            "parse_error validation_error route_mismatch hop_limit routed_to_sump unknown_actor runtime_error "
            "policy_exhausted timeout runtime_crashed protocol_error output_too_large deadline_expired transport_error "
            "internal_error",
        ),
        ("runtime_errors_total", "error_type", "exception timeout crash protocol unavailable"),
        (
            "stalls_total",
            "reason",
            "starting runtime_not_ready broker_unreachable access_refused queue_missing consumer_cancelled "
            "publish_blocked publish_refused destination_missing final_report_pending draining",
        ),
        ("connection_up", "direction", "consume publish"),
        ("gateway_reports_total", "result", "sent dropped failed parked"),
        ("gateway_reports_total", "kind", "progress children partial paused final"),
    ],
)
def test_label_values_are_the_contracts(metrics: Metrics, name: str, label: str, expected: str) -> None:
    assert words(series(metrics), name, label) == set(expected.split())


@pytest.mark.parametrize(
    ("name", "bounds"),
    [
        ("processing_duration_seconds", A),
        ("runtime_execution_duration_seconds", A),
        ("queue_wait_seconds", A),
        ("queue_receive_duration_seconds", B),
        ("queue_send_duration_seconds", B),
        ("message_size_bytes", C),
    ],
)
def test_buckets_are_the_contracts(metrics: Metrics, name: str, bounds: list[str]) -> None:
    metrics.sent("q", "routing", 0.1, 1)
    assert words(series(metrics), f"{name}_bucket", "le") == set(bounds)


def test_a_delivery_counts_and_its_size_is_seen(metrics: Metrics) -> None:
    metrics.received(700, redelivered=False)
    metrics.received(700, redelivered=True)
    assert value(metrics, "messages_received_total", queue=QUEUE, transport="sqlite") == 2
    assert value(metrics, "redeliveries_total", queue=QUEUE) == 1
    assert value(metrics, "message_size_bytes_sum", queue=QUEUE, direction="received") == 1400


def test_a_send_counts_by_destination_and_type(metrics: Metrics) -> None:
    metrics.sent("asya-ns-b", "routing", 0.003, 800)
    metrics.sent("asya-ns-b", "on_exhausted", 0.02, 800)
    assert value(metrics, "messages_sent_total", destination_queue="asya-ns-b", message_type="routing") == 1
    send = {"destination_queue": "asya-ns-b", "transport": "sqlite"}
    assert value(metrics, "queue_send_duration_seconds_bucket", le="0.005", **send) == 1
    assert value(metrics, "queue_send_duration_seconds_count", **send) == 2
    assert value(metrics, "message_size_bytes_count", queue=QUEUE, direction="sent") == 2


def test_after_100_destinations_the_rest_is_other(metrics: Metrics) -> None:
    for n in range(MAX_DESTINATIONS + 5):
        metrics.sent(f"q-{n}", "routing", 0.001, 1)
    metrics.sent("q-0", "routing", 0.001, 1)
    destinations = words(series(metrics), "queue_send_duration_seconds_count", "destination_queue")
    assert len(destinations) == MAX_DESTINATIONS + 1
    assert value(metrics, "messages_sent_total", destination_queue="other", message_type="routing") == 5
    assert value(metrics, "messages_sent_total", destination_queue="q-0", message_type="routing") == 2


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0.005, "0.005"), (0.0050001, "0.01"), (1800.0, "1800.0"), (5e3, "+Inf")]
)
def test_a_value_on_a_bound_belongs_below_it(metrics: Metrics, seconds: float, bucket: str) -> None:
    metrics.processing.observe(seconds)
    found = series(metrics)
    counted = [
        bound
        for bound in A
        if found["processing_duration_seconds_bucket", frozenset({("queue", QUEUE), ("le", bound)})]
    ]
    assert counted[0] == bucket


def test_gauges_show_what_their_owner_set(metrics: Metrics) -> None:
    metrics.active_messages, metrics.prefetch, metrics.consuming = 3, 8, lambda: True
    metrics.connected = lambda: Connected(consume=False, publish=True)
    metrics.gateway_reports_pending = lambda: 7
    metrics.log_lines_dropped = lambda: 9
    assert [value(metrics, name, queue=QUEUE) for name in ("active_messages", "prefetch", "consuming")] == [3, 8, 1]
    assert value(metrics, "connection_up", queue=QUEUE, direction="publish") == 1
    assert value(metrics, "connection_up", queue=QUEUE, direction="consume") == 0
    assert value(metrics, "gateway_reports_pending") == 7
    assert value(metrics, "log_lines_dropped_total") == 9


def test_counters_count(metrics: Metrics) -> None:
    metrics.processed("success")
    metrics.failed("hop_limit")
    metrics.runtime_error("crash")
    metrics.stalled("queue_missing")
    metrics.gateway_report("partial", "dropped", 4)
    metrics.reconnects += 1
    assert value(metrics, "messages_processed_total", queue=QUEUE, status="success") == 1
    assert value(metrics, "messages_failed_total", queue=QUEUE, reason="hop_limit") == 1
    assert value(metrics, "runtime_errors_total", queue=QUEUE, error_type="crash") == 1
    assert value(metrics, "stalls_total", queue=QUEUE, reason="queue_missing") == 1
    assert value(metrics, "gateway_reports_total", kind="partial", result="dropped") == 4
    assert value(metrics, "reconnects_total", queue=QUEUE) == 1


@pytest.mark.parametrize("method", ["processed", "failed", "runtime_error", "stalled"])
def test_a_word_the_contract_does_not_know_is_refused(metrics: Metrics, method: str) -> None:
    with pytest.raises(KeyError):
        getattr(metrics, method)("made_up")


def test_the_version_and_the_process_are_shown(metrics: Metrics) -> None:
    assert value(metrics, "build_info", version=version("asya-mesh")) == 1
    assert value(metrics, "process_resident_memory_bytes") > 1e6


def test_the_prefix_can_be_chosen() -> None:
    body, _ = Exposition(Metrics(QUEUE, "sqlite", "mine")).render("")
    names = [line.split("{")[0].split(" ")[0] for line in body.decode().splitlines() if not line.startswith("#")]
    assert {name.split("_")[0] for name in names} == {"mine", "process"}


def test_openmetrics_is_spoken_when_asked_for(metrics: Metrics) -> None:
    body, content_type = Exposition(metrics).render("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


def test_plain_text_is_spoken_otherwise(metrics: Metrics) -> None:
    assert Exposition(metrics).render("*/*")[1].startswith("text/plain")


def test_every_metric_has_a_help_text(metrics: Metrics) -> None:
    assert all(family.documentation for family in _families(metrics))


def _families(metrics: Metrics) -> Iterator[Any]:
    return iter(text_string_to_metric_families(Exposition(metrics).render("")[0].decode()))
