"""`asya sync` on a real API server: all or nothing, the inventory, pruning, following files."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.asya_command import asya
from tests.support.console import ROOT
from tests.support.kube.binaries import binaries
from tests.support.kube.cluster import Cluster
from tests.support.tcp_proxy import TcpProxy
from tests.support.wait import until

ACTOR = """\
apiVersion: asya.sh/v1alpha1
kind: AsyncActor
metadata: {{name: {name}}}
spec:
  transport: rabbitmq
  workload:
    template:
      spec:
        containers:
        - name: asya-runtime
          image: registry.example.com/{name}:{tag}
          env: [{{name: ASYA_HANDLER, value: a.b}}]
"""
Asya = Callable[..., subprocess.CompletedProcess[str]]


def write(folder: Path, *names: str, tag: str = "1") -> None:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / f"{name}.yaml").write_text(ACTOR.format(name=name, tag=tag))


@pytest.fixture
def command(cluster: Cluster, namespace: str) -> Asya:
    """The command, as a process, in the test's namespace."""

    def run(verb: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        environ = {"KUBECONFIG": str(cluster.kubeconfig)}
        return asya(verb, *arguments, "--namespace", namespace, environ=environ)

    return run


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    write(folder, "a", "b")
    return folder


class State:
    """What is in the namespace, as a person would look at it."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self.namespace = namespace

    def json(self, *arguments: str) -> Any:
        return json.loads(self._cluster.kubectl("get", "-n", self.namespace, "-o", "json", *arguments).stdout)

    def names(self) -> list[str]:
        return [item["metadata"]["name"] for item in self.json("asyncactors")["items"]]

    def versions(self) -> dict[str, str]:
        items = self.json("asyncactors")["items"]
        return {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in items}

    def image(self, name: str) -> str:
        spec = self.json("asyncactor", name)["spec"]["workload"]["template"]["spec"]
        return str(spec["containers"][0]["image"])


@pytest.fixture
def state(cluster: Cluster, namespace: str) -> State:
    return State(cluster, namespace)


def test_a_pass_creates_and_the_next_one_writes_nothing(command: Asya, state: State, source: Path) -> None:
    first = command("sync", source)
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.splitlines() == [f"asyncactor.asya.sh/{n} created in {state.namespace}" for n in ("a", "b")]
    before, parent = state.versions(), state.json("configmap", "asya-files")["metadata"]["resourceVersion"]
    second = command("sync", source)
    assert second.stdout.count("unchanged") == 2
    assert state.versions() == before
    assert state.json("configmap", "asya-files")["metadata"]["resourceVersion"] == parent


def test_actors_carry_set_manager_and_revision(command: Asya, state: State, source: Path) -> None:
    command("sync", source)
    parent = state.json("configmap", "asya-files")["metadata"]
    actor = state.json("asyncactor", "a", "--show-managed-fields")["metadata"]
    set_id = parent["labels"]["applyset.kubernetes.io/id"]
    assert actor["labels"]["applyset.kubernetes.io/part-of"] == set_id
    assert parent["annotations"]["applyset.kubernetes.io/contains-group-kinds"] == "AsyncActor.asya.sh"
    assert parent["annotations"]["applyset.kubernetes.io/tooling"].startswith("asya/")
    assert {entry["manager"] for entry in actor["managedFields"]} == {"asya-files"}
    revision = actor["annotations"]["asya.sh/source-revision"]
    assert revision.startswith("sha256:")
    assert parent["annotations"]["asya.sh/source-revision"] == revision


def test_a_changed_file_and_a_changed_object_are_applied(
    command: Asya, state: State, source: Path, cluster: Cluster
) -> None:
    command("sync", source)
    write(source, "a", tag="2")
    patch = '{"spec": {"transport": "elsewhere"}}'
    cluster.kubectl("patch", "asya", "b", "-n", state.namespace, "--type=merge", "--patch", patch)
    done = command("sync", source)
    assert done.stdout.splitlines() == [
        f"asyncactor.asya.sh/a configured in {state.namespace}",
        f"asyncactor.asya.sh/b restored in {state.namespace}",
    ]
    assert state.image("a").endswith(":2")
    assert state.json("asyncactor", "b")["spec"]["transport"] == "rabbitmq"


def test_a_field_that_left_the_file_leaves_the_object(command: Asya, state: State, source: Path) -> None:
    file = source / "a.yaml"
    file.write_text(file.read_text() + "  timeout: {processing: 60}\n")
    command("sync", source)
    assert state.json("asyncactor", "a")["spec"]["timeout"] == {"processing": 60}
    write(source, "a")
    command("sync", source)
    assert "timeout" not in state.json("asyncactor", "a")["spec"]


# --- all or nothing ---------------------------------------------------------------------------------------------------

BROKEN = {
    "yaml": ("spec: {", "c.yaml:2:8: "),
    "rule": (
        ACTOR.format(name="c", tag="1").replace("ASYA_HANDLER", "OTHER"),
        "must set the environment variable ASYA_HANDLER",
    ),
    "unknown field": (ACTOR.format(name="c", tag="1") + "  scalling: {}\n", "did you mean scaling?"),
    "twice": (ACTOR.format(name="b", tag="1"), "is defined more than once"),
    "secret": (
        ACTOR.format(name="c", tag="1").replace("value: a.b}", "value: a.b}, {name: API_TOKEN, value: s3cr3t}"),
        "holds a secret in plain text",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_one_broken_file_applies_nothing_and_prunes_nothing(
    command: Asya, state: State, source: Path, case: str
) -> None:
    command("sync", source)
    before = state.versions()
    text, told = BROKEN[case]
    (source / "a.yaml").unlink()
    write(source, "b", "new", tag="2")
    (source / "c.yaml").write_text(text if case != "yaml" else f"kind: AsyncActor\n{text}")
    done = command("sync", source, "--prune")
    assert done.returncode == 2
    assert told in done.stderr
    assert state.versions() == before


def test_what_the_api_server_refuses_applies_nothing_either(command: Asya, state: State, source: Path) -> None:
    command("sync", source)
    before = state.versions()
    write(source, "a", tag="2")
    elsewhere = ACTOR.format(name="c", tag="1").replace("{name: c}", "{name: c, namespace: not-there}")
    (source / "c.yaml").write_text(elsewhere)
    done = command("sync", source)
    assert done.returncode == 2
    assert f'{source}/c.yaml:3:12: the cluster refuses it: namespaces "not-there" not found' in done.stderr
    assert state.versions() == before


def test_a_dry_run_says_it_and_writes_nothing(command: Asya, state: State, source: Path) -> None:
    done = command("sync", source, "--dry-run")
    assert done.stdout.splitlines()[0] == f"asyncactor.asya.sh/a created in {state.namespace} (dry run)"
    assert state.names() == []


def test_the_pass_as_data(command: Asya, state: State, source: Path) -> None:
    data = json.loads(command("sync", source, "--output", "json").stdout)
    assert data["applied"] == [{"namespace": state.namespace, "name": n, "result": "created"} for n in ("a", "b")]
    assert (data["pruned"], data["problems"], data["heldBack"]) == ([], [], None)


# --- pruning ----------------------------------------------------------------------------------------------------------


def test_pruning_deletes_only_members_and_only_when_asked(
    command: Asya, state: State, source: Path, cluster: Cluster
) -> None:
    command("sync", source)
    cluster.kubectl("apply", "-n", state.namespace, "-f", "-", text=ACTOR.format(name="by-hand", tag="1"))
    (source / "b.yaml").unlink()
    command("sync", source)
    assert state.names() == ["a", "b", "by-hand"]
    done = command("sync", source, "--prune")
    assert f"asyncactor.asya.sh/b pruned in {state.namespace}" in done.stdout
    assert state.names() == ["a", "by-hand"]


def test_members_of_other_namespaces_are_found_through_the_inventory(
    command: Asya, state: State, source: Path, cluster: Cluster
) -> None:
    with cluster.namespace() as other:
        far = ACTOR.format(name="far", tag="1").replace("{name: far}", f"{{name: far, namespace: {other}}}")
        (source / "far.yaml").write_text(far)
        command("sync", source)
        annotations = state.json("configmap", "asya-files")["metadata"]["annotations"]
        assert annotations["applyset.kubernetes.io/additional-namespaces"] == other
        (source / "far.yaml").unlink()
        done = command("sync", source, "--prune")
        assert f"asyncactor.asya.sh/far pruned in {other}" in done.stdout
        assert State(cluster, other).names() == []
        annotations = state.json("configmap", "asya-files")["metadata"]["annotations"]
        assert annotations["applyset.kubernetes.io/additional-namespaces"] == ""


def test_more_than_max_deletes_are_held_back(command: Asya, state: State, source: Path) -> None:
    write(source, "c", "d")
    command("sync", source)
    for name in ("b", "c", "d"):
        (source / f"{name}.yaml").unlink()
    done = command("sync", source, "--prune", "--max-deletes", "2")
    assert done.returncode == 1
    assert "would delete 3 actors" in done.stderr
    assert "--max-deletes 2" in done.stderr
    assert len(state.names()) == 4
    assert command("sync", source, "--prune", "--max-deletes", "3").returncode == 0
    assert state.names() == ["a"]


def test_allow_empty_lets_everything_go(command: Asya, state: State, source: Path) -> None:
    command("sync", source)
    for file in source.iterdir():
        file.unlink()
    assert command("sync", source, "--prune", "--allow-empty").returncode == 0
    assert state.names() == []


@pytest.mark.parametrize("label", ["argocd.argoproj.io/instance", "kustomize.toolkit.fluxcd.io/name"])
def test_what_argo_or_flux_took_over_is_neither_pruned_nor_applied(
    command: Asya, state: State, source: Path, cluster: Cluster, label: str
) -> None:
    command("sync", source)
    cluster.kubectl("label", "asya", "b", "-n", state.namespace, f"{label}=apps")
    (source / "b.yaml").unlink()
    kept = command("sync", source, "--prune")
    assert kept.returncode == 0
    assert "kept" in kept.stderr
    write(source, "b", tag="2")
    before = state.versions()
    refused = command("sync", source)
    assert refused.returncode == 2
    assert "one of the two has to let it go" in refused.stderr
    assert state.versions() == before


def test_kubectl_and_we_do_not_touch_the_set_of_the_other(
    command: Asya, state: State, source: Path, cluster: Cluster, tmp_path: Path
) -> None:
    """Both follow KEP-3659: same id for the same parent, and no hand on a set of other tooling."""
    command("sync", source)
    member = tmp_path / "member.yaml"
    member.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: member}\n")

    def kubectl(parent: str) -> subprocess.CompletedProcess[str]:
        environ = os.environ | {"KUBECONFIG": str(cluster.kubeconfig), "KUBECTL_APPLYSET": "true"}
        prune = ("--prune", f"--applyset=configmap/{parent}", "-f", str(member))
        arguments = [binaries()["kubectl"], "apply", "-n", state.namespace, *prune]
        return subprocess.run(arguments, env=environ, capture_output=True, text=True, timeout=60, check=False)

    theirs = kubectl("asya-files")
    assert theirs.returncode != 0
    assert 'managed by tooling "asya"' in theirs.stderr
    assert kubectl("kubectls").returncode == 0
    ours = command("sync", source, "--set", "kubectls")
    assert ours.returncode == 1
    assert "is the inventory of kubectl/" in ours.stderr


# --- following --------------------------------------------------------------------------------------------------------


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
