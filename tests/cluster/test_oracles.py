"""Each oracle speaks up when a client does what it watches for, on a real API server, and is silent about a good client."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.actors import actor
from tests.support.kube.api import APPLY, JSON, Api, path_of
from tests.support.kube.cluster import Cluster
from tests.support.kube.oracles import violations
from tests.support.kube.proxy import ApiProxy
from tests.support.kube.watched import shipped_rules

IMAGE = ("spec", "workload", "template", "spec", "containers", 0, "image")
RUNNING = {
    "status": "Running",
    "conditions": [
        {"type": "WorkloadReady", "status": "True", "reason": "WorkloadAvailable"},
        {"type": "TransportReady", "status": "True", "reason": "QueueReady"},
        {"type": "Ready", "status": "True", "reason": "Running"},
    ],
}


class Client:
    """Does what a controller does, and what it must not, through the proxy; with all rights, so that nothing is refused."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.namespace = namespace
        self.admin = cluster.api
        self.proxy = ApiProxy(cluster.api, cluster.api)
        self.api = Api(self.proxy.url, None, "none")

    def actor(self, *changes: Any) -> JSON:
        """Make or change the actor, and let the controller see it."""
        document = actor((("metadata", "namespace"), self.namespace), *changes)
        self.admin.apply("asyncactors", self.namespace, document, manager="author")
        return self.api.get("asyncactors", self.namespace, "hello")

    def workload(self, owner: JSON, *, manager: str, image: str = "i:1", **spec: Any) -> JSON:
        """Apply the Deployment."""
        meta = owner["metadata"]
        reference = {"apiVersion": "asya.sh/v1alpha1", "kind": "AsyncActor", "name": meta["name"], "uid": meta["uid"]}
        document = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "hello", "ownerReferences": [reference | {"controller": True}]},
            "spec": {
                "selector": {"matchLabels": {"a": "b"}},
                "template": {
                    "metadata": {"labels": {"a": "b"}},
                    "spec": {"containers": [{"name": "asya-runtime", "image": image}]},
                },
                **spec,
            },
        }
        return self.api.apply("deployments", self.namespace, document, manager=manager)

    def status(self, owner: JSON, generation: int, **members: Any) -> None:
        """Write the actor's status."""
        document = {
            "apiVersion": "asya.sh/v1alpha1",
            "kind": "AsyncActor",
            "metadata": {key: owner["metadata"][key] for key in ("name", "namespace", "uid")},
            "status": RUNNING | {"observedGeneration": generation} | members,
        }
        path = path_of("asyncactors/status", self.namespace, "hello")
        self.api.ask("PATCH", path, document, APPLY, fieldManager="asya-status", force="true")

    def wrong(self) -> list[str]:
        """Names of the oracles that spoke."""
        return [found.partition(":")[0] for found in violations(self.proxy.record, shipped_rules())]


@pytest.fixture
def client(cluster: Cluster, namespace: str) -> Iterator[Client]:
    found = Client(cluster, namespace)
    yield found
    found.api.close()
    found.proxy.close()


SCALING = (("spec", "scaling", "enabled"), True)


def test_a_good_client_is_left_in_peace(client: Client) -> None:
    owner = client.actor((IMAGE, "i:1"))
    client.workload(owner, manager="asya-controller", replicas=1)
    client.status(owner, 1)
    owner = client.actor((IMAGE, "i:2"))
    client.workload(owner, manager="asya-controller", image="i:2", replicas=1)
    client.status(owner, 2)
    uid = client.api.get("deployments", client.namespace, "hello")["metadata"]["uid"]
    client.api.delete("deployments", client.namespace, "hello", preconditions={"uid": uid})
    assert client.wrong() == []


def test_replicas_while_scaling_are_seen(client: Client) -> None:
    owner = client.actor(SCALING)
    client.workload(owner, manager="asya-replicas-handover", replicas=0)  # creating is the helper's right
    assert client.wrong() == []
    client.workload(owner, manager="asya-controller", replicas=1)
    client.workload(owner, manager="asya-replicas-handover", replicas=2)  # it names no version
    assert client.wrong() == ["replicas_while_scaling", "count_kept"] * 2


def test_letting_go_of_a_count_that_nobody_else_holds_is_seen(client: Client) -> None:
    owner = client.actor(SCALING)
    client.proxy.record.shown.clear()  # it was off when the workload was made
    client.workload(owner, manager="asya-controller", replicas=4)
    owner = client.actor(SCALING)
    client.workload(owner, manager="asya-controller")  # the API server's default takes its place
    assert client.wrong() == ["count_kept"]


@pytest.mark.parametrize(
    "body",
    [
        {"metadata": {"labels": {"a": "b"}}},
        {"metadata": {"annotations": {"a": "b"}}},
        {"spec": {"workload": {"replicas": 2}}},
    ],
)
def test_writing_more_of_an_actor_than_finalizer_and_status_is_seen(client: Client, body: JSON) -> None:
    client.actor()
    client.api.patch("asyncactors", client.namespace, "hello", {"metadata": {"finalizers": ["asya.sh/finalizer"]}})
    client.api.patch("asyncactors", client.namespace, "hello", {"metadata": {"finalizers": None}})
    assert client.wrong() == []
    client.api.patch("asyncactors", client.namespace, "hello", body)
    assert client.wrong() == ["actor_untouched"]


def test_a_delete_without_uid_is_seen(client: Client) -> None:
    owner = client.actor()
    client.workload(owner, manager="asya-controller", replicas=1)
    client.api.delete("deployments", client.namespace, "hello")
    assert client.wrong() == ["delete_names_uid"]


def test_status_ahead_of_the_workload_is_seen(client: Client) -> None:
    owner = client.actor((IMAGE, "i:1"))
    client.workload(owner, manager="asya-controller", replicas=1)
    owner = client.actor((IMAGE, "i:2"))
    client.status(owner, 2)
    assert client.wrong() == ["observed_what_was_applied"]


def test_status_of_a_generation_that_was_never_shown_is_seen(client: Client) -> None:
    owner = client.actor((IMAGE, "i:1"))
    client.workload(owner, manager="asya-controller", replicas=1)
    client.status(owner, 2)
    assert client.wrong() == ["observed_what_was_applied"]


@pytest.mark.parametrize(("method", "path"), [("GET", "secrets"), ("GET", "nodes"), ("POST", "namespaces")])
def test_a_request_that_no_rule_allows_is_seen(client: Client, method: str, path: str) -> None:
    namespace = "" if path != "secrets" else client.namespace
    body = {"metadata": {"name": client.namespace + "-b"}} if method == "POST" else None
    client.api.ask(method, path_of(path, namespace), body, dryRun="All")
    assert client.wrong() == ["permitted"]


def test_a_status_that_tools_misread_is_seen(client: Client) -> None:
    owner = client.actor((IMAGE, "i:1"))
    client.workload(owner, manager="asya-controller", image="i:1", replicas=1)
    stalled = [{"type": kind, "status": "True", "reason": "ConfigError"} for kind in ("Ready", "Stalled")]
    client.status(owner, 1, conditions=stalled)
    assert client.wrong() == ["tools_agree"]
