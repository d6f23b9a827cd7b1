"""`kubectl apply -k` on a real API server: every overlay, twice, in any order, before KEDA and a broker, over what an older version left.

A cluster of this module's own, because an installation is more than a namespace. No KEDA is in it; the kinds of the Prometheus operator
are, as empty shells, because the production overlay asks for them.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.actors import RUNTIME, actor
from tests.support.console import ROOT
from tests.support.controller_process import ControllerProcess, rabbitmq
from tests.support.kube.api import Refused
from tests.support.kube.cluster import CONTROLLER, SYSTEM, Cluster, own_cluster
from tests.support.manifests import OVERLAYS, as_yaml, objects, older_crd, tree, whole
from tests.support.rabbitmq import shared_node
from tests.support.wait import until

JSON = dict[str, Any]
PROMETHEUS_KINDS = {
    "servicemonitors": "ServiceMonitor",
    "podmonitors": "PodMonitor",
    "prometheusrules": "PrometheusRule",
}


def shell(plural: str, kind: str) -> JSON:
    """A CRD that takes anything."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.monitoring.coreos.com"},
        "spec": {
            "group": "monitoring.coreos.com",
            "names": {"plural": plural, "kind": kind},
            "scope": "Namespaced",
            "versions": [version],
        },
    }


@pytest.fixture(scope="module")
def bare() -> Iterator[Cluster]:
    """A cluster before KEDA, with nothing of ours in it."""
    found = own_cluster(keda=False)
    try:
        shells = [shell(*names) for names in PROMETHEUS_KINDS.items()]
        found.kubectl("apply", "-f", "-", text=as_yaml(*shells))
        found.kubectl("create", "namespace", "team-a")
        until(lambda: found.kubectl("get", ",".join(PROMETHEUS_KINDS), check=False).returncode == 0, what="their kinds")
        yield found
    finally:
        found.close()


def steady(cluster: Cluster, folder: Path) -> list[JSON]:
    """The objects of an overlay as they are, without what the cluster itself keeps writing."""
    found = json.loads(cluster.kubectl("get", "-k", str(folder), "-o", "json").stdout)["items"]
    for item in found:
        item.pop("status", None)
        item["metadata"].pop("resourceVersion")
        item["metadata"].pop("managedFields", None)
        item["metadata"].get("annotations", {}).pop("deployment.kubernetes.io/revision", None)
    return list(found)


@pytest.mark.parametrize("names", [OVERLAYS, OVERLAYS[::-1]], ids=" ".join)
def test_every_overlay_applies_twice_in_any_order_and_changes_nothing(
    bare: Cluster, tmp_path: Path, names: tuple[str, ...]
) -> None:
    overlays = tree(tmp_path) / "kustomize/overlays"
    for name in names:
        bare.kubectl("apply", "-k", str(overlays / name))
        first = steady(bare, overlays / name)
        assert len(first) > 10
        # kubectl says "configured" of a list that the server has defaulted; what counts is what the server has then.
        bare.kubectl("apply", "-k", str(overlays / name))
        assert steady(bare, overlays / name) == first


ALONE = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../../base]
components: [../../components/{name}]
"""


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "kustomize" / "components").iterdir()))
def test_every_component_can_be_added_to_the_base_alone(bare: Cluster, tmp_path: Path, name: str) -> None:
    overlays = tree(tmp_path) / "kustomize/overlays"
    (overlays / "alone").mkdir()
    (overlays / "alone" / "kustomization.yaml").write_text(ALONE.format(name=name))
    bare.kubectl("apply", "-k", str(overlays / "alone"), "--dry-run=server")
    assert whole(overlays / "alone") != whole(overlays.parent / "base")


def test_objects_that_come_in_the_wrong_order_are_there_after_a_second_try(bare: Cluster, tmp_path: Path) -> None:
    folder = tree(tmp_path) / "kustomize/overlays/local"
    bare.kubectl("delete", "-k", str(folder), "--ignore-not-found", "--wait")
    try:
        backwards = as_yaml(*reversed(objects(whole(folder))))
        first = bare.kubectl("apply", "-f", "-", text=backwards, check=False)
        assert 'namespaces "asya-system" not found' in first.stderr
        bare.kubectl("apply", "-f", "-", text=backwards)
        assert len(steady(bare, folder)) == len(objects(whole(folder)))
    finally:
        bare.renew()


def test_an_older_crd_is_replaced_and_its_actors_stay(bare: Cluster, tmp_path: Path) -> None:
    folder = tree(tmp_path) / "kustomize/overlays/local"
    bare.kubectl("apply", "-k", str(folder))
    bare.kubectl("replace", "-f", "-", text=as_yaml(older_crd()))
    retrying = (("spec", "resiliency"), {"policies": {"default": {"maxAttempts": 3}}})
    with bare.namespace() as namespace:
        place = (("metadata", "namespace"), namespace)
        until(lambda: not keeps(bare, namespace, retrying), what="the older CRD is in force")
        before = bare.api.create("asyncactors", namespace, actor(place))

        bare.kubectl("apply", "-k", str(folder))

        until(lambda: keeps(bare, namespace, retrying), what="the new CRD is in force")
        assert bare.api.get("asyncactors", namespace, "hello")["metadata"]["uid"] == before["metadata"]["uid"]
        with pytest.raises(Refused, match="ASYA_HANDLER"):  # a rule again
            bare.api.create(
                "asyncactors", namespace, actor(place, (("metadata", "name"), "b"), ((*RUNTIME, "env"), []))
            )


def keeps(cluster: Cluster, namespace: str, field: tuple[Any, Any]) -> bool:
    """Whether the API server keeps this field, and does not drop it as unknown."""
    document = actor((("metadata", "name"), "probe"), (("metadata", "namespace"), namespace), field)
    return "resiliency" in cluster.api.create("asyncactors", namespace, document, dryRun="All")["spec"]


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"], ids=["controller", "rabbitmq"])
def test_every_pod_of_the_installation_passes_the_restricted_profile(bare: Cluster, tmp_path: Path, kind: str) -> None:
    folder = tree(tmp_path) / "kustomize/overlays/local"
    (found,) = [item for item in objects(whole(folder)) if item["kind"] == kind]
    template = found["spec"]["template"]
    for claim in found["spec"].get("volumeClaimTemplates", ()):  # as its controller adds them
        name = claim["metadata"]["name"]
        template["spec"]["volumes"].append({"name": name, "persistentVolumeClaim": {"claimName": name}})
    with bare.namespace(**{"pod-security.kubernetes.io/enforce": "restricted"}) as namespace:
        pod = {"metadata": {"name": "p"}, "spec": template["spec"] | {"serviceAccountName": "default"}}
        bare.kubectl("create", "serviceaccount", "default", "-n", namespace, check=False)
        bare.api.create("pods", namespace, pod, dryRun="All")
        open_pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        with pytest.raises(Refused, match="violates PodSecurity"):
            bare.api.create("pods", namespace, open_pod, dryRun="All")


def grant(cluster: Cluster, namespace: str, user: str, *rules: JSON) -> None:
    """A role of the namespace for one user."""
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": user, "namespace": namespace}}
    role = rbac | {"kind": "Role", "rules": list(rules)}
    binding = rbac | {
        "kind": "RoleBinding",
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": user},
        "subjects": [{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}],
    }
    cluster.kubectl("apply", "-f", "-", text=as_yaml(role, binding))


def test_who_may_not_create_pods_may_neither_create_nor_change_actors_where_the_policy_is_installed(
    bare: Cluster, tmp_path: Path
) -> None:
    component = tree(tmp_path) / "kustomize/components/admission-policy"
    bare.kubectl("apply", "-f", str(component / "policy.yaml"))
    actors = {"apiGroups": ["asya.sh"], "resources": ["asyncactors"], "verbs": ["create", "get", "patch"]}
    pods = {"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]}
    refusal = "user sam may not create pods in namespace"
    with bare.namespace() as namespace:
        grant(bare, namespace, "sam", actors)
        grant(bare, namespace, "dana", actors, pods)
        text = as_yaml(actor((("metadata", "namespace"), namespace)))
        create = ("create", "-f", "-")

        def said() -> str:
            """A new policy is in force a moment after it was applied."""
            return bare.kubectl(*create, "--as=sam", "--dry-run=server", text=text, check=False).stderr

        until(lambda: refusal in said(), 30, 0.2, what="the policy refuses")
        bare.kubectl(*create, "--as=dana", text=text)

        def patched(user: str, patch: JSON) -> str:
            flags = ("-n", namespace, "--type=merge", f"--patch={json.dumps(patch)}", f"--as={user}")
            return bare.kubectl("patch", "asya", "hello", *flags, check=False).stderr

        assert refusal in patched("sam", {"spec": {"workload": {"replicas": 2}}})
        assert patched("sam", {"metadata": {"labels": {"team": "nlp"}}}) == "", "labels start no pods"
        assert patched("dana", {"spec": {"workload": {"replicas": 2}}}) == ""
        # The controller writes finalizers and status and may create no pods.
        bare.as_controller.patch("asyncactors", namespace, "hello", {"metadata": {"finalizers": ["asya.sh/finalizer"]}})
        bare.as_controller.patch("asyncactors", namespace, "hello", {"metadata": {"finalizers": None}})
    bare.kubectl("delete", "-f", str(component / "policy.yaml"))


def test_who_may_edit_a_namespace_may_edit_actors_and_who_may_only_look_sees_none(
    bare: Cluster, tmp_path: Path
) -> None:
    bare.kubectl("apply", "-f", str(tree(tmp_path) / "kustomize/base/rbac.yaml"))
    with bare.namespace() as namespace:

        def verbs(user: str) -> list[str]:
            how = ("asyncactors", "-n", namespace, f"--as={user}")
            asked = ("get", "create", "patch", "delete")
            return [verb for verb in asked if bare.kubectl("auth", "can-i", verb, *how, check=False).returncode == 0]

        for role in ("admin", "edit", "view"):
            bare.kubectl("create", "rolebinding", role, f"--clusterrole={role}", f"--user={role}", "-n", namespace)
        until(lambda: verbs("edit") and verbs("admin"), 30, 0.2, what="the roles are aggregated")
        found = {role: verbs(role) for role in ("admin", "edit", "view")}
        assert found == {"admin": found["edit"], "edit": ["get", "create", "patch", "delete"], "view": []}


def test_namespaced_mode_works_with_what_its_overlay_permits_and_nothing_more(bare: Cluster, tmp_path: Path) -> None:
    found = objects(whole(tree(tmp_path) / "kustomize/overlays/namespaced"))
    rights = [item for item in found if item["apiVersion"].startswith("rbac.authorization.k8s.io")]
    bare.kubectl("delete", "clusterrolebinding", "asya-controller", "--ignore-not-found")
    bare.kubectl("apply", "-f", "-", text=as_yaml(*rights))
    until(lambda: may(bare, "team-a"), what="the RoleBinding is in force")
    until(lambda: not may(bare, "default"), what="the ClusterRoleBinding is forgotten")
    broker = shared_node()
    with broker.vhost() as vhost:
        config = {"transports": {"rabbitmq": rabbitmq(broker, vhost)}, "sidecar": {"image": "asya-sidecar:test"}}
        leading = {"ASYA_LEADER_ELECT": "true"}
        controller = ControllerProcess(bare, ("team-a",), config, leading)
        try:
            controller.start()
            bare.api.create("asyncactors", "team-a", actor((("metadata", "namespace"), "team-a")))
            until(lambda: bare.api.find("deployments", "team-a", "hello"), what="the actor's Deployment")
            until(lambda: status(bare) == "ScalingUp", what="a status")
            bare.api.delete("asyncactors", "team-a", "hello")
            until(lambda: bare.api.find("asyncactors", "team-a", "hello") is None, 60, what="the actor is gone")
            assert controller.metric("rest_client_requests_total", code="403") == 0, controller.log()[-3000:]
        finally:
            controller.close()


def may(cluster: Cluster, namespace: str) -> bool:
    """Whether the controller may list actors there."""
    account = f"--as=system:serviceaccount:{SYSTEM}:{CONTROLLER}"
    answer = cluster.kubectl("auth", "can-i", "list", "asyncactors", "-n", namespace, account, check=False)
    return answer.stdout.strip() == "yes"


def status(cluster: Cluster) -> str:
    """What the actor's status says."""
    return str(cluster.api.get("asyncactors", "team-a", "hello").get("status", {}).get("status"))


def test_the_documented_order_of_removal_leaves_nothing_behind_and_nothing_hanging(
    bare: Cluster, tmp_path: Path
) -> None:
    """docs/installation.md, Uninstall: actors first, while the controller still works; then all that was applied."""
    folder = tree(tmp_path) / "kustomize/overlays/local"
    bare.kubectl("apply", "-k", str(folder))
    broker = shared_node()
    with broker.vhost() as vhost, bare.namespace() as namespace:
        config = {"transports": {"rabbitmq": rabbitmq(broker, vhost)}, "sidecar": {"image": "asya-sidecar:test"}}
        controller = ControllerProcess(bare, (namespace,), config)
        try:
            controller.start()
            for name in ("a", "b"):
                document = actor((("metadata", "namespace"), namespace), (("metadata", "name"), name))
                bare.api.create("asyncactors", namespace, document)
            for name in ("a", "b"):
                until(lambda name=name: bare.api.find("deployments", namespace, name), what=f"Deployment {name}")
            bare.kubectl("delete", "asya", "--all", "-n", namespace, "--wait", "--timeout=60s")
        finally:
            controller.close()
        queues = {item["name"] for item in broker.ask("GET", f"queues/{vhost}")}
        assert not [name for name in queues if name.endswith(("-a", "-b"))], queues
    try:
        bare.kubectl("delete", "-k", str(folder), "--wait")
        left = bare.kubectl("get", "crd", "asyncactors.asya.sh", check=False)
        assert "NotFound" in left.stderr
    finally:
        bare.renew()
