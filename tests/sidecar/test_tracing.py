"""Spans: what they say, whose children they are, and that nobody waits for them."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from asya_sidecar.act.tracing import Tracing, open_tracing
from tests.support.span_collector import Collector, span_collector

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with span_collector() as running:
        yield running


def tracing(url: str, environment: pytest.MonkeyPatch) -> Tracing:
    """Tracing of actor `a`, set up from the environment as in a real sidecar."""
    environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    opened = open_tracing({"OTEL_EXPORTER_OTLP_ENDPOINT": url}, actor="a", namespace="ns", queue="asya-ns-a")
    assert opened is not None
    return opened


def deliver(traced: Tracing, traceparent: str | None = TRACEPARENT, outcome: str = "success") -> str | None:
    """One delivery with a call and a send; the `traceparent` of what was sent."""
    span = traced.process("e-1", 2, traceparent, None)
    span.call().end(None if outcome == "success" else "ValueError")
    sending = span.send("asya-ns-b", "routing")
    sending.end(confirmed=True)
    span.end(outcome)
    asyncio.run(traced.close(5))
    return sending.traceparent


def test_one_delivery_is_three_spans_of_the_senders_trace(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(tracing(collector.url, monkeypatch))
    (process,) = collector.named("actor.process")
    (call,) = collector.named("actor.runtime.call")
    (send,) = collector.named("actor.queue.send")
    assert {span.trace_id for span in collector.spans} == {TRACE}
    assert (process.parent_id, call.parent_id, send.parent_id) == (PARENT, process.span_id, process.span_id)


def test_spans_have_the_contracts_attributes(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(tracing(collector.url, monkeypatch))
    assert collector.named("actor.process")[0].attributes == {
        "asya.actor": "a",
        "asya.queue": "asya-ns-a",
        "asya.envelope_id": "e-1",
        "asya.attempt": 2,
        "asya.outcome": "success",
    }
    assert collector.named("actor.queue.send")[0].attributes == {
        "asya.destination_queue": "asya-ns-b",
        "asya.message_type": "routing",
    }
    assert {span.service for span in collector.spans} == {"a"}


def test_the_message_carries_the_context_of_its_send(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    traceparent = deliver(tracing(collector.url, monkeypatch))
    assert traceparent == f"00-{TRACE}-{collector.named('actor.queue.send')[0].span_id}-01"


@pytest.mark.parametrize("traceparent", [None, "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_without_a_valid_parent_a_trace_begins(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, traceparent: str | None
) -> None:
    sent = deliver(tracing(collector.url, monkeypatch), traceparent)
    (process,) = collector.named("actor.process")
    assert process.parent_id == ""
    assert sent is not None
    assert sent.split("-")[1] == process.trace_id


def test_a_failure_is_marked(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(tracing(collector.url, monkeypatch), outcome="error")
    failed = {span.name: span.failed for span in collector.spans}
    assert failed == {"actor.process": True, "actor.runtime.call": True, "actor.queue.send": False}


def test_the_services_name_can_be_given(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    deliver(tracing(collector.url, monkeypatch))
    assert {span.service for span in collector.spans} == {"shop"}


def test_a_collector_that_is_gone_delays_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with span_collector() as collector:
        pass
    traced = tracing(collector.url, monkeypatch)
    began = time.monotonic()
    for _ in range(3_000):
        span = traced.process("e-1", 1, TRACEPARENT, None)
        span.send("asya-ns-b", "routing").end(confirmed=True)
        span.end("success")
    assert time.monotonic() - began < 3.0
    began = time.monotonic()
    asyncio.run(traced.close(0.2))
    assert time.monotonic() - began < 1.0


def test_without_an_endpoint_tracing_is_off_and_nothing_is_loaded() -> None:
    script = (
        "import sys; from asya_sidecar.act.tracing import open_tracing; "
        "assert open_tracing({}, actor='a', namespace='n', queue='q') is None; "
        "print(sorted(name for name in sys.modules if name.startswith('opentelemetry')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
