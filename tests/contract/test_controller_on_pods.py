"""What pods, templates and policies do to an actor, on a real API server (contract: controller, Situations).

No kubelet runs: pods' own words are written as a kubelet writes them. What the API server and the controller-manager refuse is real.
Long because its situations share one started controller.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.actors import POD, RUNTIME
from tests.support.controller_bed import Bed, bed, condition, container_status, ready, stamp, states
from tests.support.kube import faults
from tests.support.kube.api import JSON_PATCH
from tests.support.kube.cluster import Cluster
from tests.support.rabbitmq import shared_node
from tests.support.wait import until

JSON = dict[str, Any]
LOOPING = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}}


@pytest.fixture(scope="module")
def home(cluster: Cluster) -> Iterator[Bed]:
    """One controller for the tests of this module."""
    with bed(cluster, shared_node()) as found:
        yield found


def ended(code: int, text: str = "", reason: str = "Error") -> JSON:
    return {"terminated": {"exitCode": code, "reason": reason, "message": text, "finishedAt": "2026-01-01T00:00:00Z"}}


def unschedulable(text: str, reason: str = "Unschedulable") -> JSON:
    return {"conditions": [{"type": "PodScheduled", "status": "False", "reason": reason, "message": text}]}


def test_row_16_a_missing_image_is_named_while_the_old_pods_work_on(home: Bed) -> None:
    home.create("rolling", workload={"replicas": 1})
    home.make_ready("rolling", 1)
    home.reaches("rolling", "Running")
    home.image("rolling", "registry.example.com/missing:1")
    new = until(lambda: [pod for pod in home.pods("rolling") if pod["status"]["phase"] == "Pending"], 20, 0.1)
    status = home.reaches("rolling", "Running", "RolloutInProgress")
    assert states(status) == ("False", "True", "")
    home.make_failing(
        new[0], "asya-runtime", {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}
    )
    status = home.reaches("rolling", "ImagePullError", "ImagePullFailed")
    assert new[0]["metadata"]["name"] in status["message"]
    assert states(status) == ("False", "True", "")
    assert status["readyReplicas"] == 1, "the old pod works on"
    home.began("rolling", "WorkloadReady", 10 * 60)
    until(lambda: states(home.status("rolling")) == ("False", "", "True"), what="after ten minutes it is stalled")
    assert condition(home.status("rolling"), "Stalled") == ("True", "ImagePullFailed")
    home.image("rolling", "registry.example.com/hello:1.0.0")
    status = home.reaches("rolling", "Running", "WorkloadAvailable")
    until(lambda: states(home.status("rolling")) == ("True", "", ""), 20, 0.1, what="it is Ready again")
    home.told("rolling", "ImagePullError", "Recovered")


@pytest.mark.parametrize(
    ("name", "said", "value", "reason"),
    [
        (
            "hungry",
            "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
            "PendingResources",
            "InsufficientResources",
        ),
        (
            "tainted",
            "0/3 nodes are available: 3 node(s) had untolerated taint {a: b}.",
            "WorkloadError",
            "Unschedulable",
        ),
        ("unbound", "pod has unbound immediate PersistentVolumeClaims", "VolumeError", "VolumeNotBound"),
    ],
)
def test_row_17_the_schedulers_words_have_a_class(home: Bed, name: str, said: str, value: str, reason: str) -> None:
    home.create(name)
    home.set_status(home.has_pods(name, 1)[0], unschedulable(said))
    status = home.reaches(name, value, reason)
    assert said in status["message"]
    assert condition(status, "Ready")[0] == "False"


def test_row_18_a_mount_that_fails_is_known_by_its_event_and_stays_known(home: Bed) -> None:
    home.create("mounting")
    told = not_mounted(home, home.has_pods("mounting", 1)[0], 'MountVolume.SetUp failed for volume "data"')
    home.reaches("mounting", "VolumeError", "VolumeMountFailed", within_s=70)
    home.api.ask("DELETE", f"/api/v1/namespaces/{home.namespace}/events/{told}")
    home.looked_at("mounting")
    home.reaches("mounting", "VolumeError", "VolumeMountFailed")
    home.forgotten.add("mounting")  # the Event was the only place where it stood


def not_mounted(home: Bed, pod: JSON, words: str) -> str:
    """What a kubelet says that cannot mount a volume; the name of the Event."""
    meta = pod["metadata"]
    scheduled = {"type": "PodScheduled", "status": "True"}
    home.set_status(pod, {"conditions": [scheduled, {"type": "PodReadyToStartContainers", "status": "False"}]})
    about = {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "namespace": home.namespace, "uid": meta["uid"]}
    event = {
        "metadata": {"name": f"{meta['name']}.1", "namespace": home.namespace}, "involvedObject": about,
        "type": "Warning", "reason": "FailedMount", "message": words, "source": {"component": "kubelet"},
    }  # fmt: skip
    home.api.ask("POST", f"/api/v1/namespaces/{home.namespace}/events", event)
    return str(event["metadata"]["name"])


def test_row_19_a_missing_secret_is_a_mistake_of_configuration_and_heals(home: Bed) -> None:
    home.create("lacking")
    pod = home.has_pods("lacking", 1)[0]
    waiting = {"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "llm" not found'}}
    home.make_failing(pod, "asya-runtime", waiting)
    status = home.reaches("lacking", "ConfigError", "ConfigNotFound")
    assert 'secret "llm" not found' in status["message"]
    home.make_ready("lacking", 1)
    home.reaches("lacking", "Running")


def test_row_19_a_missing_config_map_as_a_volume_is_one_too(home: Bed) -> None:
    home.create("unmounted", ((*POD, "volumes"), [{"name": "settings", "configMap": {"name": "settings"}}]))
    pod = home.has_pods("unmounted", 1)[0]
    not_mounted(home, pod, 'MountVolume.SetUp failed for volume "settings" : configmap "settings" not found')
    status = home.reaches("unmounted", "ConfigError", "ConfigNotFound", within_s=70)
    assert 'configmap "settings" not found' in status["message"]
    home.make_ready("unmounted", 1)
    home.reaches("unmounted", "Running")


def test_row_20_a_handler_that_cannot_be_imported_is_quoted(home: Bed) -> None:
    home.create("importing")
    home.make_failing(
        home.has_pods("importing", 1)[0], "asya-runtime", LOOPING, 4, ended(3, "ImportError: no module named hello")
    )
    status = home.reaches("importing", "RuntimeError", "RuntimeCrashLoop")
    assert "no module named hello" in status["message"]


def test_row_20_between_its_restarts_a_crash_loop_does_not_flicker(home: Bed) -> None:
    home.create("flickering")
    (pod,) = home.has_pods("flickering", 1)
    last = {"terminated": {"exitCode": 3, "reason": "Error", "message": "no module hello", "finishedAt": stamp(5)}}
    home.make_failing(pod, "asya-runtime", LOOPING, 3, last)
    home.reaches("flickering", "RuntimeError", "RuntimeCrashLoop")
    with home.versions("asyncactors", "flickering") as seen:
        runs = {"running": {"startedAt": stamp(2)}}
        home.make_failing(pod, "asya-runtime", runs, 4, last)
        home.looked_at("flickering")
        status = ready(pod)
        status["containerStatuses"][0] = container_status("asya-runtime", runs, True, 4, last)
        home.set_status(pod, status)
        home.looked_at("flickering")
        home.make_failing(pod, "asya-runtime", LOOPING, 4, last)
        home.looked_at("flickering")
    assert {version["status"]["status"] for version in seen} == {"RuntimeError"}
    assert home.times_told("flickering", "RuntimeError") == 1


@pytest.mark.parametrize(
    ("name", "last", "reason"),
    [
        ("empty", ended(2, "ASYA_HANDLER is empty"), "RuntimeMisconfigured"),
        ("nowhere", ended(128, "no such file", "StartError"), "InterpreterNotFound"),
    ],
)
def test_row_21_a_runtime_that_cannot_start_is_a_mistake_of_configuration(
    home: Bed, name: str, last: JSON, reason: str
) -> None:
    home.create(name)
    home.make_failing(home.has_pods(name, 1)[0], "asya-runtime", LOOPING, 4, last)
    home.reaches(name, "ConfigError", reason)


def test_row_22_the_sidecar_and_helpers_have_classes_of_their_own(home: Bed) -> None:
    home.create("side")
    home.make_failing(
        home.has_pods("side", 1)[0], "asya-sidecar", LOOPING, 4, ended(4, "ACCESS_REFUSED: login was refused")
    )
    status = home.reaches("side", "SidecarError", "SidecarCrashLoop")
    assert "login was refused" in status["message"]
    home.create("helped", ((*POD, "containers", 1), {"name": "cache", "image": "redis:7"}))
    home.make_failing(home.has_pods("helped", 1)[0], "cache", LOOPING, 4, ended(1))
    status = home.reaches("helped", "WorkloadError", "PodsFailing")
    assert "container cache" in status["message"]
    home.create("prepared", ((*POD, "initContainers"), [{"name": "fetch", "image": "busybox:1"}]))
    looping = [container_status("fetch", LOOPING, False, 4, ended(1))]
    home.set_status(home.has_pods("prepared", 1)[0], {"phase": "Pending", "initContainerStatuses": looping})
    status = home.reaches("prepared", "WorkloadError", "PodsFailing")
    assert "container fetch" in status["message"]


def test_row_24_pods_that_the_namespace_does_not_admit(cluster: Cluster) -> None:
    with bed(cluster, shared_node()) as home:
        label = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
        cluster.api.patch("namespaces", "", home.namespace, label)
        home.create("rejected")
        status = home.reaches("rejected", "ConfigError", "PodRejected")
        assert "violates PodSecurity" in status["message"]
        assert home.pods("rejected") == []
        cluster.api.patch(
            "namespaces", "", home.namespace, {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": None}}}
        )
        quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
        cluster.api.create("resourcequotas", home.namespace, quota)
        until(
            lambda: (home.child("resourcequotas", "none") or {}).get("status", {}).get("hard"),
            20,
            what="the quota counts",
        )
        home.create("too-many")
        status = home.reaches("too-many", "PendingResources", "QuotaExceeded")
        assert "exceeded quota" in status["message"]


def test_pods_of_an_account_that_does_not_exist_are_told_and_come_when_it_does(home: Bed) -> None:
    home.create("accountless", ((*POD, "serviceAccountName"), "missing"))
    status = home.reaches("accountless", "ConfigError", "ServiceAccountNotFound")
    assert 'serviceaccount "missing" not found' in status["message"]
    assert home.pods("accountless") == []
    home.api.create("serviceaccounts", home.namespace, {"metadata": {"name": "missing"}})
    home.make_ready("accountless", 1)
    home.reaches("accountless", "Running")


def test_an_immutable_field_is_told_and_nothing_is_made_anew(home: Bed) -> None:
    """A Deployment of ours, as another version might have made it, with another selector."""
    made = home.create("settled", (("metadata", "annotations"), {"asya.sh/suspend": "true"}))["metadata"]
    until(lambda: home.status("settled").get("suspended"), what="it is suspended")
    labels = {"asya.sh/actor": "settled", "asya.sh/workload": "deployment", "version": "old"}
    owner = {"apiVersion": "asya.sh/v1alpha1", "kind": "AsyncActor", "name": "settled", "uid": made["uid"]}
    meta = {"name": "settled", "labels": labels, "ownerReferences": [owner | {"controller": True}]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "old"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    before = home.api.create("deployments", home.namespace, {"metadata": meta, "spec": spec})["metadata"]["uid"]
    home.annotate("settled", suspend=None)
    status = home.reaches("settled", "WorkloadError", "ImmutableField")
    assert "field is immutable" in status["message"]
    assert states(status) == ("False", "", "True")
    assert home.deployment("settled")["metadata"]["uid"] == before


def test_what_the_controller_may_not_do_is_told(home: Bed) -> None:
    words = 'deployments.apps "forbidden" is forbidden: User "asya-controller" cannot patch resource "deployments"'
    home.proxy.inject(
        faults.answer(403, words), times=None, resource="deployments", where=lambda r: r.name == "forbidden"
    )
    home.create("forbidden")
    status = home.reaches("forbidden", "WorkloadError", "RBACDenied")
    assert 'cannot patch resource "deployments"' in status["message"]
    assert states(status) == ("False", "True", "")
    home.proxy.heal()
    home.annotate("forbidden", reconcile_at="1")
    home.reaches("forbidden", "ScalingUp")


def test_row_34_a_template_that_the_operator_denies_is_not_applied(home: Bed) -> None:
    home.create("hosted", ((*POD, "volumes"), [{"name": "h", "hostPath": {"path": "/"}}]))
    status = home.reaches("hosted", "ConfigError", "PolicyViolation")
    path = "workload.template.spec.volumes[0].hostPath"
    assert status["message"] == f"pod template uses {path}, which is denied by policy rule hostPath"
    assert condition(status, "TransportReady") == ("Unknown", "NotChecked")
    assert states(status) == ("False", "", "True")
    assert home.child("deployments", "hosted") is None
    home.change("hosted", {"spec": {"workload": {"template": {"spec": {"volumes": None}}}}})
    home.reaches("hosted", "ScalingUp")


def test_a_template_that_the_server_refuses_is_quoted_and_not_tried_again(home: Bed) -> None:
    home.create("broken", ((*RUNTIME, "resources"), {"limits": {"memory": "lots"}}))
    status = home.reaches("broken", "ConfigError", "InvalidTemplate")
    assert states(status) == ("False", "", "True")
    tried = home.controller.metric("asya_apply_total", kind="Deployment", result="error")
    passes = home.controller.metric("controller_runtime_reconcile_total")
    home.annotate("broken", deletion_policy="Delete")
    until(lambda: home.controller.metric("controller_runtime_reconcile_total") > passes, 20, 0.1, what="a pass")
    assert home.controller.metric("asya_apply_total", kind="Deployment", result="error") == tried
    path = "/spec/workload/template/spec/containers/0/resources"
    home.api.patch("asyncactors", home.namespace, "broken", [{"op": "remove", "path": path}], kind=JSON_PATCH)
    home.reaches("broken", "ScalingUp")


def test_row_43_the_kind_changes_without_a_gap(home: Bed) -> None:
    home.create("moving", workload={"replicas": 2})
    home.make_ready("moving", 2)
    home.reaches("moving", "Running")
    home.fill(home.queue("moving"), 3)
    home.change("moving", {"spec": {"workload": {"kind": "StatefulSet"}}})
    until(lambda: home.child("statefulsets", "moving"), 20, 0.1, what="the new workload")
    home.reaches("moving", "ScalingUp")
    old = home.deployment("moving")
    assert not old["metadata"].get("deletionTimestamp")

    def new_pods() -> list[JSON]:
        found = [pod for pod in home.pods("moving") if pod["metadata"]["labels"]["asya.sh/workload"] == "statefulset"]
        return found if len(found) == 2 else []

    for pod in until(new_pods, 20, 0.1, what="the pods of the new workload"):
        home.set_status(pod, ready(pod))
    until(lambda: home.child("deployments", "moving") is None, 30, 0.1, what="the old workload goes")
    status = home.reaches("moving", "Running")
    assert status["workloadRef"]["kind"] == "StatefulSet"
    home.holds(home.queue("moving"), 3)
    assert home.times_told("moving", "QueueCreated") == 1


def scaled_actor(home: Bed, name: str, replicas: int) -> list[JSON]:
    """An actor whose autoscaler has asked for so many pods, all of them ready."""
    home.create(name, scaling={"enabled": True})
    home.keda_says(name)
    home.reaches(name, "Napping", "ScaledObjectReady")
    home.scale(name, replicas)
    home.make_ready(name, replicas)
    home.reaches(name, "Running")
    return home.has_pods(name, replicas)


def test_row_06_scaled_to_zero_with_a_pod_still_going_is_napping(home: Bed) -> None:
    (pod,) = scaled_actor(home, "emptied", 1)
    home.hold(pod)
    home.scale("emptied", 0)
    status = home.reaches("emptied", "Napping")
    until(lambda: home.status("emptied")["totalReplicas"] == 1, what="the pod is counted")
    assert states(status) == ("True", "", "")
    home.told("emptied", "ScaledToZero")
    home.release(pod)


def test_row_09_pods_that_drain_after_a_scale_down_are_seen(home: Bed) -> None:
    pods = scaled_actor(home, "shrinking", 5)
    for pod in pods:
        home.hold(pod)
    home.scale("shrinking", 3)
    status = home.reaches("shrinking", "ScalingDown")
    until(lambda: home.status("shrinking")["totalReplicas"] == 5, what="those that go are counted")
    assert states(status) == ("True", "", "")
    assert home.status("shrinking")["lastScaleDirection"] == "down"
    for pod in pods:
        home.release(pod)
    home.reaches("shrinking", "Running")


def test_row_10_a_pod_deleted_by_hand_is_no_scale_down(home: Bed) -> None:
    home.create("replaced", workload={"replicas": 2})
    home.make_ready("replaced", 2)
    home.reaches("replaced", "Running")
    pod = home.pods("replaced")[0]
    home.hold(pod)
    home.api.delete("pods", home.namespace, pod["metadata"]["name"])
    home.make_ready("replaced", 2)
    until(lambda: home.status("replaced")["totalReplicas"] == 3, 20, 0.1, what="both are counted")
    assert states(home.reaches("replaced", "Running")) == ("True", "", "")
    home.release(pod)


def test_row_11_a_shortage_has_a_beginning(home: Bed) -> None:
    home.create("short", workload={"replicas": 5})
    for pod in home.has_pods("short", 5)[:3]:
        home.set_status(pod, ready(pod))
    until(lambda: home.status("short").get("readyReplicas") == 3, 20, 0.1)
    status = home.reaches("short", "ScalingUp")
    assert status["shortSince"]
    assert condition(status, "WorkloadReady")[0] == "Unknown"


def test_row_23_old_restarts_are_forgiven(home: Bed) -> None:
    home.create("veteran")
    pod = home.has_pods("veteran", 1)[0]
    status = ready(pod)
    for container in status["containerStatuses"]:
        container |= {
            "restartCount": 6,
            "lastState": ended(1),
            "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
        }
    home.set_status(pod, status)
    assert home.reaches("veteran", "Running")["failingPods"] == 0


def test_row_23_a_pod_that_was_evicted_and_replaced_does_not_count(home: Bed) -> None:
    home.create("evicted")
    (old,) = home.has_pods("evicted", 1)
    home.set_status(old, {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."})
    (new,) = (pod for pod in home.has_pods("evicted", 2) if pod["metadata"]["uid"] != old["metadata"]["uid"])
    home.set_status(new, ready(new))
    status = home.reaches("evicted", "Running", "WorkloadAvailable")
    assert (status["failingPods"], status["totalReplicas"], len(home.pods("evicted"))) == (0, 1, 2)


def test_row_42_another_manager_that_keeps_changing_our_image_is_told(home: Bed) -> None:
    home.create("fought")
    home.make_ready("fought", 1)
    home.reaches("fought", "Running")

    def ours() -> bool:
        containers = home.deployment("fought")["spec"]["template"]["spec"]["containers"]
        return bool(containers[1]["image"] == "asya-sidecar:test")

    for number in range(4):
        path = "/spec/template/spec/containers/1/image"
        patch = [{"op": "replace", "path": path, "value": f"theirs:{number}"}]
        home.api.patch("deployments", home.namespace, "fought", patch, kind=JSON_PATCH)
        until(ours, 20, 0.1, what="it is taken back")
    status = home.reaches("fought", "WorkloadError", "Contested")
    assert "somebody else keeps changing fields of ours" in status["message"]
    home.told("fought", "Contested")
    home.forgotten.add("fought")  # how often something was taken back is counted in memory


def test_row_50_children_of_an_earlier_actor_of_that_name_are_awaited(home: Bed) -> None:
    labels = {"asya.sh/actor": "heir", "asya.sh/workload": "deployment"}
    owner = {
        "apiVersion": "asya.sh/v1alpha1",
        "kind": "AsyncActor",
        "name": "heir",
        "uid": "00000000-0000-0000-0000-000000000000",
    }
    meta = {
        "name": "heir",
        "labels": labels,
        "ownerReferences": [owner | {"controller": True}],
        "finalizers": ["test/hold"],
    }
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "old"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    home.api.create("deployments", home.namespace, {"metadata": meta, "spec": spec})
    home.create("heir")
    until(lambda: home.status("heir").get("status") == "Creating", 20, 0.1, what="it waits")
    home.api.patch("deployments", home.namespace, "heir", {"metadata": {"finalizers": None}})
    status = home.reaches("heir", "ScalingUp", within_s=60)
    assert status["workloadRef"]["name"] == "heir"
    assert home.deployment("heir")["metadata"]["ownerReferences"][0]["uid"] == home.actor("heir")["metadata"]["uid"]


def test_row_50_deleted_and_created_again_at_once_it_gets_children_of_its_own(home: Bed) -> None:
    """Without the clean-up that usually comes before: the garbage collector removes the old children while the new actor is there."""
    home.create("again")
    home.make_ready("again", 1)
    home.reaches("again", "Running")
    before = home.deployment("again")["metadata"]["uid"]
    (old,) = home.pods("again")
    errors = home.controller.metric("controller_runtime_reconcile_errors_total")
    home.annotate("again", force_delete="true")
    home.delete("again")
    home.gone("again")
    made = home.create("again")["metadata"]["uid"]
    home.reaches("again", "ScalingUp", "Progressing", within_s=60)
    found = home.deployment("again")["metadata"]
    assert (found["ownerReferences"][0]["uid"], found["uid"] != before) == (made, True)
    until(lambda: home.child("pods", old["metadata"]["name"]) is None, 60, 0.1, what="the old pod is gone")
    home.make_ready("again", 1)
    home.reaches("again", "Running")
    assert home.controller.metric("controller_runtime_reconcile_errors_total") == errors
