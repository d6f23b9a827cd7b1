"""`asya sync` on a real API server: all or nothing, the inventory, pruning."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.kube.binaries import binaries
from tests.support.kube.cluster import Cluster
from tests.support.source_files import ACTOR, Asya, State, write


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
