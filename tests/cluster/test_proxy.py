"""The proxy between a controller and a real API server: transparent until told otherwise, and each fault is what it says."""

import http.client
import json
import threading
from collections.abc import Iterator

import pytest

from tests.support.kube import faults
from tests.support.kube.api import JSON, Api, Refused
from tests.support.kube.cluster import Cluster
from tests.support.kube.proxy import ApiProxy
from tests.support.wait import until


@pytest.fixture
def proxy(cluster: Cluster) -> Iterator[ApiProxy]:
    found = ApiProxy(cluster.api, cluster.api)
    yield found
    found.close()


@pytest.fixture
def through(proxy: ApiProxy) -> Iterator[Api]:
    """A client that asks the proxy, and has no credentials of its own."""
    found = Api(proxy.url, None, "none")
    yield found
    found.close()


def config_map(name: str, value: str = "1") -> JSON:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"key": value}}


class Watching:
    """Events of the namespace's ConfigMaps through the proxy, and how the watch ended."""

    def __init__(self, through: Api, namespace: str) -> None:
        self.events: list[JSON] = []
        self.end: BaseException | str = ""
        version = through.ask("GET", f"/api/v1/namespaces/{namespace}/configmaps")["metadata"]["resourceVersion"]
        self._source = through.watch("configmaps", namespace, version)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            for event in self._source:
                self.events.append(event)
            self.end = "ended"
        except (OSError, ValueError, http.client.HTTPException) as error:
            self.end = error

    def names(self) -> list[str]:
        return [event["object"]["metadata"]["name"] for event in self.events if event["type"] == "ADDED"]


@pytest.fixture
def ready(through: Api, namespace: str) -> None:
    """The namespace's own ConfigMap is there: Kubernetes puts one into each, a moment late."""
    until(lambda: through.items("configmaps", namespace), 30, what="the namespace has its first ConfigMap")


def test_requests_pass_and_are_written_down(proxy: ApiProxy, through: Api, namespace: str) -> None:
    through.apply("configmaps", namespace, config_map("a"), manager="m")
    through.apply("configmaps", namespace, config_map("a"), manager="m")
    through.apply("configmaps", namespace, config_map("a", "2"), manager="m")
    found = through.get("configmaps", namespace, "a")
    through.delete("configmaps", namespace, "a", preconditions={"uid": found["metadata"]["uid"]})
    assert [(r.verb, r.effect) for r in proxy.record.requests] == [
        ("patch", "create"),
        ("patch", ""),
        ("patch", "change"),
        ("get", ""),
        ("delete", "delete"),
    ]
    first = proxy.record.requests[0]
    assert (first.resource, first.namespace, first.name, first.manager) == ("configmaps", namespace, "a", "m")
    assert proxy.record.effects() == {
        ("create", "configmaps", "a"): 1,
        ("change", "configmaps", "a"): 1,
        ("delete", "configmaps", "a"): 1,
    }


def test_refusals_pass_as_they_are(through: Api, namespace: str) -> None:
    with pytest.raises(Refused, match="not found") as refused:
        through.get("configmaps", namespace, "absent")
    assert refused.value.code == 404


@pytest.mark.usefixtures("ready")
def test_watches_stream(through: Api, namespace: str) -> None:
    watching = Watching(through, namespace)
    for name in ("a", "b", "c"):
        through.create("configmaps", namespace, config_map(name))
        until(lambda name=name: name in watching.names(), what=f"{name} is seen")
    assert watching.names() == ["a", "b", "c"]


@pytest.mark.parametrize(("code", "wait"), [(429, 3), (500, None), (503, 1), (410, None)])
def test_an_answer_in_the_servers_place(
    proxy: ApiProxy, through: Api, cluster: Cluster, namespace: str, code: int, wait: int | None
) -> None:
    rule = proxy.inject(faults.answer(code, retry_after=wait), verb="create", resource="configmaps")
    with pytest.raises(Refused, match="a fault of the test") as refused:
        through.create("configmaps", namespace, config_map("a"))
    assert (refused.value.code, rule.met) == (code, 1)
    assert cluster.api.find("configmaps", namespace, "a") is None
    through.create("configmaps", namespace, config_map("a"))


def test_cut_before_and_after_the_server_acts(proxy: ApiProxy, through: Api, cluster: Cluster, namespace: str) -> None:
    for fault, stored in ((faults.cut_before, False), (faults.cut_after, True)):
        proxy.inject(fault, verb="create", times=2)  # the client tries a broken connection once more
        with pytest.raises((http.client.HTTPException, ConnectionError, Refused)):
            through.create("configmaps", namespace, config_map("a"))
        assert (cluster.api.find("configmaps", namespace, "a") is not None) is stored
        proxy.heal()


def test_silence_holds_a_request_until_the_proxy_ends(proxy: ApiProxy, through: Api, namespace: str) -> None:
    proxy.inject(faults.silent, verb="get")
    connection = through.connect(0.5)
    connection.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/a")
    with pytest.raises(TimeoutError):
        connection.getresponse()
    connection.close()


def watch_with(
    fault: faults.Fault, proxy: ApiProxy, through: Api, cluster: Cluster, namespace: str, number: int
) -> Watching:
    """A faulty watch, and so many new objects made one after the other, not through the proxy."""
    proxy.inject(fault, verb="watch")
    watching = Watching(through, namespace)
    until(lambda: any(request.code for request in proxy.record.requests if request.verb == "watch"))
    for index in range(number):
        cluster.api.create("configmaps", namespace, config_map(f"n{index}"))
    return watching


@pytest.mark.usefixtures("ready")
class TestWatchFaults:
    """What a watch shows of three new objects."""

    def test_duplicated(self, proxy: ApiProxy, through: Api, cluster: Cluster, namespace: str) -> None:
        watching = watch_with(faults.duplicated, proxy, through, cluster, namespace, 3)
        until(lambda: watching.names() == ["n0", "n0", "n1", "n1", "n2", "n2"])

    def test_delayed(self, proxy: ApiProxy, through: Api, cluster: Cluster, namespace: str) -> None:
        watching = watch_with(faults.delayed(0.3), proxy, through, cluster, namespace, 3)
        assert len(watching.names()) < 3
        until(lambda: watching.names() == ["n0", "n1", "n2"])

    def test_dropped(self, proxy: ApiProxy, through: Api, cluster: Cluster, namespace: str) -> None:
        watching = watch_with(faults.dropped(1), proxy, through, cluster, namespace, 3)
        until(lambda: watching.end, what="the watch broke")
        assert watching.names() == ["n0"]

    def test_gone_in_the_stream(self, proxy: ApiProxy, through: Api, cluster: Cluster, namespace: str) -> None:
        watching = watch_with(faults.gone(1), proxy, through, cluster, namespace, 3)
        until(lambda: watching.end == "ended", what="the watch ended")
        assert [event["type"] for event in watching.events] == ["ADDED", "ERROR"]
        assert watching.events[1]["object"]["code"] == 410

    def test_half_a_line(self, proxy: ApiProxy, through: Api, cluster: Cluster, namespace: str) -> None:
        watching = watch_with(faults.half_a_line, proxy, through, cluster, namespace, 1)
        until(lambda: watching.end, what="the watch broke")
        assert isinstance(watching.end, json.JSONDecodeError | http.client.IncompleteRead)

    def test_mute(self, proxy: ApiProxy, through: Api, cluster: Cluster, namespace: str) -> None:
        watching = watch_with(faults.mute(1), proxy, through, cluster, namespace, 3)
        until(lambda: watching.names() == ["n0"])
        until(lambda: cluster.api.find("configmaps", namespace, "n2"))
        assert watching.names() == ["n0"]
        assert watching.end == ""


def test_away_and_back(proxy: ApiProxy, through: Api, namespace: str) -> None:
    through.items("configmaps", namespace)
    proxy.stop()
    with pytest.raises(ConnectionError):
        through.items("configmaps", namespace)
    proxy.begin()
    through.items("configmaps", namespace)
