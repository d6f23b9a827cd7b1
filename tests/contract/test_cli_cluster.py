"""Situations of the command against a cluster (contract: cli, table of situations)."""

from pathlib import Path

from tests.support.asya_command import asya
from tests.support.console import ROOT
from tests.support.guarded import free_port
from tests.support.kube.cluster import Cluster

HELLO = ROOT / "gitops" / "examples" / "hello"


def test_row_12_a_diff_with_nothing_to_change_prints_nothing(cluster: Cluster, namespace: str) -> None:
    environ = {"KUBECONFIG": str(cluster.kubeconfig)}
    assert asya("sync", HELLO, "--namespace", namespace, environ=environ).returncode == 0
    done = asya("diff", HELLO, "--namespace", namespace, environ=environ)
    assert (done.returncode, done.stdout) == (0, "")


def test_row_13_a_diff_without_a_reachable_cluster_names_address_and_reason(tmp_path: Path) -> None:
    server = f"https://127.0.0.1:{free_port()}"
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
        f"clusters: [{{name: c, cluster: {{server: '{server}'}}}}]\n"
        "users: [{name: u, user: {token: t}}]\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n"
    )
    done = asya("diff", HELLO, environ={"KUBECONFIG": str(kubeconfig)})
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == f"asya: cannot reach the cluster at {server}: Connection refused\n"


def test_row_14_pruning_on_an_emptied_folder_is_refused(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    environ = {"KUBECONFIG": str(cluster.kubeconfig)}
    file = tmp_path / "hello.yaml"
    file.write_text((HELLO / "hello.yaml").read_text())
    assert asya("sync", tmp_path, "--namespace", namespace, environ=environ).returncode == 0
    file.unlink()
    done = asya("sync", tmp_path, "--prune", "--namespace", namespace, environ=environ)
    assert done.returncode == 2
    assert f"would delete every actor of the set ({namespace}/hello)" in done.stderr
    assert "--allow-empty" in done.stderr
    left = cluster.kubectl("get", "asya", "-n", namespace, "-o", "name").stdout
    assert left == "asyncactor.asya.sh/hello\n"
