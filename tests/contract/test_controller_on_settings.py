"""What the operator's settings and an actor's annotations do on a real API server, and what is measured (contract: controller 1, 9
and 13).
"""

import re
import urllib.request
from collections.abc import Iterator

import pytest

from tests.support.controller_bed import Bed, bed, condition, states
from tests.support.controller_process import rabbitmq
from tests.support.kube import faults
from tests.support.kube.cluster import Cluster
from tests.support.rabbitmq import shared_node
from tests.support.wait import until


@pytest.fixture(scope="module")
def home(cluster: Cluster) -> Iterator[Bed]:
    """One controller for the tests of this module."""
    with bed(cluster, shared_node(), lambda broker, vhost: {"keyless": rabbitmq(broker, vhost)}) as found:
        yield found


MEASURED = """
controller_runtime_reconcile_total controller result
controller_runtime_reconcile_errors_total controller
controller_runtime_terminal_reconcile_errors_total controller
controller_runtime_reconcile_panics_total controller
controller_runtime_reconcile_time_seconds_count controller
controller_runtime_max_concurrent_reconciles controller
controller_runtime_active_workers controller
workqueue_depth name
workqueue_adds_total name
workqueue_queue_duration_seconds_count name
workqueue_work_duration_seconds_count name
workqueue_unfinished_work_seconds name
workqueue_longest_running_processor_seconds name
workqueue_retries_total name
leader_election_master_status name
rest_client_requests_total code method host
asya_asyncactor_status namespace name status
asya_asyncactor_ready namespace name
asya_queue_messages namespace name state
asya_apply_total kind result
asya_status_writes_total
asya_transport_up transport
asya_transport_errors_total transport reason
asya_queue_cleanup_total transport result
asya_watch_last_event_age_seconds kind
asya_watch_restarts_total kind reason
asya_events_dropped_total
asya_keda_available
asya_controller_info version
"""


def exposed(home: Bed) -> dict[str, list[dict[str, str]]]:
    """Metric -> the labels of each of its series."""
    with urllib.request.urlopen(f"http://{home.controller.metrics_address}/metrics", timeout=5) as answer:
        lines = [line for line in answer.read().decode().splitlines() if not line.startswith("#")]
    found: dict[str, list[dict[str, str]]] = {}
    for line in lines:
        name, _, labels = line.rpartition(" ")[0].partition("{")
        found.setdefault(name, []).append(dict(re.findall(r'(\w+)="([^"]*)"', labels)))
    return found


def test_everything_that_is_promised_is_measured_and_a_deleted_actor_takes_its_series_with_it(home: Bed) -> None:
    home.controller.without_password("keyless")
    home.create("measured")
    home.create("trouble", transport="keyless")
    home.make_ready("measured", 1)
    home.reaches("measured", "Running")
    home.reaches("trouble", "TransportError", "CredentialsMissing", within_s=45)
    until(lambda: home.controller.metric("asya_queue_messages", name="measured", state="dead") == 0, what="counts")
    until(lambda: any(of["name"] == "measured" for of in exposed(home)["asya_queue_messages"]), what="its counts")
    home.proxy.cut()
    until(lambda: home.controller.metric("asya_watch_restarts_total"), what="a watch has begun again")
    home.create("going")
    home.reaches("going", "ScalingUp")
    home.delete("going")
    home.gone("going")
    home.looked_at("measured")
    found = exposed(home)
    wrong = {}
    for name, *labels in map(str.split, MEASURED.split("\n")[1:-1]):
        series = found.get(name, [])
        if not series or any(set(of) != set(labels) for of in series):
            wrong[name] = series[:2]
    assert wrong == {}
    asked = {request.namespace for request in home.proxy.record.requests if request.resource}
    assert asked == {home.namespace}, "in namespaced mode it stays inside"
    named = {of["name"] for name, series in found.items() if name.startswith("asya_") for of in series if "name" in of}
    assert named == {"measured", "trouble"}
    assert {of["status"] for of in found["asya_asyncactor_status"] if of["name"] == "measured"} == {"Running"}
    home.controller.password("keyless", "guest")
    home.reaches("trouble", "ScalingUp", "QueueReady", within_s=45)
    home.told("trouble", "Recovered")


def said(home: Bed, path: str) -> tuple[int, str]:
    """What a probe is told; 0 while nobody listens."""
    try:
        return home.controller.probe(path)
    except OSError:
        return 0, "nobody listens"


def test_readiness_names_the_kinds_that_are_missing_while_the_process_is_healthy(home: Bed) -> None:
    home.controller.stop()
    home.proxy.inject(
        faults.answer(503), times=None, verb="list", where=lambda r: r.resource in ("pods", "deployments")
    )
    home.controller.launch()
    missing = "not filled yet: deployments, pods"
    until(lambda: said(home, "/readyz") == (503, missing), what="it says what is missing")
    assert said(home, "/healthz") == (200, "ok")
    home.proxy.heal()
    until(lambda: said(home, "/readyz") == (200, "ok"), what="all is there")


def test_asked_to_end_in_the_middle_of_its_start_it_ends(home: Bed) -> None:
    for _ in range(3):
        assert home.controller.stop() == 0
        home.controller.launch()
        until(lambda: said(home, "/healthz")[0] == 200, every_s=0.002, what="it has begun")
    assert home.controller.stop() == 0
    home.controller.start()


def test_a_word_that_is_no_deletion_policy_keeps_the_queue_and_is_told(home: Bed) -> None:
    home.create("unsure")
    home.reaches("unsure", "ScalingUp")
    home.annotate("unsure", deletion_policy="Perhaps")
    home.told("unsure", "InvalidAnnotation")
    home.delete("unsure")
    home.gone("unsure")
    assert home.queue("unsure") in home.queues()
    assert home.times_told("unsure", "InvalidAnnotation") == 1


def test_with_queue_management_off_the_broker_is_never_asked(cluster: Cluster) -> None:
    environ = {"ASYA_DISABLE_QUEUE_MANAGEMENT": "true"}
    with bed(cluster, shared_node(), environ=environ) as home:
        home.create("alone", scaling={"enabled": True, "minReplicas": 1})
        home.keda_says("alone")
        home.make_ready("alone", 1)
        status = home.reaches("alone", "Running", "NotManaged")
        assert condition(status, "TransportReady") == ("True", "NotManaged")
        assert states(status) == ("True", "", "")
        assert status["queue"] == home.queue("alone")
        assert not {"queuedMessages", "processingMessages"} & status.keys(), "unknown is left out"
        home.delete("alone")
        home.gone("alone")
        assert home.queues() == set()
        assert "asya_transport_up" not in exposed(home)
