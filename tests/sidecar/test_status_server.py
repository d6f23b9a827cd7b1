"""Probes and scrapes over real HTTP."""

import asyncio
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from asya_sidecar.act import status_server
from asya_sidecar.act.health import Health
from asya_sidecar.act.metrics import Metrics
from asya_sidecar.act.status_server import StatusServer
from asya_sidecar.settings import Address


class Silent:
    def info(self, event: str, **members: object) -> None: ...

    def warning(self, event: str, **members: object) -> None: ...


class Desk:
    """A server that runs, with what it shows."""

    def __init__(self) -> None:
        self.metrics = Metrics("asya-ns-a", "sqlite")
        self.clock_s = 0.0
        self.health = Health(Silent(), self.metrics.stalled, lambda: self.clock_s)
        self.server = StatusServer(Address("127.0.0.1", 0), self.health, self.metrics)
        self.address = self.server.start()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.address.host, self.address.port, timeout=10)

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str, bytes]:
        connection = self.connect()
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.headers["Content-Type"], answer.read()
        finally:
            connection.close()


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.server.close()


@pytest.mark.parametrize("path", ["/healthz", "/health", "/healthz?verbose"])
def test_healthz_says_ok_whatever_is_missing(desk: Desk, path: str) -> None:
    assert desk.ask(path) == (200, "text/plain; charset=utf-8", b"OK")


def test_healthz_says_503_while_the_sidecars_loop_is_stuck(desk: Desk) -> None:
    async def stuck() -> int:
        desk.health.start()
        desk.clock_s = 11.0  # nothing here gives the loop a chance to turn
        status = desk.ask("/healthz")[0]
        desk.health.stop()
        return status

    assert asyncio.run(stuck()) == 503


def test_readyz_names_the_reasons(desk: Desk) -> None:
    desk.health.set("queue_missing")
    status, content_type, body = desk.ask("/readyz")
    assert (status, content_type) == (503, "application/json")
    assert json.loads(body) == {"ready": False, "reasons": ["starting", "queue_missing"]}


def test_readyz_says_200_when_consuming(desk: Desk) -> None:
    desk.health.clear("starting")
    status, _, body = desk.ask("/readyz")
    assert (status, json.loads(body)) == (200, {"ready": True, "reasons": []})


def test_metrics_are_text_and_openmetrics_when_asked_for(desk: Desk) -> None:
    status, content_type, body = desk.ask("/metrics")
    assert (status, content_type.split(";")[0]) == (200, "text/plain")
    assert b'asya_actor_messages_processed_total{queue="asya-ns-a",status="success"} 0.0' in body
    assert desk.ask("/metrics", Accept="application/openmetrics-text")[2].endswith(b"# EOF\n")


def test_an_unknown_page_is_404_and_names_the_known_ones(desk: Desk) -> None:
    status, _, body = desk.ask("/")
    assert (status, b"/readyz" in body) == (404, True)


def test_head_has_no_body_and_post_is_refused(desk: Desk) -> None:
    assert desk.ask("/healthz", "HEAD")[::2] == (200, b"")
    assert desk.ask("/healthz", "POST")[0] == 405


def test_a_connection_is_kept_for_the_next_scrape(desk: Desk) -> None:
    connection = desk.connect()
    for _ in range(3):
        connection.request("GET", "/healthz")
        assert connection.getresponse().read() == b"OK"
        assert connection.sock is not None
    connection.close()


def test_what_is_not_http_ends_its_own_connection_only(desk: Desk) -> None:
    with socket.create_connection((desk.address.host, desk.address.port), 10) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert connection.recv(100) == b""
    assert desk.ask("/healthz")[0] == 200


def test_silent_connections_cannot_pile_up_without_bound(desk: Desk) -> None:
    held = [
        socket.create_connection((desk.address.host, desk.address.port), 10)
        for _ in range(status_server.MAX_CONNECTIONS)
    ]
    with socket.create_connection((desk.address.host, desk.address.port), 10) as one_more:
        assert one_more.recv(1) == b""
    for connection in held:
        connection.close()


def test_a_taken_address_is_named(desk: Desk) -> None:
    with pytest.raises(OSError, match=rf"ASYA_METRICS_ADDR 127\.0\.0\.1:{desk.address.port}: .*choose a free address"):
        StatusServer(desk.address, desk.health, desk.metrics).start()


def test_closing_takes_no_longer_than_a_second_with_a_connection_open() -> None:
    desk = Desk()
    connection = desk.connect()
    connection.request("GET", "/healthz")
    connection.getresponse().read()
    began = time.monotonic()
    desk.server.close()
    assert time.monotonic() - began < 1.0
    connection.close()
    assert "status-server" not in {thread.name for thread in threading.enumerate()}
