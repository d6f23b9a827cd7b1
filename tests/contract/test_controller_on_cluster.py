"""The controller on a real API server and a real RabbitMQ: from creation to deletion (contract: controller, Situations).

A little over the usual length: its situations share one started controller.
"""

from collections.abc import Iterator

import pytest

from tests.support.controller_bed import Bed, bed, condition, message, states
from tests.support.controller_process import rabbitmq
from tests.support.kube.cluster import Cluster
from tests.support.kube.seen import row
from tests.support.rabbitmq import shared_node
from tests.support.wait import until

SCALED = {"enabled": True}


@pytest.fixture(scope="module")
def home(cluster: Cluster) -> Iterator[Bed]:
    """One controller for the tests of this module."""
    with bed(cluster, shared_node()) as found:
        yield found


def test_row_03_a_new_actor_gets_its_queue_and_its_pods(home: Bed) -> None:
    home.create("fresh")
    status = home.reaches("fresh", "ScalingUp", "Progressing")
    assert condition(status, "TransportReady") == ("True", "QueueReady")
    assert condition(status, "WorkloadReady") == ("Unknown", "Progressing")
    assert condition(status, "Reconciling") == ("True", "WaitingForPods")
    assert states(status) == ("False", "True", "")
    home.told("fresh", "QueueCreated", "WorkloadCreated")
    assert {home.queue("fresh"), f"{home.queue('fresh')}-dlq"} <= home.queues()
    deployment = home.deployment("fresh")
    assert deployment["spec"]["replicas"] == 1
    owner = deployment["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("AsyncActor", "fresh", True)


def test_row_04_ready_pods_make_it_running_and_kubectl_sees_it(home: Bed) -> None:
    home.create("steady", workload={"replicas": 3})
    home.make_ready("steady", 3)
    status = home.reaches("steady", "Running", "WorkloadAvailable")
    until(lambda: home.status("steady")["readyReplicas"] == 3, what="all are counted")
    assert states(status) == ("True", "", "")
    home.cluster.kubectl(
        "wait", "--for=condition=Ready", "--timeout=30s", f"--namespace={home.namespace}", "asya/steady"
    )
    shown = home.cluster.kubectl("get", "asya", "steady", f"--namespace={home.namespace}", "--output=wide").stdout
    _, printed = (line.split() for line in shown.splitlines())
    assert printed[1:7] == ["Running", "3", "0", "0", "3", "3"]


def test_row_04_no_replicas_wanted_is_running_too(home: Bed) -> None:
    home.create("none", workload={"replicas": 0})
    status = home.reaches("none", "Running", "ScaledToZero")
    assert states(status) == ("True", "", "")


def test_row_05_scaled_to_zero_from_the_beginning_no_pod_ever_starts(home: Bed) -> None:
    home.create("sleepy", scaling=SCALED)
    home.keda_says("sleepy")
    status = home.reaches("sleepy", "Napping", "ScaledObjectReady")
    assert states(status) == ("True", "", "")
    assert home.deployment("sleepy")["spec"]["replicas"] == 0
    assert home.pods("sleepy") == []
    scaler, trigger = home.child("scaledobjects", "sleepy"), home.child("triggerauthentications", "sleepy-trigger-auth")
    assert scaler is not None
    assert trigger is not None
    assert scaler["spec"]["triggers"][0]["metadata"]["queueName"] == home.queue("sleepy")


def test_row_07_woken_from_zero_it_stays_ready(home: Bed) -> None:
    home.create("waking", scaling=SCALED)
    home.keda_says("waking")
    home.reaches("waking", "Napping", "ScaledObjectReady")
    scale = {"spec": {"replicas": 1}}
    home.api.patch("deployments", home.namespace, "waking", scale, fieldManager="keda")
    status = home.reaches("waking", "ScalingUp")
    assert states(status) == ("True", "", "")
    assert status["lastScaleFormatted"] == "<1m ago (up)"
    home.told("waking", "ScaledFromZero")


def test_row_13_pods_in_a_crash_loop_are_named(home: Bed) -> None:
    home.create("crashing", workload={"replicas": 3})
    pods = home.has_pods("crashing", 3)
    home.make_ready("crashing", 3)
    home.reaches("crashing", "Running")
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}}
    ended = {"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": "2026-01-01T00:00:00Z"}}
    for pod in pods[:2]:
        home.make_failing(pod, "asya-runtime", waiting, 5, ended)
    home.reaches("crashing", "RuntimeError", "RuntimeCrashLoop")
    until(lambda: home.status("crashing")["failingPods"] == 2, what="both are counted")
    status = home.status("crashing")
    assert status["readyReplicas"] == 1
    assert states(status) == ("False", "True", "")
    assert pods[0]["metadata"]["name"] in status["message"] or pods[1]["metadata"]["name"] in status["message"]
    home.told("crashing", "RuntimeError")
    home.make_ready("crashing", 3)
    home.reaches("crashing", "Running")
    home.told("crashing", "Recovered")


def test_row_37_without_the_management_interface_it_says_so(cluster: Cluster) -> None:
    with bed(
        cluster, shared_node(), lambda broker, vhost: {"plain": rabbitmq(broker, vhost, managementUrl=None)}
    ) as home:
        home.create("blind", transport="plain", scaling={**SCALED, "minReplicas": 1})
        home.keda_says("blind")
        home.make_ready("blind", 1)
        status = home.reaches("blind", "Running", "ReadyMessagesOnly")
        assert condition(status, "ScalingReady") == ("True", "ReadyMessagesOnly")
        assert states(status) == ("True", "", "")
        home.told("blind", "ReadyMessagesOnly")
        assert home.events("blind").count("ReadyMessagesOnly") == 1


def test_row_41_what_was_deleted_by_hand_is_restored(home: Bed) -> None:
    home.create("robust", scaling={**SCALED, "minReplicas": 1})
    home.keda_says("robust")
    home.make_ready("robust", 1)
    generation = home.reaches("robust", "Running", "ScaledObjectReady")["observedGeneration"]
    volumes = home.deployment("robust")["spec"]["template"]["spec"]["volumes"]
    (script,) = (volume for volume in volumes if volume["name"] == "asya-runtime")
    lost = {"scaledobjects": "robust", "deployments": "robust", "configmaps": script["configMap"]["name"]}
    before = {kind: home.child(kind, name) for kind, name in lost.items()}
    (old,) = home.pods("robust")
    for kind, found in before.items():
        assert found is not None
        home.api.delete(kind, home.namespace, lost[kind])

        def renewed(kind: str = kind, uid: str = found["metadata"]["uid"]) -> bool:
            now = home.child(kind, lost[kind])
            return now is not None and now["metadata"]["uid"] != uid

        until(renewed, 40, 0.1, what=f"a new one of {kind}")
    home.told("robust", "ChildRestored")
    home.keda_says("robust")
    until(
        lambda: home.child("pods", old["metadata"]["name"]) is None, 60, 0.1, what="the lost Deployment's pod is gone"
    )
    home.make_ready("robust", 1)
    assert home.reaches("robust", "Running", "ScaledObjectReady")["observedGeneration"] == generation
    restart = {"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}}
    home.api.patch("deployments", home.namespace, "robust", restart)
    home.annotate("robust", reconcile_at="1")
    until(lambda: home.status("robust").get("lastHandledReconcileAt") == "1", 20, what="the request is handled")
    kept = home.deployment("robust")["spec"]["template"]["metadata"]["annotations"]
    assert kept["kubectl.kubernetes.io/restartedAt"] == "now"


def test_row_42_somebody_elses_deployment_is_left_alone(home: Bed) -> None:
    labels = {"matchLabels": {"app": "theirs"}}
    template = {"metadata": {"labels": {"app": "theirs"}}, "spec": {"containers": [{"name": "c", "image": "theirs:1"}]}}
    theirs = {"metadata": {"name": "taken"}, "spec": {"replicas": 0, "selector": labels, "template": template}}
    made = home.api.create("deployments", home.namespace, theirs)
    home.create("taken")
    status = home.reaches("taken", "WorkloadError", "NameConflict")
    assert "Deployment 'taken' exists and is not owned by this AsyncActor" in message(status, "WorkloadReady")
    now = home.deployment("taken")
    assert (now["metadata"]["uid"], now["metadata"]["generation"]) == (made["metadata"]["uid"], 1)


def test_row_44_a_suspended_actor_is_looked_at_and_not_touched(home: Bed) -> None:
    home.create("paused")
    home.make_ready("paused", 1)
    home.reaches("paused", "Running")
    home.annotate("paused", suspend="true")
    until(lambda: home.status("paused").get("suspended"), 20, what="it is suspended")
    mark = len(home.proxy.record.requests)
    generation = home.image("paused", "registry.example.com/hello:2")["metadata"]["generation"]
    until(lambda: home.status("paused")["observedGeneration"] == generation, 20, what="the generation is seen")
    containers = home.deployment("paused")["spec"]["template"]["spec"]["containers"]
    assert containers[0]["image"].endswith(":1.0.0")
    assert home.status("paused")["status"] == "Running"
    written = home.writes_about("paused", mark)
    assert {(request.resource, request.sub) for request in written} == {("asyncactors", "status")}
    home.annotate("paused", suspend=None)

    def rolled() -> bool:
        return str(home.deployment("paused")["spec"]["template"]["spec"]["containers"][0]["image"]).endswith(":2")

    until(rolled, 20, what="the image is applied")
    home.told("paused", "Suspended", "Resumed")


def test_row_44_a_suspended_actor_that_is_asked_for_rests_afterwards(home: Bed) -> None:
    """It stays suspended until the end of the bed, which sees whether anybody is looked at without end; so does a wrong one."""
    for name in ("resting", "misled"):
        home.create(name)
        home.make_ready(name, 1)
        home.reaches(name, "Running")
    home.annotate("resting", suspend="true")
    home.change("misled", {"spec": {"transport": "nowhere"}})
    home.reaches("misled", "TransportError", "InvalidTransport")
    home.looked_at("misled")
    assert home.looked_at("resting")["suspended"] is True


@pytest.mark.parametrize("annotation", ["asya.sh/reconcile-at", "reconcile.fluxcd.io/requestedAt"])
def test_row_45_a_request_to_reconcile_is_a_full_pass_and_echoed(home: Bed, annotation: str) -> None:
    name = f"asked-by-{'flux' if 'flux' in annotation else 'hand'}"
    home.create(name, scaling=SCALED)
    home.keda_says(name)
    home.reaches(name, "Napping", "ScaledObjectReady")
    mark, value = len(home.proxy.record.requests), "2026-01-01T00:00:00Z"
    home.change(name, {"metadata": {"annotations": {annotation: value}}})
    until(lambda: home.status(name).get("lastHandledReconcileAt") == value, 20, what="it is echoed")
    asked = home.writes_about(name, mark)
    applied = {request.resource for request in asked if request.applies and request.manager == "asya-controller"}
    assert applied >= {"deployments", "triggerauthentications", "scaledobjects"}, "everything is really applied"
    assert [str(request) for request in asked if request.effect and not request.sub] == [], "and nothing changes by it"
    assert home.status(name)["status"] == "Napping"


def test_row_46_a_deleted_actor_takes_its_empty_queues_with_it(home: Bed) -> None:
    home.create("leaving")
    home.make_ready("leaving", 1)
    home.reaches("leaving", "Running")
    (pod,) = home.pods("leaving")
    home.hold(pod)
    home.delete("leaving")
    home.reaches("leaving", "Terminating")
    until(lambda: home.child("deployments", "leaving") is None, what="its workload is gone")
    home.looked_at("leaving")
    assert "pod" in home.status("leaving")["message"]
    assert {home.queue("leaving"), f"{home.queue('leaving')}-dlq"} <= home.queues(), (
        "while a pod is left, its queues stay"
    )
    home.release(pod)
    home.gone("leaving")
    home.told("leaving", "QueueDeleted")
    assert not {home.queue("leaving"), f"{home.queue('leaving')}-dlq"} & home.queues()
    assert home.child("deployments", "leaving") is None


def test_row_47_messages_are_kept_for_the_next_actor_of_that_name(home: Bed) -> None:
    home.create("full")
    home.reaches("full", "ScalingUp")
    home.fill(home.queue("full"), 12)
    home.delete("full")
    home.gone("full")
    home.told("full", "QueueRetained")
    assert home.queue("full") in home.queues()
    home.create("full")
    until(lambda: home.status("full").get("queuedMessages") == 12, 40, 0.2, what="the new actor finds the messages")
    home.annotate("full", deletion_policy="Delete")
    home.make_ready("full", 1)
    (pod,) = home.pods("full")
    home.hold(pod)
    home.delete("full")
    until(lambda: home.child("deployments", "full") is None, what="its workload is gone")
    home.looked_at("full")
    assert home.queue("full") in home.queues(), "while a pod is left, its messages stay"
    home.release(pod)
    home.gone("full")
    home.told("full", "QueueDeleted")
    notes = [item["note"] for item in home.api.items("events", home.namespace) if item["reason"] == "QueueDeleted"]
    assert any("12 messages" in note for note in notes)


def test_row_01_row_49_deleted_before_the_finalizer_it_is_simply_gone(cluster: Cluster) -> None:
    with bed(cluster, shared_node()) as home:
        home.controller.stop()
        # Row 1: nobody has looked yet.
        assert home.create("early")["status"] == {"observedGeneration": -1}
        assert row(cluster, home.namespace, "early")["STATUS"] == ""
        home.delete("early")
        assert home.api.find("asyncactors", home.namespace, "early") is None
        # And one whose deletion somebody else holds up.
        home.create("held", (("metadata", "finalizers"), ["test/hold"]))
        home.delete("held")
        home.controller.start()
        home.create("next")
        home.reaches("next", "ScalingUp")
        assert home.actor("held")["metadata"]["finalizers"] == ["test/hold"]
        assert [str(request) for request in home.writes_about("held") if request.sub != "status"] == []
        assert home.controller.metric("controller_runtime_reconcile_errors_total") == 0
        home.change("held", {"metadata": {"finalizers": None}})
        home.gone("held")
        assert "early" not in home.controller.log()


def test_row_56_missing_end_actors_are_told_and_their_queues_are_there(home: Bed) -> None:
    home.create("ending")
    home.told("ending", "EndActorMissing")
    home.make_ready("ending", 1)
    home.reaches("ending", "Running")
    assert {home.queue("x-sink"), home.queue("x-sump-dlq")} <= home.queues()


def test_a_converged_actor_causes_no_write_also_after_a_restart(cluster: Cluster) -> None:
    with bed(cluster, shared_node()) as home:
        home.create("quiet", scaling=SCALED)
        home.create("still")
        home.keda_says("quiet")
        home.make_ready("still", 1)
        home.reaches("quiet", "Napping", "ScaledObjectReady")
        home.reaches("still", "Running")
        home.rests("quiet", "still")
        passes = home.controller.metric("controller_runtime_reconcile_total")
        mark = len(home.proxy.record.requests)
        for number in range(3):
            home.api.patch(
                "pods",
                home.namespace,
                home.pods("still")[0]["metadata"]["name"],
                {"metadata": {"labels": {"n": str(number)}}},
            )
        until(lambda: home.controller.metric("controller_runtime_reconcile_total") > passes, 20, what="a pass")
        assert home.proxy.record.writes(mark) == []
        home.controller.stop()
        mark = len(home.proxy.record.requests)
        home.controller.start()
        until(lambda: home.controller.metric("asya_asyncactor_ready") == 2, what="both were looked at")
        until(lambda: home.controller.metric("workqueue_depth") == 0, what="nothing is left to do")
        assert [str(request) for request in home.proxy.record.requests[mark:] if request.method != "GET"] == []
