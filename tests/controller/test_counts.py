"""Desired, rollouts and which pods are judged, where the situations of the contract do not reach."""

from dataclasses import replace

from asya_controller.decide.timers import next_look
from asya_controller.decide.world import QueueFacts
from tests.controller.worlds import (
    NOW,
    RABBITMQ,
    History,
    actor,
    config,
    container,
    crashing_pod,
    ended,
    event,
    fixed,
    going_pods,
    minutes,
    pod,
    ready_pods,
    scaled,
    seconds,
    settled,
    starting_pods,
    told,
    unstarted_pod,
    waiting_pod,
    world,
)


def test_kedas_zero_counts_although_the_autoscaler_still_wants_pods() -> None:
    asleep = world(actor(scaled()), replicas=0, hpa={"status": {"desiredReplicas": 4}})
    assert History().look(asleep)["desiredReplicas"] == 0


def test_an_autoscaler_that_knows_nothing_leaves_the_workloads_count() -> None:
    facts = world(actor(scaled()), ready_pods(3), replicas=3, hpa={"status": {"desiredReplicas": 0}})
    assert History().look(facts)["desiredReplicas"] == 3


def test_without_a_workload_the_minimum_is_desired() -> None:
    facts = replace(world(actor(scaled(minReplicas=2))), workload=None)
    assert History().look(facts)["desiredReplicas"] == 2


def test_nobody_asks_an_actor_that_is_going_for_pods() -> None:
    history = settled(world(actor(scaled()), ready_pods(3), replicas=3))
    going = world(actor(scaled(), deletionTimestamp="2026-11-24T12:00:00Z"), going_pods(3), replicas=3)
    status = history.look(replace(going, workload=None))
    assert (status["desiredReplicas"], status["lastScaleFormatted"]) == (3, "-")


def test_old_pods_that_work_are_enough_during_a_rollout() -> None:
    facts = world(actor(fixed(2)), (*ready_pods(2, template="old"), *starting_pods(1)))
    status = History().look(facts)
    assert (status["status"], told(status, "WorkloadReady")) == ("Running", ("True", "WorkloadAvailable"))


def test_old_pods_that_fail_say_nothing_about_the_new_template() -> None:
    facts = world(actor(fixed(1)), [crashing_pod("o-1", template="old"), *starting_pods(1)])
    status = History().look(facts)
    assert (status["status"], told(status, "WorkloadReady")) == ("ScalingUp", ("Unknown", "Progressing"))


def test_a_deployment_whose_new_pods_are_missing_is_rolling_out() -> None:
    facts = world(actor(fixed(2)), ready_pods(2), workload={"status": {"replicas": 2, "updatedReplicas": 1}})
    assert told(History().look(facts), "Ready") == ("False", "RolloutInProgress")


def test_a_stateful_set_with_two_revisions_is_rolling_out() -> None:
    revisions = {"status": {"currentRevision": "a-1", "updateRevision": "a-2"}}
    facts = world(actor({"workload": {"kind": "StatefulSet"}}), ready_pods(1), workload=revisions)
    assert told(History().look(facts), "Ready") == ("False", "RolloutInProgress")


def test_an_init_container_that_got_there_in_the_end_is_no_failure() -> None:
    done = container("prepare", True, ended(0, reason="Completed"), restarts=7)
    status = History().look(world(pods=[pod("a-1", ready=True, init=[done])]))
    assert (status["status"], status["failingPods"]) == ("Running", 0)


def test_an_image_that_needs_a_missing_pull_secret_is_an_image_problem() -> None:
    words = 'Back-off pulling image "a:1": ErrImagePull: unauthorized, secret "regcred" not found'
    status = History().look(world(pods=[waiting_pod("a-1", "ImagePullBackOff", words)]))
    assert told(status, "WorkloadReady") == ("False", "ImagePullFailed")


def test_of_kubelets_alternating_events_the_telling_one_is_told() -> None:
    missing = event(
        "FailedMount", 'MountVolume.SetUp failed for volume "v" : secret "db" not found', "a-1", at=NOW - minutes(2)
    )
    vague = event("FailedMount", "Unable to attach or mount volumes: unmounted volumes=[v]: timed out waiting", "a-1")
    for events in ((missing, vague), (vague, missing)):
        status = History().look(world(pods=[unstarted_pod("a-1")], events=events))
        assert told(status, "WorkloadReady") == ("False", "ConfigNotFound")


def test_what_is_not_found_comes_before_another_mount_that_fails_too() -> None:
    missing = event(
        "FailedMount", 'MountVolume.SetUp failed for volume "v" : configmap "c" not found', "a-1", at=NOW - minutes(2)
    )
    other = event("FailedMount", 'MountVolume.SetUp failed for volume "w" : mount failed: exit status 32', "a-1")
    status = History().look(world(pods=[unstarted_pod("a-1")], events=(missing, other)))
    assert told(status, "WorkloadReady") == ("False", "ConfigNotFound")


def test_an_event_about_another_pod_says_nothing() -> None:
    other = event("FailedMount", "mount failed", "b-1")
    assert History().look(world(pods=[unstarted_pod("a-1")], events=(other,)))["status"] == "ScalingUp"


def test_a_queue_on_a_new_transport_has_no_credit() -> None:
    operator = config(rabbitmq=RABBITMQ, other=RABBITMQ)
    history = settled(world(actor(), ready_pods(1), operator=operator))
    down = QueueFacts("BrokerUnreachable", "refused")
    status = history.look(world(actor({"transport": "other"}), ready_pods(1), operator=operator, queue=down))
    assert told(status, "TransportReady") == ("False", "BrokerUnreachable")


def test_draining_is_looked_at_when_its_time_is_over() -> None:
    history = settled(world(actor(scaled()), ready_pods(2), replicas=2))
    draining = world(actor(scaled()), (*ready_pods(1), *going_pods(1)), replicas=1)
    history.look(draining, NOW)
    end = NOW + seconds(390)
    status = history.look(draining, end)
    mark = next_look(history.world(draining), status, end)
    assert status["status"] == "ScalingDown"
    assert mark is not None
    assert history.look(draining, mark)["status"] == "Running"
    assert mark - end < seconds(1)
