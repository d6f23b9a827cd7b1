"""The controller with `--source`: the loop of `asya sync` in its process, and the objects that follow from the files."""

from pathlib import Path

import pytest

from tests.support.console import ROOT
from tests.support.controller_process import rabbitmq, running
from tests.support.kube import faults
from tests.support.kube.cluster import Cluster
from tests.support.kube.proxy import ApiProxy
from tests.support.kube.record import Request
from tests.support.rabbitmq import shared_node
from tests.support.wait import until

HELLO = (ROOT / "gitops" / "examples" / "hello" / "hello.yaml").read_text()
ROLE = ROOT / "kustomize" / "components" / "file-source" / "role.yaml"


def test_files_become_actors_and_workloads_and_go_again(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    cluster.kubectl("apply", "-f", str(ROLE))
    (tmp_path / "hello.yaml").write_text(HELLO)
    (tmp_path / "other.yaml").write_text(HELLO.replace("name: hello", "name: other"))
    broker = shared_node()

    def names(kind: str) -> list[str]:
        return cluster.kubectl("get", kind, "-n", namespace, "-o", "name").stdout.split()

    with broker.vhost() as vhost:
        config = {"transports": {"rabbitmq": rabbitmq(broker, vhost)}}
        with running(cluster, (namespace,), config, {"ASYA_SOURCE_PATH": str(tmp_path)}) as controller:
            both = ["deployment.apps/hello", "deployment.apps/other"]
            until(lambda: names("deployment") == both, 60, what="both workloads")
            (tmp_path / "broken.yaml").write_text("kind: AsyncActor\nspec: {")
            (tmp_path / "other.yaml").unlink()
            until(lambda: "nothing until this is mended" in controller.log(), 60, what="the mistake in the log")
            assert names("asya") == ["asyncactor.asya.sh/hello", "asyncactor.asya.sh/other"]
            (tmp_path / "broken.yaml").unlink()
            until(lambda: names("asya") == ["asyncactor.asya.sh/hello"], 90, what="the pruned actor is gone")


def test_an_actor_of_a_namespace_that_is_not_watched_is_refused(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    text = HELLO.replace("name: hello", "name: hello\n  namespace: default", 1)
    (tmp_path / "hello.yaml").write_text(text)
    with running(cluster, (namespace,), {"transports": {}}, {"ASYA_SOURCE_PATH": str(tmp_path)}) as controller:
        told = f"namespace default is none of those that are watched: {namespace}"
        until(lambda: told in controller.log(), 60, what="the refusal in the log")


@pytest.mark.parametrize("code", [429, 503])
def test_a_server_that_asks_for_time_gets_it_although_files_change_meanwhile(
    cluster: Cluster, namespace: str, tmp_path: Path, code: int
) -> None:
    """All or nothing also here: what the server turned away is made by a later pass, no earlier than it has asked for."""
    proxy, asked_s = ApiProxy(cluster.api, cluster.api), 4

    def tried() -> list[Request]:
        return [request for request in proxy.record.requests if by_the_source(request)]

    try:
        turned_away = proxy.inject(faults.answer(code, retry_after=asked_s), where=by_the_source)
        (tmp_path / "hello.yaml").write_text(HELLO)
        with running(proxy, (namespace,), {"transports": {}}, {"ASYA_SOURCE_PATH": str(tmp_path)}) as controller:
            until(lambda: turned_away.met, 60, what="the server has asked for time")
            (tmp_path / "other.yaml").write_text(HELLO.replace("name: hello", "name: other"))
            until(lambda: len(cluster.api.items("asyncactors", namespace)) == 2, 60, what="both actors")
            first, second = tried()[:2]
            assert second.at - first.at >= asked_s
            assert "the file source cannot work now" in controller.log()
    finally:
        proxy.close()


def by_the_source(request: Request) -> bool:
    """Its applies of actors, the tries among them."""
    return request.resource == "asyncactors" and request.query.get("fieldManager") == "asya-files"
