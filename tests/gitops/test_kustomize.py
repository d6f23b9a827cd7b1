"""What an installation consists of, and that a real API server takes it.

golden/ holds what each overlay builds, without the CRD, for a reader to see what changed. To write it anew:
python -m tests.gitops.test_kustomize
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.support.actors import actor
from tests.support.console import ROOT
from tests.support.kube.api import Refused
from tests.support.kube.binaries import binaries
from tests.support.kube.cluster import Cluster, own_cluster
from tests.support.wait import until

OVERLAYS = ("local", "production", "namespaced")
GOLDEN = Path(__file__).parent / "golden"
CREDENTIALS = "username=asya\npassword=only-for-tests\n"


def tree(folder: Path) -> Path:
    """A copy of what people apply from, with the file that they make first."""
    for part in ("kustomize", "schemas/crd"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("rabbitmq.env"))
    (folder / "kustomize/overlays/local/rabbitmq.env").write_text(CREDENTIALS)
    return folder


def built(overlay: Path) -> str:
    """What `kubectl kustomize` prints, without the CRD, which has tests of its own."""
    command = [binaries()["kubectl"], "kustomize", str(overlay)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return "---\n".join(part for part in text.split("---\n") if "kind: CustomResourceDefinition" not in part)


def objects(text: str) -> list[dict[str, Any]]:
    return [dict(found) for found in YAML(typ="safe").load_all(text) if found]


@pytest.fixture(scope="module")
def bare() -> Iterator[Cluster]:
    """A cluster before KEDA, of this module's own: an installation is more than a namespace."""
    found = own_cluster(keda=False)
    try:
        yield found
    finally:
        found.close()


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_builds_what_its_golden_file_shows(name: str, tmp_path: Path) -> None:
    assert built(tree(tmp_path) / "kustomize/overlays" / name) == (GOLDEN / f"{name}.yaml").read_text()


def test_the_local_overlay_says_which_file_to_make_first(tmp_path: Path) -> None:
    folder = tree(tmp_path) / "kustomize/overlays/local"
    (folder / "rabbitmq.env").unlink()
    done = subprocess.run(
        [binaries()["kubectl"], "kustomize", str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "rabbitmq.env" in done.stderr
    assert "rabbitmq.env" in (folder / "kustomization.yaml").read_text().split("kind:")[0], "the comment at its top"


def test_a_changed_configuration_changes_the_deployment(tmp_path: Path) -> None:
    folder = tree(tmp_path) / "kustomize/overlays/local"

    def mounted() -> str:
        (deployment,) = [found for found in objects(built(folder)) if found["kind"] == "Deployment"]
        volumes = {volume["name"]: volume for volume in deployment["spec"]["template"]["spec"]["volumes"]}
        return str(volumes["config"]["configMap"]["name"])

    before = mounted()
    (folder / "config.yaml").write_text("cleanupTimeout: 5m\n")
    assert mounted() != before


def test_namespaced_mode_binds_no_cluster_role_to_the_whole_cluster(tmp_path: Path) -> None:
    found = objects(built(tree(tmp_path) / "kustomize/overlays/namespaced"))
    assert [item["metadata"]["name"] for item in found if item["kind"] == "ClusterRoleBinding"] == []
    bindings = {(i["metadata"]["namespace"], i["roleRef"]["kind"]) for i in found if i["kind"] == "RoleBinding"}
    assert bindings == {("team-a", "ClusterRole"), ("asya-system", "Role")}


def test_applying_twice_changes_nothing_and_needs_neither_keda_nor_a_broker(bare: Cluster, tmp_path: Path) -> None:
    folder = str(tree(tmp_path) / "kustomize/overlays/local")

    def applied() -> list[dict[str, Any]]:
        bare.kubectl("apply", "-k", folder)
        found = json.loads(bare.kubectl("get", "-k", folder, "-o", "json").stdout)["items"]
        for item in found:  # what the cluster itself keeps writing
            item.pop("status", None)
            item["metadata"].pop("resourceVersion")
            item["metadata"].get("annotations", {}).pop("deployment.kubernetes.io/revision", None)
        return list(found)

    first = applied()
    assert len(first) > 10
    assert applied() == first


def test_the_controllers_pod_passes_the_restricted_profile(bare: Cluster, tmp_path: Path) -> None:
    folder = tree(tmp_path) / "kustomize/overlays/local"
    (deployment,) = [found for found in objects(built(folder)) if found["kind"] == "Deployment"]
    template = deployment["spec"]["template"]
    with bare.namespace(**{"pod-security.kubernetes.io/enforce": "restricted"}) as namespace:
        pod = {"metadata": {"name": "p"}, "spec": template["spec"] | {"serviceAccountName": "default"}}
        bare.kubectl("create", "serviceaccount", "default", "-n", namespace, check=False)
        bare.api.create("pods", namespace, pod, dryRun="All")
        open_pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        with pytest.raises(Refused, match="violates PodSecurity"):
            bare.api.create("pods", namespace, open_pod, dryRun="All")


def test_who_may_not_create_pods_may_not_create_actors_where_the_policy_is_installed(
    bare: Cluster, tmp_path: Path
) -> None:
    policy = tree(tmp_path) / "kustomize/components/admission-policy/policy.yaml"
    bare.kubectl("apply", "-f", str(policy))
    role = {
        "rules": [{"apiGroups": ["asya.sh"], "resources": ["asyncactors"], "verbs": ["create", "get"]}],
    }
    with bare.namespace() as namespace:
        for kind, body in (
            ("Role", role),
            (
                "RoleBinding",
                {
                    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "half"},
                    "subjects": [{"kind": "User", "name": "sam", "apiGroup": "rbac.authorization.k8s.io"}],
                },
            ),
        ):
            document = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": "half"}} | body
            apply_document(bare, namespace, document)
        document = actor((("metadata", "namespace"), namespace))
        refused = until_refused(bare, namespace, document)
        assert "user sam may not create pods in namespace" in refused
        apply_document(bare, namespace, document)  # an administrator may


def apply_document(cluster: Cluster, namespace: str, document: dict[str, Any], *more: str, check: bool = True) -> str:
    """Through kubectl; gives what it said."""
    text = StringIO()
    YAML(typ="safe").dump(document, text)
    done = cluster.kubectl("create", "-n", namespace, "-f", "-", *more, text=text.getvalue(), check=check)
    return done.stdout + done.stderr


def until_refused(cluster: Cluster, namespace: str, document: dict[str, Any]) -> str:
    """A new policy is in force a moment after it was applied."""

    def said() -> str:
        text = apply_document(cluster, namespace, document, "--as=sam", "--dry-run=server", check=False)
        return text if "may not create pods" in text else ""

    return str(until(said, 30, 0.2, what="the policy refuses"))


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        for overlay in OVERLAYS:
            (GOLDEN / f"{overlay}.yaml").write_text(built(tree(Path(name) / overlay) / "kustomize/overlays" / overlay))
