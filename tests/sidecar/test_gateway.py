"""The sidecar's side of the gateway against a real HTTP server: batches, finals, questions, trouble.

Long because one server and one loop serve all of it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from asya_schemas.envelope import Envelope
from asya_schemas.route import Route
from asya_sidecar.act.gateway import Gateway, outbox
from asya_sidecar.act.metrics import Metrics
from asya_sidecar.settings import GatewaySettings
from tests.support.gateway_server import CERTIFICATE, gateway_server
from tests.support.gateway_server import Gateway as Server


class Lines:
    """A log that remembers."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def info(self, event: str, **members: Any) -> None:
        self.lines.append(("info", event, members))

    def warning(self, event: str, **members: Any) -> None:
        self.lines.append(("warning", event, members))


class Desk:
    """A Gateway with its metrics and log."""

    def __init__(self, url: str, check: str = "auto", token: str | None = None) -> None:
        self.metrics = Metrics("asya-ns-a", "sqlite")
        self.log = Lines()
        self.gateway = Gateway(GatewaySettings(url, token, None, check), "a", self.metrics, self.log)

    def count(self, kind: str, result: str) -> int:
        return self.metrics.gateway_reports[kind, result]


def envelope(envelope_id: str = "e-1", **headers: bytes) -> Envelope:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Envelope(id=envelope_id, route=Route((), "a", ("b",)), payload=b"1", headers=named)


def run(desk: Desk, work: Callable[[Gateway], Awaitable[Any]], close_s: float = 5.0) -> Any:
    """Do `work` with a started gateway on an event loop, then close it."""

    async def live() -> Any:
        desk.gateway.start()
        try:
            return await work(desk.gateway)
        finally:
            await desk.gateway.close(close_s)

    return asyncio.run(live())


async def reached(condition: Callable[[], Any], within_s: float = 10.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.01)


def test_progress_reaches_the_gateway_with_all_its_members() -> None:
    with gateway_server() as server:
        desk = Desk(server.url)

        async def work(gateway: Gateway) -> None:
            gateway.progress(envelope(), "completed", attempt=2, duration_ms=1.5)

        run(desk, work)
    (told,) = server.reports
    assert told.pop("at").endswith("Z")
    assert told == {
        "kind": "progress",
        "id": "e-1",
        "parent_id": None,
        "actor": "a",
        "attempt": 2,
        "run": 0,
        "children_count": 0,
        "prev": [],
        "curr": "a",
        "next": ["b"],
        "status": "completed",
        "duration_ms": 1.5,
    }
    assert desk.count("progress", "sent") == 1


def test_partials_carry_hop_call_index_and_data() -> None:
    with gateway_server() as server:
        desk = Desk(server.url)

        async def work(gateway: Gateway) -> None:
            for index in range(2):
                gateway.partial(envelope(), call="c-7", index=index, data=b'{"token":"x"}')

        run(desk, work)
    told = [(one["hop"], one["call"], one["index"], one["data"]) for one in server.of_kind("partial")]
    assert told == [(0, "c-7", 0, {"token": "x"}), (0, "c-7", 1, {"token": "x"})]


def test_a_partial_above_1_mib_is_dropped_and_counted() -> None:
    with gateway_server() as server:
        desk = Desk(server.url)

        async def work(gateway: Gateway) -> None:
            gateway.partial(envelope(), call="c", index=0, data=b'"' + b"x" * 1_048_576 + b'"')

        run(desk, work)
    assert server.reports == []
    assert desk.count("partial", "dropped") == 1


def test_reports_travel_in_batches_over_one_kept_connection() -> None:
    with gateway_server() as server:
        desk = Desk(server.url)

        async def hundred(gateway: Gateway, wanted: int) -> None:
            for n in range(100):
                gateway.progress(envelope(f"e-{wanted}-{n}"), "received")
            await reached(lambda: len(server.reports) == wanted)

        async def work(gateway: Gateway) -> None:
            for wanted in (100, 200, 300):
                await hundred(gateway, wanted)

        run(desk, work)
    assert len(server.requests) <= 6
    assert {request.connection for request in server.requests} == {0}


def test_batches_are_at_least_50_ms_apart() -> None:
    with gateway_server() as server:
        desk = Desk(server.url)

        async def work(gateway: Gateway) -> int:
            began = time.monotonic()
            while time.monotonic() - began < 0.5:
                gateway.progress(envelope(str(time.monotonic())), "received")
                await asyncio.sleep(0.001)
            return len(server.requests)

        assert run(desk, work) <= 11


def test_a_progress_that_was_overtaken_while_waiting_is_never_sent() -> None:
    with gateway_server() as server:
        desk = Desk(server.url)

        async def work(gateway: Gateway) -> None:
            for status in ("received", "processing", "completed"):
                gateway.progress(envelope(), status)

        run(desk, work)
    assert [one["status"] for one in server.reports] == ["completed"]
    assert desk.count("progress", "dropped") == 0


def test_what_waits_is_sent_when_the_sidecar_ends() -> None:
    with gateway_server() as server:
        desk = Desk(server.url)

        async def work(gateway: Gateway) -> None:
            gateway.progress(envelope("first"), "received")
            await reached(lambda: server.reports)
            gateway.progress(envelope("last"), "received")

        run(desk, work)
    assert [one["id"] for one in server.reports] == ["first", "last"]


def test_ending_waits_no_longer_than_it_may() -> None:
    with gateway_server() as server:
        server.delay_s = 1.5
        desk = Desk(server.url)

        async def work(gateway: Gateway) -> None:
            gateway.progress(envelope(), "received")

        began = time.monotonic()
        run(desk, work, close_s=0.1)
        assert time.monotonic() - began < 1.0


def test_adding_never_waits_for_a_gateway_that_does_not_answer() -> None:
    with gateway_server() as server:
        server.delay_s = 1.0
        desk = Desk(server.url)

        async def work(gateway: Gateway) -> float:
            gateway.progress(envelope(), "received")
            await reached(lambda: server.requests)
            began = time.monotonic()
            for n in range(2_000):
                gateway.progress(envelope(str(n)), "received")
                await asyncio.sleep(0)
            return time.monotonic() - began

        assert run(desk, work, close_s=0.1) < 0.9
    assert desk.count("progress", "dropped") == 1_000


def test_a_gateway_that_comes_back_gets_what_waited() -> None:
    server = Server()
    with gateway_server(server):
        pass
    desk = Desk(server.url)

    async def work(gateway: Gateway) -> None:
        gateway.progress(envelope(), "received")
        await reached(lambda: desk.count("progress", "failed"))
        with gateway_server(server):
            await reached(lambda: server.reports)

    run(desk, work)
    assert [one["id"] for one in server.reports] == ["e-1"]
    assert [(level, event) for level, event, _ in desk.log.lines] == [
        ("warning", "reports do not reach the gateway"),
        ("info", "reports reach the gateway again"),
    ]


def test_an_outage_is_one_log_line_however_long() -> None:
    with gateway_server() as server:
        server.status = 503
        desk = Desk(server.url)

        async def work(gateway: Gateway) -> None:
            gateway.progress(envelope(), "received")
            await reached(lambda: len(server.requests) >= 2)

        run(desk, work)
    assert [event for _, event, _ in desk.log.lines] == ["reports do not reach the gateway"]


def test_the_pause_after_a_failure_grows_from_1_s_to_30_s() -> None:
    pauses = [0.0]
    for _ in range(7):
        pauses.append(outbox.longer(pauses[-1]))
    assert pauses[1:] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_a_batch_the_gateway_itself_refuses_is_not_sent_again() -> None:
    with gateway_server() as server:
        server.status, server.problem = 422, "invalid"
        desk = Desk(server.url)

        async def work(gateway: Gateway) -> None:
            gateway.progress(envelope("bad"), "received")
            await reached(lambda: server.requests)
            gateway.progress(envelope("good"), "received")

        run(desk, work)
    assert [one["id"] for one in server.reports] == ["bad", "good"]


def test_a_run_reported_inactive_is_known_as_stopped_and_its_replay_is_not() -> None:
    with gateway_server() as server:
        server.stopped = {"e-1"}
        desk = Desk(server.url, check="off")

        async def work(gateway: Gateway) -> list[bool]:
            gateway.progress(envelope("e-1"), "received")
            gateway.progress(envelope("e-2"), "received")
            await reached(lambda: gateway.known_stopped(envelope("e-1")))
            asked = (envelope("e-1"), envelope("e-2"), envelope("e-1", x_asya_replay=b'{"count":1}'))
            return [await gateway.is_stopped(one, window=1, mean_call_s=None) for one in asked]

        assert run(desk, work) == [True, False, False]


@pytest.mark.parametrize(
    ("status", "problem"), [(200, None), (404, "unknown-task"), (409, "x"), (410, "x"), (422, "x")]
)
def test_a_final_is_settled_by_2xx_and_by_the_gateways_own_refusal(status: int, problem: str | None) -> None:
    with gateway_server() as server:
        server.status, server.problem = status, problem
        desk = Desk(server.url)
        assert run(desk, lambda gateway: gateway.final(envelope(), {"status": "succeeded"}))
    assert desk.count("final", "sent") == 1


@pytest.mark.parametrize(
    ("status", "problem"), [(401, "unauthorized"), (503, "unavailable"), (500, "internal"), (404, None), (302, None)]
)
def test_a_final_is_not_settled_by_anything_else(status: int, problem: str | None) -> None:
    with gateway_server() as server:
        server.status, server.problem = status, problem
        desk = Desk(server.url)
        assert not run(desk, lambda gateway: gateway.final(envelope(), {"status": "succeeded"}))
    assert desk.count("final", "failed") == 1
    assert desk.log.lines[-1][2]["reason"] == f"it answered {status}"


def test_a_final_is_not_settled_by_a_gateway_that_is_gone() -> None:
    with gateway_server() as server:
        pass
    desk = Desk(server.url)
    assert not run(desk, lambda gateway: gateway.final(envelope(), {"status": "succeeded"}))
    assert "cannot be reached" in desk.log.lines[-1][2]["reason"]


def test_a_final_goes_to_its_task_with_raw_json_inside() -> None:
    with gateway_server() as server:
        desk = Desk(server.url)
        told = {
            "status": "failed",
            "result": msgspec.Raw(b'{"n": 10000000000000000000001}'),
            "record": {"kind": "sump"},
        }
        run(desk, lambda gateway: gateway.final(envelope("a/b"), told))
    (request,) = server.requests
    assert request.path == "/tasks/a%2Fb/final"
    assert request.body["result"] == {"n": 10_000_000_000_000_000_000_001}
    assert (request.body["id"], request.body["record"]) == ("a/b", {"kind": "sump"})


def test_a_pause_goes_to_its_own_address() -> None:
    with gateway_server() as server:
        desk = Desk(server.url)
        run(desk, lambda gateway: gateway.final(envelope(), {"key": "k"}, kind="paused"))
    assert [request.path for request in server.requests] == ["/tasks/e-1/paused"]


def test_a_final_too_large_is_sent_once_more_without_bulk_then_settled() -> None:
    with gateway_server() as server:
        server.max_body_bytes = 1_000
        desk = Desk(server.url)
        told = {"status": "failed", "result": "x" * 2_000, "record": {"kind": "sump", "envelope": "x", "queue": "q"}}
        assert run(desk, lambda gateway: gateway.final(envelope(), told))
    first, second = (request.body for request in server.requests)
    assert first["record"]["envelope"] == "x"
    assert ("result" in second, second["record"]) == (False, {"kind": "sump", "queue": "q"})


def test_a_final_too_large_even_without_bulk_is_settled() -> None:
    with gateway_server() as server:
        server.status, server.problem = 413, "too-large"
        desk = Desk(server.url)
        assert run(desk, lambda gateway: gateway.final(envelope(), {"status": "succeeded"}))
    assert len(server.requests) == 2


def test_a_stopped_task_is_found_by_asking() -> None:
    with gateway_server() as server:
        server.stopped = {"e-1"}
        desk = Desk(server.url)

        async def work(gateway: Gateway) -> list[bool]:
            asked = [envelope("e-1"), envelope("e-1"), envelope("e-2")]
            return [await gateway.is_stopped(one, window=1, mean_call_s=None) for one in asked]

        assert run(desk, work) == [True, True, False]
    assert [request.path for request in server.requests] == ["/tasks/e-1/active", "/tasks/e-2/active"]


def test_an_id_the_gateway_does_not_know_goes_on() -> None:
    with gateway_server() as server:
        server.unknown = {"e-1"}
        desk = Desk(server.url)

        async def work(gateway: Gateway) -> list[bool]:
            return [await gateway.is_stopped(envelope(), window=1, mean_call_s=None) for _ in range(2)]

        assert run(desk, work) == [False, False]
    assert len(server.requests) == 2


def test_a_fast_actor_does_not_ask() -> None:
    with gateway_server() as server:
        desk = Desk(server.url)
        assert not run(desk, lambda gateway: gateway.is_stopped(envelope(), window=8, mean_call_s=0.01))
    assert server.requests == []


def test_a_question_waits_half_a_second_then_nothing_is_asked_for_10_s() -> None:
    with gateway_server() as server:
        server.delay_s = 2.0
        desk = Desk(server.url, check="always")

        async def work(gateway: Gateway) -> tuple[float, float]:
            times = [time.monotonic()]
            for _ in range(2):
                assert not await gateway.is_stopped(envelope(), window=1, mean_call_s=None)
                times.append(time.monotonic())
            return times[1] - times[0], times[2] - times[1]

        first_s, second_s = run(desk, work)
        assert 0.4 < first_s < 1.5
        assert second_s < 0.1
    assert len(server.requests) == 1


def test_the_token_is_sent_as_bearer() -> None:
    with gateway_server() as server:
        desk = Desk(server.url, token="0123456789abcdef")
        run(desk, lambda gateway: gateway.final(envelope(), {"status": "succeeded"}))
    assert server.requests[0].authorization == "Bearer 0123456789abcdef"


def test_the_pending_reports_are_counted_while_they_wait() -> None:
    with gateway_server() as server:
        server.status = 503
        desk = Desk(server.url)

        async def work(gateway: Gateway) -> int:
            gateway.progress(envelope("1"), "received")
            gateway.progress(envelope("2"), "received")
            await reached(lambda: desk.count("progress", "failed"))
            return desk.metrics.gateway_reports_pending()

        assert run(desk, work) == 2


def test_children_are_told_even_when_progress_overflows() -> None:
    with gateway_server() as server:
        desk = Desk(server.url)

        async def work(gateway: Gateway) -> None:
            gateway.children(envelope(), [envelope("e-1"), envelope("f-1")])
            for n in range(1_500):
                gateway.progress(envelope(str(n)), "received")

        run(desk, work)
    (told,) = server.of_kind("children")
    assert [child["id"] for child in told["children"]] == ["f-1"]
    assert desk.count("progress", "dropped") == 501


def test_a_gateway_behind_tls_is_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    with gateway_server(Server(is_tls=True)) as server:
        stranger = Desk(server.url)
        assert not run(stranger, lambda gateway: gateway.final(envelope(), {"status": "succeeded"}))
        assert "certificate" in stranger.log.lines[-1][2]["reason"].lower()
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        assert run(Desk(server.url), lambda gateway: gateway.final(envelope(), {"status": "succeeded"}))
    assert len(server.requests) == 1
