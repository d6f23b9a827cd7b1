"""What a sidecar shows of itself: series, one line per delivery, and no dependence on who reads (contract: sidecar, Situations)."""

import fcntl
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from urllib.request import urlopen

import pytest

from tests.support.sidecar_process import Mesh, Runtime, Sidecar, envelope, mesh, route
from tests.support.span_collector import span_collector
from tests.support.wait import until

PIPE_BYTES = 65_536


@pytest.fixture(scope="module")
def traffic(broker: str) -> Iterator[tuple[Mesh, Sidecar, Runtime]]:  # noqa: ARG001 - `mesh` opens it
    """A pair that has handled one envelope well and one badly."""
    with mesh() as opened:
        sidecar, runtime = opened.pair()
        secret = {"secret": "s3cret-payload"}
        opened.send(envelope(secret, id="good", headers={"trace_id": "t-42", "tenant": "s3cret-header"}))
        opened.send(envelope({"do": "fail"}, id="bad"))
        opened.arrived_one("b", "good")
        opened.arrived_one("x-sump", "bad")
        until(lambda: len(sidecar.done()) == 2, what="both lines")
        until(lambda: runtime.log.count('"call done"') == 2, what="both lines of the runtime")
        yield opened, sidecar, runtime


@pytest.mark.parametrize(
    ("series", "labels"),
    [
        ("messages_processed_total", {"status": "success"}),
        ("messages_processed_total", {"status": "error"}),
        ("processing_duration_seconds_count", {}),
        ("processing_duration_seconds_sum", {}),
        ("processing_duration_seconds_bucket", {"le": "+Inf"}),
        ("runtime_execution_duration_seconds_count", {}),
        ("runtime_execution_duration_seconds_bucket", {"le": "+Inf"}),
        ("messages_failed_total", {"reason": "runtime_error"}),
        ("runtime_errors_total", {"error_type": "exception"}),
    ],
)
def test_row_50_the_series_of_the_own_queue_have_values(
    traffic: tuple[Mesh, Sidecar, Runtime], series: str, labels: dict[str, str]
) -> None:
    _, sidecar, _ = traffic
    assert sidecar.metric(series, queue="asya-ns-a", **labels) > 0


def test_row_50_received_messages_have_the_brokers_name(traffic: tuple[Mesh, Sidecar, Runtime], broker: str) -> None:
    assert traffic[1].metric("messages_received_total", queue="asya-ns-a", transport=broker) == 2


@pytest.mark.parametrize("reason", ["parse_error", "timeout", "internal_error"])
def test_row_50_failures_that_have_not_happened_have_a_series_to_rate(
    traffic: tuple[Mesh, Sidecar, Runtime], reason: str
) -> None:
    _, sidecar, _ = traffic
    assert sidecar.metric("messages_failed_total", queue="asya-ns-a", reason=reason) == 0


def test_row_52_the_trace_id_is_on_one_line_here_and_one_of_the_runtime(
    traffic: tuple[Mesh, Sidecar, Runtime],
) -> None:
    _, sidecar, runtime = traffic
    here = [line for line in sidecar.lines if line.get("trace_id") == "t-42"]
    there = [line for line in runtime.lines if line.get("trace_id") == "t-42"]
    assert [(line["level"], line["msg"], line["outcome"]) for line in here] == [("INFO", "envelope done", "success")]
    assert [(line["level"], line["msg"]) for line in there] == [("INFO", "call done")]


def test_row_52_payload_and_headers_are_in_neither_log(traffic: tuple[Mesh, Sidecar, Runtime]) -> None:
    _, sidecar, runtime = traffic
    assert "s3cret" not in sidecar.log
    assert "s3cret" not in runtime.log


def test_the_line_of_a_delivery_says_how_it_went(traffic: tuple[Mesh, Sidecar, Runtime]) -> None:
    _, sidecar, _ = traffic
    (line,) = [line for line in sidecar.done() if line["envelope_id"] == "good"]
    assert (line["component"], line["actor"], line["namespace"], line["queue"]) == ("sidecar", "a", "ns", "asya-ns-a")
    assert (line["attempt"], line["frames"], line["destinations"]) == (1, 1, ["asya-ns-b"])
    assert line["total_ms"] >= line["handler_ms"] > 0


def test_the_line_of_a_failure_is_an_error_with_type_and_message(traffic: tuple[Mesh, Sidecar, Runtime]) -> None:
    _, sidecar, _ = traffic
    (line,) = [line for line in sidecar.done() if line["envelope_id"] == "bad"]
    assert (line["level"], line["outcome"], line["reason"]) == ("ERROR", "error", "RuntimeError")
    assert (line["error_type"], line["error_message"]) == ("ValueError", "Invalid input")


class Unread:
    """A sidecar whose standard output goes into a pipe of which only the beginning is read."""

    def __init__(self, own: Mesh) -> None:
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._reader = reader
        self.process = subprocess.Popen(
            [sys.executable, "-m", "asya_sidecar"],
            env=os.environ | own.environ(),
            stdout=writer,
            stderr=subprocess.DEVNULL,
        )
        os.close(writer)
        self.address = self._address()

    def _address(self) -> str:
        begin = b""
        while not (found := re.search(rb'"metrics":"([^"]+)"', begin)):
            begin += os.read(self._reader, 4_096)
        return found[1].decode()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._reader)


@pytest.mark.alone
def test_row_55_an_unread_standard_output_costs_lines_and_no_messages() -> None:
    # An id stands twice in its line, so that so many lines are more than the buffer and the pipe hold together.
    count, digits = 2_000, 240
    with mesh() as own:
        for run in range(2):
            own.send_all(envelope({"n": number}, id=f"{run}-{number:0{digits}}") for number in range(count))
            if run == 0:
                own.runtime()
                with_reader = own.sidecar()
                with_reader_s = seconds_until_sent(own, count)
                with_reader.terminate()
                with_reader.exit_code()
        unread = Unread(own)
        try:
            unread_s = seconds_until_sent(own, 2 * count)
            dropped = own_metric(unread.address, "asya_actor_log_lines_dropped_total")
            resident = own_metric(unread.address, "process_resident_memory_bytes")
        finally:
            unread.close()
    assert dropped > 100
    assert resident < 80e6
    assert unread_s < 2 * with_reader_s + 3


def seconds_until_sent(own: Mesh, count: int) -> float:
    """How long it takes until so many have gone on to `b`."""
    began = time.monotonic()
    until(lambda: own.counts("b").queued == count, 60, what=f"{count} messages at b")
    return time.monotonic() - began


def own_metric(address: str, name: str) -> float:
    """The value of a series without labels."""
    with urlopen(f"http://{address}/metrics", timeout=10) as answer:
        page = answer.read().decode()
    (line,) = [line for line in page.splitlines() if line.startswith(f"{name} ")]
    return float(line.split(" ")[1])


# Section 15: one trace, whatever becomes of the envelope

TRACE_ID, SENDER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_every_message_that_follows_from_one_is_part_of_its_trace() -> None:
    policies = json.dumps({"default": {"maxAttempts": 2, "initialDelay": "0s"}})
    with span_collector() as collector, mesh() as own:
        tracing = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        own.pair(ASYA_RESILIENCY_POLICIES=policies, **tracing)
        traced = {"traceparent": f"00-{TRACE_ID}-{SENDER}-01"}
        own.send(envelope({"n": 1}, id="good", headers=traced))
        own.send(envelope({"n": 1}, id="last", headers=traced, route=route("a")))
        own.send(envelope({"do": "fail"}, id="bad", headers=traced))
        sent = [own.arrived("b")[0], own.arrived("x-sink")[0], own.arrived("x-sump")[0]]
        until(lambda: len(collector.named("actor.process")) == 4, what="all deliveries are exported")
    assert {span.trace_id for span in collector.spans} == {TRACE_ID}
    sends = {span.span_id: span for span in collector.named("actor.queue.send")}
    kinds = [sends[one["headers"]["traceparent"].split("-")[2]].attributes["asya.message_type"] for one in sent]
    assert kinds == ["routing", "sink", "sump"]
    outcomes = sorted(str(span.attributes["asya.outcome"]) for span in collector.named("actor.process"))
    assert outcomes == ["error", "retried", "success", "success"]
    (retry,) = [span for span in sends.values() if span.attributes["asya.message_type"] == "retry"]
    (second,) = [span for span in collector.named("actor.process") if span.attributes["asya.attempt"] == 2]
    assert second.parent_id == retry.span_id
    assert len(collector.named("actor.runtime.call")) == 4
