"""What cannot be served or not be sent on (contract: sidecar, Situations 15 to 18, 22, 27, 30)."""

import hashlib
import json
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.scripted_runtime import ScriptedRuntime, answer
from tests.support.sidecar_process import Mesh, Sidecar, envelope, mesh, route, told
from tests.support.wait import until


@pytest.fixture(scope="module")
def shared(broker: str) -> Iterator[tuple[Mesh, Sidecar]]:  # noqa: ARG001 - `mesh` opens it
    """One pair for the tests that need nothing special."""
    with mesh() as opened:
        sidecar, _ = opened.pair(ASYA_UNKNOWN_ACTOR_WAIT="2s")
        yield opened, sidecar


@pytest.fixture
def plain(shared: tuple[Mesh, Sidecar]) -> Mesh:
    return shared[0]


@pytest.fixture
def scripted() -> Iterator[tuple[Mesh, Sidecar, ScriptedRuntime]]:
    """A sidecar beside a peer that answers what the test says."""
    with mesh() as opened:
        script = ScriptedRuntime(opened.folder / "a" / "asya-runtime.sock", say(answer(b'{"frames":[]}')))
        yield opened, opened.sidecar().ready(), script
        script.close()


def say(*pieces: bytes) -> Callable[[bytes, socket.socket], None]:
    def script(_body: bytes, peer: socket.socket) -> None:
        for piece in pieces:
            peer.sendall(piece)

    return script


def counter(sidecar: Sidecar, reason: str) -> float:
    return sidecar.metric("messages_failed_total", reason=reason)


def in_s(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def frame(payload: Any, frame_route: dict[str, Any]) -> dict[str, Any]:
    return {"payload": payload, "route": frame_route}


def frames(*made: dict[str, Any]) -> bytes:
    return answer(json.dumps({"frames": made}).encode())


def test_row_15_what_is_no_json_goes_to_the_sump_wrapped(shared: tuple[Mesh, Sidecar]) -> None:
    plain, sidecar = shared
    before = counter(sidecar, "parse_error")
    plain.send(b"not json")
    name = "sha256-" + hashlib.sha256(b"not json").hexdigest()
    found = plain.arrived_one("x-sump", name)
    assert found["payload"]["original_body"]["data"] == "bm90IGpzb24="
    assert found["payload"]["details"]["message"].startswith("Failed to parse message: ")
    assert found["status"]["reason"] == "ParseError"
    assert found["route"] == {"prev": [], "curr": "a", "next": []}
    until(lambda: counter(sidecar, "parse_error") == before + 1)
    until(lambda: plain.is_gone("a"), what="own queue empty")


def test_row_15_the_message_id_of_the_transport_names_a_body_without_id(plain: Mesh) -> None:
    body = envelope()
    del body["id"]
    plain.send(json.dumps(body).encode(), message_id="m-7")
    found = plain.arrived_one("x-sump", "m-7")
    assert found["payload"]["details"]["message"] == "missing required 'id' field"
    assert found["status"]["reason"] == "ValidationError"


def test_row_16_an_envelope_for_another_actor_is_not_served(shared: tuple[Mesh, Sidecar]) -> None:
    plain, sidecar = shared
    before = counter(sidecar, "route_mismatch")
    plain.send(envelope({"row": 16}, id="r16", route=route("z", "b")))
    found = plain.arrived_one("x-sump", "r16")
    assert found["payload"]["details"]["message"] == "Route mismatch: expected: a, actual: z"
    assert found["payload"]["error"] == "route_error"
    until(lambda: counter(sidecar, "route_mismatch") == before + 1)
    assert {"row": 16} not in plain.calls()


def test_row_16_routes_cannot_loop_for_ever(plain: Mesh) -> None:
    plain.send(envelope({"row": "16b"}, id="r16b", route={"prev": ["a"] * 256, "curr": "a", "next": ["b"]}))
    found = plain.arrived_one("x-sump", "r16b")
    assert found["status"]["reason"] == "HopLimit"
    assert found["payload"]["details"]["message"] == "hop limit of 256 reached"
    assert {"row": "16b"} not in plain.calls()


def test_row_17_an_actor_without_a_queue_is_given_up_after_the_wait(shared: tuple[Mesh, Sidecar]) -> None:
    plain, sidecar = shared
    plain.send(envelope({"do": "value", "value": 7}, id="r17", route=route("a", "ghost", "b")))
    found = plain.arrived_one("x-sump", "r17")
    assert (found["status"]["reason"], found["status"]["actor"]) == ("UnknownActor", "a")
    assert found["route"] == route("a", "ghost", "b", at=1)
    assert found["payload"]["original_payload"] == 7
    assert found["payload"]["details"]["message"] == "no queue for actor ghost"
    until(lambda: counter(sidecar, "unknown_actor") == 1)


def test_row_17_later_messages_for_the_same_missing_queue_do_not_wait_again(plain: Mesh) -> None:
    for number in range(20):
        plain.send(envelope(id=f"r17-{number}", route=route("a", "nowhere")))
    for number in range(20):
        assert plain.arrived_one("x-sump", f"r17-{number}", 10)["status"]["reason"] == "UnknownActor"


def test_row_17_a_queue_that_appears_in_time_gets_the_message() -> None:
    with mesh() as own:
        own.pair(ASYA_UNKNOWN_ACTOR_WAIT="1m")
        own.send(envelope(route=route("a", "late")))
        until(own.calls, what="the handler was called")
        own.declare("late")
        assert own.arrived_one("late", "e-1")["route"] == route("a", "late", at=1)
        assert own.is_gone("x-sump")


def test_row_17_the_other_frames_are_sent_as_usual() -> None:
    with mesh() as own:
        own.pair("spread", ASYA_HANDLER_MODE="envelope", ASYA_UNKNOWN_ACTOR_WAIT="0s")
        own.send(envelope({"to": ["b", "ghost", "x-sump", "b"]}))
        sent = [message["payload"]["for"] for message in own.arrived("b", 2)]
        failed = own.arrived("x-sump", 2)
        until(lambda: own.is_gone("a"), what="own queue empty")
    assert sent == ["b", "b"]
    assert {message["status"]["reason"] for message in failed} == {"UnknownActor", "RoutedToSump"}


def test_row_18_a_missing_sump_holds_the_message_until_it_is_there() -> None:
    with mesh() as own:
        sidecar, _ = own.pair()
        own.admin.delete(own.queue("x-sump"))
        own.send(envelope({"do": "fail"}))
        until(lambda: sidecar.reasons == ["destination_missing"], what="not ready")
        assert "asya-ns-x-sump" in told(sidecar, "destination_missing")
        until(lambda: counter(sidecar, "transport_error") >= 2, what="tries are counted")
        until(lambda: not own.is_gone("a"), what="it is held")
        own.declare("x-sump")
        own.arrived_one("x-sump", "e-1")
        sidecar.ready()
        assert len(own.calls()) == 1


def test_row_22_a_passed_deadline_goes_to_the_sink_unserved(plain: Mesh) -> None:
    for name, seconds in (("r22-past", -60), ("r22-near", 0.5)):
        plain.send(envelope({"row": name}, id=name, status={"deadline_at": in_s(seconds)}))
        found = plain.arrived_one("x-sink", name)
        assert (found["status"]["phase"], found["status"]["reason"]) == ("failed", "Timeout")
        assert found["payload"] == {"row": name}
        assert found["route"] == route("a", "b")
        assert {"row": name} not in plain.calls()


def test_row_22_a_deadline_that_is_no_time_is_none(shared: tuple[Mesh, Sidecar]) -> None:
    plain, sidecar = shared
    plain.send(envelope(id="r22-soon", status={"deadline_at": "soon"}))
    plain.arrived_one("b", "r22-soon")
    until(lambda: [line for line in sidecar.done() if line["envelope_id"] == "r22-soon"], what="all of its lines")
    warnings = [line for line in sidecar.lines if line["level"] == "WARNING" and line.get("envelope_id") == "r22-soon"]
    assert len(warnings) == 1
    assert sidecar.popen.poll() is None


@pytest.mark.parametrize(
    "bytes_",
    [
        b"hello, is this HTTP?\r\n\r\n",
        frames(frame(1, {"prev": ["other"], "curr": "b", "next": []})),
        frames(frame(1, route("a", "b"))),
        answer(b"", b"302 Found"),
        answer(b'{"frames": [}'),
        answer(b'{"frames": [{"route": {"prev": ["a"], "curr": "b", "next": []}}]}'),
    ],
    ids=["garbage", "rewritten prev", "not advanced", "302", "broken JSON", "no payload"],
)
def test_row_27_an_answer_that_is_not_as_agreed_goes_to_the_sump(
    scripted: tuple[Mesh, Sidecar, ScriptedRuntime], bytes_: bytes
) -> None:
    own, sidecar, script = scripted
    script.script = say(bytes_)
    own.send(envelope())
    found = own.arrived_one("x-sump", "e-1")
    assert found["status"]["reason"] == "ProtocolError"
    assert found["payload"]["error"] == "connection_error"
    assert own.is_gone("b")
    until(lambda: counter(sidecar, "protocol_error") == 1)


def test_row_30_a_frame_above_the_message_limit_sends_nothing(plain: Mesh) -> None:
    plain.send(envelope({"do": "big", "bytes": 12_000_000}, id="r30-big"))
    found = plain.arrived_one("x-sump", "r30-big")
    assert found["status"]["reason"] == "OutputTooLarge"
    assert found["payload"]["error"] == "output_error"


def test_row_30_too_many_frames_send_nothing(plain: Mesh) -> None:
    for name, do in (("r30-list", "many"), ("r30-stream", "stream")):
        plain.send(envelope({"do": do, "frames": 10_001}, id=name))
        assert plain.arrived_one("x-sump", name, 60)["status"]["reason"] == "OutputTooLarge"
    assert not any(found["id"].startswith("r30") or found.get("parent_id") for found in plain.at("b"))


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "stream"])
def test_row_30_an_answer_of_two_gigabytes_is_not_kept_in_memory(
    scripted: tuple[Mesh, Sidecar, ScriptedRuntime], streamed: bool
) -> None:
    own, sidecar, script = scripted
    piece = b"x" * 1_000_000

    def endless(_body: bytes, peer: socket.socket) -> None:
        if streamed:
            head = (
                b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n77359400\r\nevent: frame\ndata: "
            )
        else:
            head = b"Content-Type: application/json\r\nContent-Length: 2000000000\r\n\r\n"
        peer.sendall(b"HTTP/1.1 200 OK\r\n" + head)
        for _ in range(2_000):
            peer.sendall(piece)

    script.script = endless
    before = psutil.Process(sidecar.pid).memory_info().rss
    own.send(envelope())
    found = own.arrived_one("x-sump", "e-1", 60)
    assert found["status"]["reason"] == "OutputTooLarge"
    status = Path(f"/proc/{sidecar.pid}/status").read_text()
    peak_kb = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    assert peak_kb * 1024 - before < (64 + 64) * 2**20
