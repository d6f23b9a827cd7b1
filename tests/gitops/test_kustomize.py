"""What an installation consists of; test_applying.py has a real API server take it.

golden/ holds what each overlay and the end actors build, without the CRD, for a reader to see what changed. To write it anew:
python -m tests.gitops.test_kustomize
"""

import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.support.kube.binaries import binaries
from tests.support.manifests import OVERLAYS, built, objects, tree

GOLDEN = Path(__file__).parent / "golden"


APPLIED = (*(f"overlays/{name}" for name in OVERLAYS), "end-actors")
"""What the pages say to apply."""


def golden(name: str) -> Path:
    return GOLDEN / f"{Path(name).name}.yaml"


@pytest.mark.parametrize("name", APPLIED)
def test_what_people_apply_is_what_its_golden_file_shows(name: str, tmp_path: Path) -> None:
    assert built(tree(tmp_path) / "kustomize" / name) == golden(name).read_text()


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


def test_everything_that_selects_the_controller_finds_it_and_the_ports_that_it_names(tmp_path: Path) -> None:
    found = {item["kind"]: item for item in objects(built(tree(tmp_path) / "kustomize/overlays/production"))}
    template = found["Deployment"]["spec"]["template"]
    labels = template["metadata"]["labels"].items()
    ports = {port["name"] for container in template["spec"]["containers"] for port in container["ports"]}
    service = found["Service"]
    assert service["spec"]["selector"].items() <= labels
    assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    policy = found["NetworkPolicy"]["spec"]
    for selector in (policy["podSelector"], found["PodDisruptionBudget"]["spec"]["selector"]):
        assert selector["matchLabels"].items() <= labels
    assert {port["port"] for rule in policy["ingress"] for port in rule["ports"]} <= ports
    monitor = found["ServiceMonitor"]["spec"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert {end["port"] for end in monitor["endpoints"]} <= {port["name"] for port in service["spec"]["ports"]}


def test_the_way_that_keda_needs_leads_to_the_broker_and_messages_keep_theirs(tmp_path: Path) -> None:
    overlay = tree(tmp_path) / "kustomize/overlays/local"
    text = (overlay / "kustomization.yaml").read_text()
    (overlay / "kustomization.yaml").write_text(text.replace("components:\n", "components:\n- ../../components/keda\n"))
    found = {item["kind"]: item for item in objects(built(overlay))}
    policy, template = found["NetworkPolicy"]["spec"], found["StatefulSet"]["spec"]["template"]
    assert policy["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    opened = {port["port"]: rule.get("from") for rule in policy["ingress"] for port in rule["ports"]}
    assert opened.keys() == {port["name"] for port in template["spec"]["containers"][0]["ports"]}
    assert opened["amqp"] is None, "from everywhere"
    controller = {"podSelector": found["Deployment"]["spec"]["selector"]}
    assert opened["management"] == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "keda"}}},
        controller,
    ]


def test_namespaced_mode_binds_no_cluster_role_to_the_whole_cluster(tmp_path: Path) -> None:
    found = objects(built(tree(tmp_path) / "kustomize/overlays/namespaced"))
    assert [item["metadata"]["name"] for item in found if item["kind"] == "ClusterRoleBinding"] == []
    bindings = {(i["metadata"]["namespace"], i["roleRef"]["kind"]) for i in found if i["kind"] == "RoleBinding"}
    assert bindings == {("team-a", "ClusterRole"), ("asya-system", "Role")}


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        copy = tree(Path(folder))
        for applied in APPLIED:
            golden(applied).write_text(built(copy / "kustomize" / applied))
