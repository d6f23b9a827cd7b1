"""Reports, cancellation and final reports with a real sidecar and a gateway of every kind (contract: sidecar, Situations)."""

import time
from collections.abc import Iterator

import pytest

from tests.support.gateway_server import Gateway, gateway_server
from tests.support.sidecar_process import Mesh, Sidecar, envelope, mesh, route
from tests.support.wait import until

MESSAGES = 1_500
END_ACTOR = {"ASYA_IS_END_ACTOR": "true", "ASYA_HANDLER_MODE": "envelope", "ASYA_ENABLE_VALIDATION": "false"}


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with gateway_server() as running:
        yield running


def gone() -> Gateway:
    """A gateway that ran once: its port is closed."""
    with gateway_server() as was:
        return was


# Row 42


def seconds_for(own: Mesh, name: str) -> float:
    """How long it takes to carry MESSAGES from `a` to `b`, all of them waiting from the beginning."""
    already = own.counts("b").queued
    own.send_all(envelope({"n": number}, id=f"{name}-{number}") for number in range(MESSAGES))
    began = time.monotonic()
    until(lambda: own.counts("b").queued >= already + MESSAGES, 60, what=f"{MESSAGES} messages at b ({name})")
    return time.monotonic() - began


@pytest.mark.alone
@pytest.mark.parametrize("trouble", ["gone", "slow", "gone in mid-run"])
def test_row_42_messages_are_as_fast_as_without_gateway_and_drops_are_counted(gateway: Gateway, trouble: str) -> None:
    with mesh() as own:
        own.runtime()
        without = own.sidecar().ready()
        plain_s = seconds_for(own, "plain")
        without.terminate()
        without.exit_code()

        gateway.delay_s = 5.0 if trouble == "slow" else 0.0
        url = gone().url if trouble == "gone" else gateway.url
        sidecar = own.sidecar(ASYA_GATEWAY_URL=url, ASYA_CANCEL_CHECK="off").ready()
        if trouble == "gone in mid-run":
            own.send(envelope(id="first"))
            until(
                lambda: gateway.reports and own.counts("b").queued > MESSAGES,
                what="a message and its reports are through before the trouble",
            )
            gateway.status = 503
        reported_s = seconds_for(own, "reported")
        dropped = sidecar.metric("gateway_reports_total", kind="progress", result="dropped")
        pending = sidecar.metric("gateway_reports_pending")
    assert reported_s < 2 * plain_s + 3
    assert dropped > 0
    # 1,000 wait and 500 may be on their way.
    assert pending <= 1_500


def test_reports_of_a_hop_tell_its_course(gateway: Gateway) -> None:
    with mesh() as own:
        own.pair(ASYA_GATEWAY_URL=gateway.url)
        own.send(envelope({"do": "sleep", "s": 0.3}, headers={"x-asya-children": 2}))
        until(lambda: [one for one in gateway.reports if one["status"] == "completed"], what="completed is reported")
    told = {one["status"]: one for one in gateway.reports}
    assert list(told) == ["received", "processing", "completed"] or list(told) == ["processing", "completed"]
    last = told["completed"]
    assert (last["id"], last["actor"], last["attempt"], last["run"], last["children_count"]) == ("e-1", "a", 1, 0, 2)
    assert (last["prev"], last["curr"], last["next"]) == ([], "a", ["b"])
    assert last["duration_ms"] >= 300


def test_a_retry_is_reported_as_such(gateway: Gateway) -> None:
    with mesh() as own:
        own.pair(ASYA_GATEWAY_URL=gateway.url, ASYA_RESILIENCY_POLICIES='{"default": {"initialDelay": "0s"}}')
        own.send(envelope({"do": "fail_at_first"}))
        own.arrived("b")
        until(lambda: [one for one in gateway.reports if one["status"] == "completed"], what="completed is reported")
    assert [one["attempt"] for one in gateway.reports if one["status"] == "completed"] == [2]


def test_children_and_partials_are_reported(gateway: Gateway) -> None:
    with mesh() as own:
        own.runtime(ASYA_HANDLER="telling_handlers.fly")
        own.sidecar(ASYA_GATEWAY_URL=gateway.url)
        own.send(envelope({"frames": 3}))
        frames = own.arrived("b", 3)
        until(lambda: gateway.of_kind("children") and len(gateway.of_kind("partial")) == 3, what="all are reported")
    (children,) = gateway.of_kind("children")
    told = [(child["id"], child["index"], child["curr"]) for child in children["children"]]
    assert told == [(frame["id"], index, "b") for index, frame in enumerate(frames[1:], 1)]
    partials = gateway.of_kind("partial")
    assert [(one["hop"], one["index"], one["data"]) for one in partials] == [(0, n, {"at": n}) for n in range(3)]
    assert len({one["call"] for one in partials}) == 1


def test_the_gateways_silence_is_off_without_its_address() -> None:
    with mesh() as own:
        sidecar, _ = own.pair()
        own.send(envelope())
        own.arrived("b")
        assert sidecar.metric("gateway_reports_pending") == 0
        assert sidecar.metric("gateway_reports_total", kind="progress", result="dropped") == 0


# Rows 43 and 56


def test_row_43_a_task_cancelled_while_it_waits_is_not_run(gateway: Gateway) -> None:
    with mesh() as own:
        own.pair(ASYA_GATEWAY_URL=gateway.url)
        own.send(envelope({"do": "sleep", "s": 2}, id="slow"))
        until(lambda: own.calls(), what="the slow one runs")
        gateway.stopped.add("cancelled")
        own.send(envelope({"n": 2}, id="cancelled"))
        ended = own.arrived_one("x-sink", "cancelled")
        assert (ended["status"]["phase"], ended["status"]["reason"]) == ("canceled", "Canceled")
        assert ended["payload"] == {"n": 2}
        assert {"n": 2} not in own.calls()
        own.arrived_one("b", "slow")


def test_row_43_frames_of_a_task_cancelled_during_its_call_are_not_sent(gateway: Gateway) -> None:
    with mesh() as own:
        own.pair(ASYA_GATEWAY_URL=gateway.url)
        own.send(envelope({"do": "sleep", "s": 4}))
        until(lambda: own.calls(), what="it runs")
        gateway.stopped.add("e-1")
        # A task is known as stopped by the answer to any report about it: here to that of another delivery of its id.
        own.send(envelope({"n": 2}), "a")
        ended = own.arrived("x-sink", 2)
        assert {one["status"]["phase"] for one in ended} == {"canceled"}
        assert own.is_gone("b")


def test_row_56_a_replay_of_a_stopped_run_is_handled(gateway: Gateway) -> None:
    with mesh() as own:
        own.pair(ASYA_GATEWAY_URL=gateway.url)
        gateway.stopped.add("e-1")
        own.send(envelope({"run": 0}))
        own.arrived("x-sink")
        gateway.stopped.clear()
        own.send(envelope({"run": 0, "late": True}))
        own.arrived("x-sink", 2)
        own.send(envelope({"run": 1}, headers={"x-asya-replay": {"count": 1}}))
        assert [one["payload"] for one in own.arrived("b")] == [{"run": 1}]
        assert own.calls() == [{"run": 1}]


# Row 44


def sink(own: Mesh, gateway: Gateway) -> Sidecar:
    """x-sink of the crew, which stores in the mesh's folder."""
    crew = {"ASYA_HANDLER": "asya_crew.sink.handle", "ASYA_PERSISTENCE_MOUNT": str(own.folder)}
    own.runtime(pod="x-sink", **crew | END_ACTOR)
    return own.sidecar("x-sink", ASYA_GATEWAY_URL=gateway.url, **END_ACTOR)


def test_row_44_without_gateway_nothing_is_acknowledged_and_after_its_return_it_is_reported(gateway: Gateway) -> None:
    with mesh() as own:
        gateway.status = 503
        sidecar = sink(own, gateway).ready()
        own.send(envelope({"n": 1}, route=route("a", at=1)), "x-sink")
        until(lambda: sidecar.reasons == ["final_report_pending"], what="not ready")
        until(lambda: len(gateway.posts("final")) >= 2, what="it is tried again")
        until(lambda: not own.is_gone("x-sink"), what="it is held")
        gateway.status = None
        until(lambda: own.is_gone("x-sink"), what="acknowledged once the gateway has it")
        sidecar.ready()
        told = gateway.posts("final")[-1].body
        assert sidecar.metric("messages_processed_total", status="end_consumed") == 1
        assert (told["id"], told["status"], told["result"]) == ("e-1", "succeeded", {"n": 1})
        assert told["location"]["uri"] == (own.folder / "results" / "e-1.json").as_uri()
