"""What people and alerts ask Prometheus has an answer: a real one scrapes a real controller and real sidecars.

The queries are those of docs/debugging.md, of the dashboard and of the alerts, as they stand there. Labels of the targets are attached as
the Prometheus operator does it for kustomize/components/monitoring/scrape.yaml, so that a clash of names would be seen.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.support.console import ROOT
from tests.support.controller_bed import Bed, bed
from tests.support.controller_process import rabbitmq
from tests.support.guarded import free_port
from tests.support.kube.cluster import Cluster
from tests.support.prometheus import Prometheus, prometheus
from tests.support.rabbitmq import Broker, shared_node
from tests.support.sidecar_process import Mesh, envelope, mesh
from tests.support.wait import until

# A rate needs scrapes at their times, and on a machine that is busy with other tests they are late.
pytestmark = pytest.mark.alone

MONITORING = ROOT / "kustomize" / "components" / "monitoring"
PAGE = ROOT / "docs" / "debugging.md"
JSON = dict[str, Any]


def documents(name: str) -> list[JSON]:
    return [dict(found) for found in YAML(typ="safe").load_all(MONITORING / name) if found]


def alerts() -> list[JSON]:
    (rules,) = documents("alerts.yaml")
    return [rule for group in rules["spec"]["groups"] for rule in group["rules"]]


def dashboard_queries() -> list[str]:
    """Every query of the dashboard, with all namespaces chosen."""
    panels = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    found = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    return [query.replace("$namespace", ".*") for query in found]


def page_queries() -> list[str]:
    """Every query of the debugging guide: one to a line, comments left out."""
    blocks = re.findall(r"```promql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip() and not line.startswith("#")]


def metric_names(query: str) -> set[str]:
    """Our metrics and those of the controller's libraries in a query."""
    return set(re.findall(r"\b(?:asya|controller_runtime|workqueue|leader_election|rest_client)_[a-z_]+\b", query))


@dataclass
class World:
    """What is scraped, and who scrapes."""

    home: Bed
    mesh: Mesh
    prometheus: Prometheus


def targets(home: Bed, pods: dict[str, str]) -> list[JSON]:
    """Scrape configurations as the operator makes them from scrape.yaml: it attaches namespace and pod, and the manifest says who wins."""
    controller, actors = documents("scrape.yaml")
    (endpoint,), (pod_endpoint,) = controller["spec"]["endpoints"], actors["spec"]["podMetricsEndpoints"]
    labels = {"namespace": "asya-system", "pod": "asya-controller-0", "service": "asya-controller"}
    return [
        {
            "job_name": "asya-controller",
            "honor_labels": endpoint.get("honorLabels", False),
            "static_configs": [{"targets": [home.controller.metrics_address], "labels": labels}],
        },
        {
            "job_name": "asya-actors",
            "honor_labels": pod_endpoint.get("honorLabels", False),
            "static_configs": [
                {"targets": [at], "labels": {"namespace": "ns", "pod": pod}} for pod, at in pods.items()
            ],
        },
    ]


def away(broker: Broker, vhost: str) -> JSON:
    """A transport that nobody answers for."""
    return {"away": rabbitmq(broker, vhost, host="127.0.0.1", port=free_port(), managementUrl=None)}


@pytest.fixture(scope="module")
def world(cluster: Cluster) -> Iterator[World]:
    """A mesh in which something of everything has happened: success, failure, retry, dead letters, a backlog, a stall, a broker away."""
    groups = documents("alerts.yaml")[0]["spec"]["groups"]
    for group in groups:
        for rule in group["rules"]:
            rule["for"] = "0s"  # how long it must last is tested by promtool, in test_alerts.py
    with bed(cluster, shared_node(), away, leads=True) as home, mesh("stuck") as opened:
        home.create("hello")
        home.create("lost", transport="away")
        home.make_ready("hello", 1)
        home.reaches("hello", "Running")
        home.reaches("lost", "TransportError")
        home.fill(f"{home.queue('hello')}-dlq", 1)
        policy = json.dumps({"default": {"maxAttempts": 2, "initialDelay": "0.1s"}})
        working, _ = opened.pair(ASYA_RESILIENCY_POLICIES=policy)
        following, _ = opened.pair(name="b")  # what waits in its queue was put there by a sidecar, which notes the time
        stuck = opened.sidecar("stuck")  # no runtime: it never consumes
        pods = {"a-1": working.address, "b-1": following.address, "stuck-1": stuck.address}
        with prometheus(targets(home, pods), groups) as found:
            # A rate needs two samples of a counter, one before and one after; each target has its own moment of the second.
            for pod in pods:
                found.answers(f'asya_actor_messages_processed_total{{pod="{pod}"}}')
            found.answers('asya_queue_messages{state="queued"}')
            for number in range(10):
                opened.send(envelope(id=f"good-{number}"))
                opened.send(envelope({"do": "fail"}, id=f"bad-{number}"))
            until(lambda: working.metric("messages_processed_total", status="error") >= 10, 60, what="all have failed")
            home.fill(home.queue("hello"), 120)
            yield World(home, opened, found)


@pytest.mark.timeout(240)
def test_every_query_has_an_answer_and_every_metric_exists(world: World) -> None:
    queries = [*dashboard_queries(), *page_queries()]
    for query in queries:
        world.prometheus.answers(query)
    asked = {name for query in [*queries, *(rule["expr"] for rule in alerts())] for name in metric_names(query)}
    served = {item["metric"]["__name__"] for item in world.prometheus.query('{__name__=~".+"}')}
    assert len(asked) > 10
    assert asked <= served


def firing(alert: str) -> str:
    """The query for it."""
    return f'ALERTS{{alertname="{alert}", alertstate="firing"}}'


@pytest.mark.timeout(240)
def test_every_alert_fires_on_real_metrics_and_its_words_are_filled_in(world: World) -> None:
    for rule in alerts():
        if rule["alert"] == "AsyaControllerDown":
            continue
        labels = world.prometheus.answers(firing(rule["alert"]))[0]["metric"]
        named = re.findall(r"\$labels\.(\w+)", str(rule["annotations"]))
        assert all(labels.get(name) for name in named), f"{rule['alert']}'s words name {named}, it has {labels}"
        if "name" in labels:
            assert labels["namespace"] == world.home.namespace, "the actor's namespace, not the controller's"
    assert world.prometheus.query(firing("AsyaControllerDown")) == []
    world.home.controller.stop()
    world.prometheus.answers(firing("AsyaControllerDown"))
