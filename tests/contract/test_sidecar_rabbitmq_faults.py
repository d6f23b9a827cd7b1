"""Situations in which RabbitMQ itself is killed, frozen, blocked or changed under the sidecar.

Contract: sidecar, Situations 31, 32, 33, 34, 35, 36, 37, 54. Each says in `/readyz`, in a metric and in one line what is wrong (`told`),
and ends by itself.
"""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.amqp_proxy import Cut
from tests.support.rabbitmq import Node, breakable_node, node
from tests.support.rabbitmq_mesh import RabbitmqMesh, amqp_proxy, rabbitmq_mesh
from tests.support.sidecar_process import Sidecar, envelope, told
from tests.support.wait import until

pytestmark = pytest.mark.timeout(
    240
)  # servers and their tools start several times; on a busy machine that takes minutes


def seconds_until_ready(broker: Node, sidecar: Sidecar) -> float:
    """From the open port until the sidecar consumes."""
    broker.launch()
    until(broker.is_open, 60, 0.01, what="the port is open")
    opened = time.monotonic()
    until(lambda: sidecar.metric("consuming") == 1 and not sidecar.reasons, 30, 0.02, what="consuming again")
    return time.monotonic() - opened


def assert_all_end(own: RabbitmqMesh, count: int) -> None:
    """So many are at `b`, nothing is left."""
    expected = {f"e-{number}" for number in range(count)}
    until(lambda: {found["id"] for found in own.at("b")} == expected, 60, 0.2, what="all have ended")
    until(own.is_gone, what="the own queue is empty")


@pytest.mark.alone
def test_row_31_after_a_kill_and_after_a_clean_restart_all_tasks_end_and_consuming_resumes_within_two_seconds() -> None:
    """Ten tasks are in the pipe each time, of which four are in hand."""
    with breakable_node() as broker, rabbitmq_mesh(broker=broker) as own:
        sidecar, _ = own.pair(ASYA_PREFETCH="4")
        for number in range(20):
            own.send(envelope({"do": "sleep", "s": 0.5, "n": number}, id=f"e-{number}"))
        until(lambda: len(own.calls()) >= 2, what="work is under way")
        broker.kill()
        until(lambda: "broker_unreachable" in sidecar.reasons, 1, what="not ready")
        told(sidecar, "broker_unreachable")
        after_kill_s = seconds_until_ready(broker, sidecar)
        assert len(own.calls()) < 11, "ten and more are still in the pipe"
        broker.stop()
        until(lambda: "broker_unreachable" in sidecar.reasons, 1, what="not ready")
        told(sidecar, "broker_unreachable", times=2)
        after_stop_s = seconds_until_ready(broker, sidecar)
        broker.mend()
        assert_all_end(own, 20)
        runs = Counter(call["n"] for call in own.calls())
        assert runs.total() <= 20 + 2 * 4, "at most one extra run for each delivery in hand"
        assert max(runs.values()) <= 3
        assert max(after_kill_s, after_stop_s) <= 2, (after_kill_s, after_stop_s)


def stays(what: Callable[[], object], for_s: float) -> None:
    """The length of a fault: looked at again and again, and always true."""
    until_s = time.monotonic() + for_s
    while time.monotonic() < until_s:
        assert what()
        time.sleep(0.5)


def frozen_for_a_minute() -> None:
    with node() as broker, rabbitmq_mesh(broker=broker) as own:
        sidecar, _ = own.pair()
        own.send(envelope({"do": "sleep", "s": 2}, id="e-0"))
        until(own.calls, what="the call has begun")
        broker.freeze()
        began = time.monotonic()
        until(lambda: sidecar.reasons == ["broker_unreachable"], 30, 0.1, what="not ready")
        assert sidecar.get("/healthz")[0] == 200
        assert "has not answered for too long" in told(sidecar, "broker_unreachable")
        stays(lambda: sidecar.reasons == ["broker_unreachable"], began + 60 - time.monotonic())
        broker.thaw()
        until(lambda: sidecar.reasons == [], what="ready again")
        assert_all_end(own, 1)
        assert len(own.calls()) <= 2
        told(sidecar, "broker_unreachable")


def out_of_memory_for_a_minute(broker: Node) -> None:
    with rabbitmq_mesh(broker=broker) as own:
        sidecar, _ = own.pair()
        for number in range(3):
            own.send(envelope(id=f"e-{number}"))
        until(lambda: own.counts("b").queued == 3, what="all is well")
        begun = own.folder / "the-alarm-has-begun"
        own.send(envelope({"do": "wait_for", "file": str(begun)}, id="e-3"))
        until(lambda: len(own.calls()) == 4, what="the call has begun")
        first = until(lambda: own.connection_names("publish"), what="the connection is listed")
        with broker.alarm():
            begun.touch()
            until(lambda: sidecar.reasons == ["publish_blocked"], what="not ready")
            blocked_at = time.monotonic()
            assert "memory" in told(sidecar, "publish_blocked")
            until(lambda: own.connection_names("publish") - first, every_s=0.2, what="another one after 15 s")
            until(lambda: own.counts("a").processing == 1, what="nothing is acknowledged")
            assert sidecar.get("/healthz")[0] == 200
            stays(lambda: sidecar.reasons == ["publish_blocked"], blocked_at + 60 - time.monotonic())
            assert own.counts("a").processing == 1
        until(lambda: sidecar.reasons == [], what="ready again")
        assert_all_end(own, 4)
        told(sidecar, "publish_blocked")
        assert len(own.calls()) == 4


def without_a_queue_for_twenty_seconds(broker: Node) -> None:
    with rabbitmq_mesh(broker=broker, declare=False) as own:
        own.runtime()
        sidecar = own.sidecar()
        until(lambda: sidecar.reasons == ["queue_missing"], what="not ready")
        assert "asya-ns-a" in told(sidecar, "queue_missing")
        own.declare("a", "b", "x-sink", "x-sump")
        sidecar.ready()
        own.admin.delete(own.queue("a"))
        deleted_at = time.monotonic()
        until(lambda: sidecar.reasons == ["queue_missing"], 19, what="not ready again")
        told(sidecar, "queue_missing", times=2)
        assert sidecar.metric("consuming") == 0
        stays(lambda: sidecar.reasons == ["queue_missing"], deleted_at + 20 - time.monotonic())
        own.declare("a")
        sidecar.ready()
        own.send(envelope())
        assert own.arrived_one("b", "e-1")
        told(sidecar, "queue_missing", times=2)


@pytest.mark.timeout(400)
def test_row_32_row_34_and_row_35_a_broker_frozen_or_out_of_memory_for_a_minute_and_a_queue_away_for_20_s() -> None:
    """Mostly waiting, so side by side, on two brokers."""
    with breakable_node() as broker, ThreadPoolExecutor() as pool:
        frozen = pool.submit(frozen_for_a_minute)
        without_a_queue_for_twenty_seconds(broker)
        out_of_memory_for_a_minute(broker)
        frozen.result()


def test_row_33_a_lost_confirm_and_a_lost_acknowledgement_cost_one_duplicate_each() -> None:
    """All other points, and other results than one hop: tests/faults/test_amqp_cuts.py."""
    with rabbitmq_mesh() as own, amqp_proxy(own) as proxy:
        sidecar, _ = own.pair(ASYA_RABBITMQ_PORT=str(proxy.port))
        for name, cut in (("confirm", Cut(publishes=1, everything=False)), ("acknowledgement", Cut(ack="before"))):
            until(lambda: sidecar.metric("active_messages") == 0, what="nothing is under way")
            proxy.cut_at(cut)
            own.send(envelope(id=f"lost-{name}"))
            assert cut.sprung.wait(40), name
            own.send(envelope(id=f"after-{name}"))
            own.arrived_one("b", f"after-{name}")
            until(own.is_gone, what="the own queue is empty")
        assert Counter(found["id"] for found in own.at("b")) == {
            "lost-confirm": 2,
            "after-confirm": 1,
            "lost-acknowledgement": 2,
            "after-acknowledgement": 1,
        }


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
        own.broker.disconnect(own.vhost, user, 2)
        until(lambda: sidecar.reasons == ["access_refused"], what="not ready")
        assert user in told(sidecar, "access_refused")
        password.write_text("second-s3cret\n")
        until(lambda: sidecar.get("/readyz")[0] == 200, what="consuming again")
        own.send(envelope())
        assert own.arrived_one("b", "e-1")
        assert "s3cret" not in sidecar.log
        own.broker.ask("DELETE", f"users/{user}")


def test_row_37_after_the_acknowledgement_deadline_the_result_is_dropped_and_the_envelope_is_run_once_more() -> None:
    with breakable_node() as broker, broker.setting("consumer_timeout", "2000"), rabbitmq_mesh(broker=broker) as own:
        sidecar, _ = own.pair()
        own.send(envelope({"do": "slow_at_first", "s": 7}))
        until(own.calls, what="the call has begun")
        assert "timed out" in told(sidecar, "consumer_cancelled")
        until(lambda: sidecar.reasons == [] and sidecar.metric("consuming") == 1, what="registered again")
        assert sidecar.metric("reconnects_total") == 1
        assert own.arrived_one("b", "e-1")
        until(own.is_gone, what="the own queue is empty")
        assert (len(own.at("b")), len(own.calls())) == (1, 2)


def test_row_54_a_wrong_password_and_a_missing_virtual_host_end_the_process_after_half_a_minute() -> None:
    with rabbitmq_mesh() as own:
        refused = {
            "refuses the user or the password": own.sidecar(ASYA_RABBITMQ_PASSWORD="wr0ng-s3cret"),
            "has no such virtual host": own.sidecar(ASYA_RABBITMQ_VHOST="nowhere"),
        }
        for sentence, sidecar in refused.items():
            until(lambda found=sidecar: "access_refused" in found.reasons, 20, what="not ready")
            assert sentence in told(sidecar, "access_refused")
        began = time.monotonic()
        for sentence, sidecar in refused.items():
            assert sidecar.exit_code(45) == 5
            assert sentence in sidecar.log.splitlines()[-1]
            assert "s3cret" not in sidecar.log
        assert time.monotonic() - began < 40
