"""`asya sync --watch` on a real API server: what changes is applied, what is broken waits, an absent API server is outlived."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.console import ROOT
from tests.support.kube.cluster import Cluster
from tests.support.source_files import State, write
from tests.support.tcp_proxy import TcpProxy
from tests.support.wait import until


@contextmanager
def through_a_proxy(cluster: Cluster, folder: Path) -> Iterator[tuple[TcpProxy, Path]]:
    """A way to the API server that can be closed, and the kubeconfig that takes it."""
    view = json.loads(cluster.kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json").stdout)
    place = view["clusters"][0]["cluster"]
    server = urlsplit(place["server"])
    assert server.hostname is not None
    proxy = TcpProxy(server.hostname, server.port or 443)
    place |= {"server": f"https://127.0.0.1:{proxy.port}", "tls-server-name": server.hostname}
    kubeconfig = folder / "through-proxy"
    kubeconfig.write_text(json.dumps(view))
    try:
        yield proxy, kubeconfig
    finally:
        proxy.stop()


class Following:
    """`asya sync --watch` as a process; its lines are in files."""

    def __init__(self, folder: Path, environ: dict[str, str], *arguments: str) -> None:
        self.out, self.err = folder / "out", folder / "err"
        with self.out.open("w") as out, self.err.open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "asya_cli", "sync", *arguments, "--watch"],
                env=os.environ | environ,
                stdout=out,
                stderr=err,
                cwd=ROOT,
            )

    def says(self, text: str) -> None:
        until(lambda: text in self.out.read_text() + self.err.read_text(), 60, what=f"{text!r} in the output")


@contextmanager
def following(kubeconfig: Path, namespace: str, folder: Path, *arguments: str) -> Iterator[Following]:
    found = Following(folder, {"KUBECONFIG": str(kubeconfig)}, *arguments, "--namespace", namespace)
    try:
        yield found
    finally:
        found.process.send_signal(signal.SIGTERM)
        assert found.process.wait(30) == 130


def test_watching_applies_what_changes_and_waits_while_a_file_is_broken(
    cluster: Cluster, state: State, source: Path, tmp_path: Path
) -> None:
    with following(cluster.kubeconfig, state.namespace, tmp_path, str(source), "--prune") as sync:
        sync.says("in step with sha256:")
        assert state.names() == ["a", "b"]
        write(source, "a", tag="2")
        sync.says("asyncactor.asya.sh/a configured")
        (source / "c.yaml").write_text("kind: AsyncActor\nspec: {")
        (source / "b.yaml").unlink()
        sync.says("nothing is applied until this is mended")
        assert state.names() == ["a", "b"]
        write(source, "c")
        sync.says("asyncactor.asya.sh/c created")
        sync.says("asyncactor.asya.sh/b pruned")
        assert state.names() == ["a", "c"]


def test_watching_sees_a_link_that_is_swapped(cluster: Cluster, state: State, tmp_path: Path) -> None:
    """As git-sync does it."""
    for tag in ("1", "2"):
        (tmp_path / "worktrees" / tag).mkdir(parents=True)
        write(tmp_path / "worktrees" / tag / "actors", "a", tag=tag)
    (tmp_path / "current").symlink_to("worktrees/1")
    with following(cluster.kubeconfig, state.namespace, tmp_path, str(tmp_path / "current" / "actors")) as sync:
        sync.says("asyncactor.asya.sh/a created")
        (tmp_path / "next").symlink_to("worktrees/2")
        (tmp_path / "next").replace(tmp_path / "current")
        sync.says("asyncactor.asya.sh/a configured")
        assert state.image("a").endswith(":2")


def test_watching_outlives_an_absent_api_server_and_then_applies(
    cluster: Cluster, state: State, source: Path, tmp_path: Path
) -> None:
    with (
        through_a_proxy(cluster, tmp_path) as (proxy, kubeconfig),
        following(kubeconfig, state.namespace, tmp_path, str(source), "--prune") as sync,
    ):
        sync.says("in step with sha256:")
        before = state.versions()
        proxy.stop()
        write(source, "a", tag="2")
        sync.says("trying again")
        assert state.versions() == before
        proxy.begin()
        sync.says("asyncactor.asya.sh/a configured")
        assert state.image("a").endswith(":2")
