"""x-sink and x-sump: stored, then reported, never sent on (contract: sidecar, Situations 45, 46)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.gateway_server import gateway_server
from tests.support.sidecar_process import Mesh, Sidecar, envelope, mesh, route
from tests.support.wait import until

END_ACTOR = {"ASYA_IS_END_ACTOR": "true", "ASYA_HANDLER_MODE": "envelope", "ASYA_ENABLE_VALIDATION": "false"}


@pytest.fixture(scope="module")
def shared(broker: str) -> Iterator[tuple[Mesh, Sidecar]]:  # noqa: ARG001 - `mesh` opens it
    with mesh() as opened:
        sidecar, _ = opened.pair("store", name="x-sink", **END_ACTOR)
        yield opened, sidecar


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("other-actor", {"route": route("z", "b")}),
        ("late", {"status": {"deadline_at": (datetime.now(UTC) - timedelta(minutes=1)).isoformat()}}),
        ("far", {"route": {"prev": ["a"] * 256, "curr": "x-sink", "next": []}}),
    ],
)
def test_row_45_any_envelope_is_handled_once_and_goes_nowhere(
    shared: tuple[Mesh, Sidecar], name: str, members: dict[str, object]
) -> None:
    own, sidecar = shared
    ended = sidecar.metric("messages_processed_total", status="end_consumed")
    own.send(envelope({"name": name}, id=name, **members), "x-sink")
    until(lambda: sidecar.metric("messages_processed_total", status="end_consumed") == ended + 1)
    assert own.calls().count({"name": name}) == 1
    until(lambda: all(own.is_gone(actor) for actor in ("a", "b", "x-sink", "x-sump")), what="nothing is anywhere")


def test_row_46_a_handler_that_cannot_store_is_called_again_and_then_there_is_one_report() -> None:
    with gateway_server() as gateway, mesh() as own:
        sidecar, _ = own.pair("store", name="x-sink", ASYA_GATEWAY_URL=gateway.url, **END_ACTOR)
        own.send(envelope({"failures": 3}, route=route("a", at=1)), "x-sink")
        until(lambda: sidecar.reasons == ["final_report_pending"], what="not ready")
        assert gateway.posts("final") == []
        until(lambda: not own.is_gone("x-sink"), what="it is held")
        until(lambda: own.is_gone("x-sink"), what="acknowledged in the end")
        sidecar.ready()
        first, second, third, last = (at for at, _ in own.timed_calls())
        assert own.is_gone("x-sump")
        assert sidecar.metric("messages_processed_total", status="end_consumed") == 1
        assert [request.body["status"] for request in gateway.posts("final")] == ["succeeded"]
    assert second - first >= 0.5
    assert third - second >= 1.0
    assert last - third >= 2.0


def test_a_report_the_gateway_does_not_settle_is_repeated_and_the_handler_is_not() -> None:
    with gateway_server() as gateway, mesh() as own:
        gateway.status = 503
        sidecar, _ = own.pair("store", name="x-sink", ASYA_GATEWAY_URL=gateway.url, **END_ACTOR)
        own.send(envelope({"n": 1}, route=route("a", at=1)), "x-sink")
        until(lambda: len(gateway.posts("final")) == 2, what="told twice")
        until(lambda: not own.is_gone("x-sink"), what="it is held")
        assert sidecar.reasons == ["final_report_pending"]
        gateway.status = None
        until(lambda: own.is_gone("x-sink"), what="acknowledged in the end")
        assert own.calls() == [{"n": 1}]


def test_what_cannot_be_read_at_the_sink_goes_to_the_sump(shared: tuple[Mesh, Sidecar]) -> None:
    own, _ = shared
    own.send(b"not json", "x-sink", message_id="m-1")
    assert own.arrived_one("x-sump", "m-1")["status"]["reason"] == "ParseError"
    own.admin.purge(own.queue("x-sump"))


def test_what_cannot_be_read_at_the_sump_is_wrapped_and_handled_in_place() -> None:
    with mesh() as own:
        sidecar, _ = own.pair("store", name="x-sump", **END_ACTOR)
        own.send(b"not json", "x-sump", message_id="m-1")
        until(lambda: sidecar.metric("messages_processed_total", status="end_consumed") == 1)
        until(lambda: own.is_gone("x-sump"), what="it is acknowledged")
        assert own.calls()[0]["error"] == "msg_parsing_error"


def test_beyond_the_fence_an_end_actor_sends_to_its_dead_letters() -> None:
    with mesh() as own:
        own.send(envelope({"do": "die"}), "x-sink")
        runtime = own.runtime("act", "x-sink", ASYA_ENABLE_VALIDATION="false")
        own.sidecar("x-sink", ASYA_IS_END_ACTOR="true", ASYA_MAX_DELIVERIES="1")
        until(lambda: runtime.popen.poll() is not None, what="killed by the message")
        own.runtime("act", "x-sink", ASYA_ENABLE_VALIDATION="false")
        dead = own.arrived("x-sink-dlq", 1)
        until(lambda: own.is_gone("x-sink"))
        assert own.is_gone("x-sump")
        assert len(own.calls()) == 1
    assert dead[0]["id"] == "e-1"


def test_the_runtime_of_an_end_actor_gets_the_status_as_received() -> None:
    status = {"phase": "failed", "reason": "Timeout", "actor": "b", "attempt": 2, "odd": [1], "deadline_at": "soon"}
    with mesh() as own:
        sidecar, _ = own.pair("store_status", name="x-sink", **END_ACTOR)
        own.send(envelope(status=status), "x-sink")
        until(lambda: sidecar.metric("messages_processed_total", status="end_consumed") == 1)
        assert own.calls() == [status]


def test_an_end_actor_past_its_limit_returns_the_message_and_ends() -> None:
    with mesh() as own:
        sidecar, _ = own.pair("act", name="x-sink", ASYA_IS_END_ACTOR="true", ASYA_RESILIENCY_ACTOR_TIMEOUT="1s")
        own.send(envelope({"do": "sleep", "s": 60}), "x-sink")
        assert sidecar.exit_code() == 1
        until(lambda: own.stored("x-sink"), what="the message is back")
        assert [stored.deliveries for stored in own.stored("x-sink")] == [1]
        assert own.is_gone("x-sump")
