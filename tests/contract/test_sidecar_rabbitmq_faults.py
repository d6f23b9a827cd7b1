"""Situations in which RabbitMQ itself is killed, blocked or changed: each test has a node of its own.

Contract: sidecar, Situations 31, 34, 36.
"""

import time

from tests.support.rabbitmq import Node, node
from tests.support.rabbitmq_mesh import RabbitmqMesh, rabbitmq_mesh
from tests.support.sidecar_process import Sidecar, envelope
from tests.support.wait import until


def seconds_until_ready(own: Node, sidecar: Sidecar) -> float:
    """From the open port until the sidecar consumes."""
    own.launch()
    until(own.is_open, 60, 0.01, what="the port is open")
    opened = time.monotonic()
    until(lambda: sidecar.get("/readyz")[0] == 200, 30, 0.02, what="consuming again")
    return time.monotonic() - opened


def assert_all_end(own: RabbitmqMesh, count: int) -> None:
    until(lambda: {found["id"] for found in own.at("b")} == {f"e-{number}" for number in range(count)}, 60, 0.2)
    until(own.is_gone, what="the own queue is empty")
    assert len(own.calls()) <= count + 4, "at most one extra run for each delivery in hand"


def test_row_31_after_a_clean_restart_and_after_a_kill_all_tasks_end_and_consuming_resumes() -> None:
    with node() as broker, rabbitmq_mesh(broker=broker) as own:
        sidecar, _ = own.pair(ASYA_PREFETCH="4")
        for number in range(10):
            own.send(envelope({"do": "sleep", "s": 0.3, "n": number}, id=f"e-{number}"))
        until(lambda: len(own.calls()) >= 2, what="work is under way")
        broker.kill()
        until(lambda: sidecar.reasons == ["broker_unreachable"], 2, what="not ready")
        after_kill_s = seconds_until_ready(broker, sidecar)
        broker.stop()
        after_stop_s = seconds_until_ready(broker, sidecar)
        until(lambda: own.broker.ask("GET", "overview"), 30, what="the management interface answers")
        assert_all_end(own, 10)
        assert (after_kill_s < 5, after_stop_s < 5) == (True, True), (after_kill_s, after_stop_s)


def test_row_34_a_memory_alarm_is_named_and_nothing_is_acknowledged_until_it_is_over() -> None:
    with node() as broker, rabbitmq_mesh(broker=broker) as own:
        sidecar, _ = own.pair()
        for number in range(3):
            own.send(envelope(id=f"e-{number}"))
        until(lambda: own.counts("b").queued == 3, what="all is well")
        own.send(envelope({"do": "sleep", "s": 3}, id="e-3"))
        until(lambda: len(own.calls()) == 4, what="the call has begun")
        broker.control("set_vm_memory_high_watermark", "0.000001")
        until(lambda: sidecar.reasons == ["publish_blocked"], 20, what="not ready")
        assert sidecar.get("/healthz")[0] == 200
        time.sleep(16)  # longer than a blocked connection is kept; the alarm has no event of its own
        assert sidecar.reasons == ["publish_blocked"]
        assert own.counts("a").processing == 1
        broker.control("set_vm_memory_high_watermark", "absolute", "1GB")
        assert_all_end(own, 4)
        until(lambda: sidecar.reasons == [], what="ready again")


def test_row_36_a_changed_password_is_read_from_its_file() -> None:
    with rabbitmq_mesh() as own:
        user = f"u-{own.vhost}"
        own.broker.add_user(user, "first-s3cret")
        own.broker.permit(own.vhost, user, configure="^$", read="-a$", write="^(amq\\.default|asya\\.delay\\..*)$")
        password = own.folder / "password"
        password.write_text("first-s3cret\n")
        own.runtime()
        environ = own.environ() | {"ASYA_RABBITMQ_USERNAME": user, "ASYA_RABBITMQ_PASSWORD_FILE": str(password)}
        environ.pop("ASYA_RABBITMQ_PASSWORD")
        sidecar = Sidecar(own.folder / "sidecar.log", environ)
        own.adopt(sidecar)
        sidecar.ready()
        own.broker.add_user(user, "second-s3cret")
        own.broker.disconnect(own.vhost, user)
        until(lambda: sidecar.reasons == ["access_refused"], 15, what="not ready")
        password.write_text("second-s3cret\n")
        until(lambda: sidecar.get("/readyz")[0] == 200, 15, what="consuming again")
        own.send(envelope())
        assert own.arrived_one("b", "e-1")
        assert "s3cret" not in sidecar.log
        own.broker.ask("DELETE", f"users/{user}")
