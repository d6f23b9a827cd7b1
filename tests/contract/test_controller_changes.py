"""Situations 35-56 of contract: controller, 14, that facts and a time decide: scaling, children, suspension, deletion."""

from dataclasses import replace

from asya_controller.decide.config import EndActors
from asya_controller.decide.events import namespace_events, work_events
from asya_controller.decide.plan import conflicts
from asya_controller.decide.world import Refusal, World
from tests.controller.worlds import (
    NOW,
    RABBITMQ,
    History,
    actor,
    config,
    events,
    fixed,
    merge,
    minutes,
    ready_pods,
    scaled,
    seconds,
    settled,
    starting_pods,
    steps_of,
    told,
    unmade,
    world,
)

# --- scaling ----------------------------------------------------------------------------------------------------------


def test_row_35_scaling_without_keda_is_a_scaling_error_and_one_pod_works() -> None:
    facts = unmade(actor(scaled()), keda=False)
    made = [(step.verb, step.object["kind"], step.replicas) for step in steps_of(facts)]
    assert made == [("create", "Deployment", 1)]
    running = world(actor(scaled()), ready_pods(1), replicas=1, keda=False, scaled_object=None)
    history = settled(running)
    assert (history.status["status"], told(history.status, "ScalingReady")) == (
        "ScalingError",
        ("False", "KEDANotInstalled"),
    )
    healed = history.look(world(actor(scaled()), ready_pods(1), replicas=1))
    assert (healed["status"], told(healed, "Ready")) == ("Running", ("True", "Running"))


def untouched_scaler() -> World:
    facts = world(actor(scaled()), ready_pods(1), replicas=1)
    created = {"metadata": {"creationTimestamp": "2026-11-24T12:00:00Z"}, "status": None}
    return replace(facts, scaled_object=merge(dict(facts.scaled_object or {}), created))


def test_row_36_keda_that_does_not_answer_is_waited_for() -> None:
    status = History().look(untouched_scaler(), NOW + seconds(59))
    assert (status["status"], told(status, "ScalingReady")) == ("Running", ("Unknown", "WaitingForKEDA"))
    assert told(status, "Ready") == ("False", "WaitingForKEDA")
    assert told(status, "Reconciling") == ("True", "WaitingForKEDA")


def test_row_36_after_60_s_it_is_a_scaling_error() -> None:
    status = History().look(untouched_scaler(), NOW + seconds(60))
    assert (status["status"], told(status, "ScalingReady")) == ("ScalingError", ("False", "KEDANotResponding"))


def test_row_37_without_a_management_url_only_waiting_messages_are_seen() -> None:
    operator = config(rabbitmq=merge(RABBITMQ, {"config": {"managementUrl": None}}))
    history = History()
    history.look(unmade(actor(scaled()), operator, queue=None, pass_finished=False))
    facts = world(actor(scaled()), ready_pods(1), replicas=1, operator=operator)
    status = history.look(facts)
    assert (status["status"], told(status, "ScalingReady")) == ("Running", ("True", "ReadyMessagesOnly"))
    assert events(history) == ["ReadyMessagesOnly"]
    history.look(facts, NOW + minutes(1))
    assert events(history) == []


def test_row_38_switching_scaling_on_keeps_the_count() -> None:
    live = world(actor(fixed(4)), ready_pods(4))
    history = settled(live)
    switched = replace(live, actor=actor({**fixed(4), **scaled()}))
    assert not [step for step in steps_of(switched) if "replicas" in step.object["spec"] or step.replicas is not None]
    history.look(world(actor(scaled()), ready_pods(4), replicas=4))
    assert (history.status["desiredReplicas"], history.status["lastScaleFormatted"]) == (4, "-")
    assert events(history) == ["ScalingEnabled"]


def test_row_39_switching_scaling_off_removes_the_scaler_before_it_sets_replicas() -> None:
    live = world(actor(scaled()), ready_pods(4), replicas=4, hpa={"metadata": {"name": "keda-hpa-a"}})
    off = actor(fixed(2))
    first = steps_of(replace(live, actor=off))
    assert [(step.verb, step.object["kind"]) for step in first if step.verb == "remove"] == [
        ("remove", "ScaledObject"),
        ("remove", "TriggerAuthentication"),
    ]
    assert not [step for step in first if step.verb == "apply" and "replicas" in step.object["spec"]]
    gone = replace(live, actor=off, scaled_object=None, trigger_authentication=None, hpa=None)
    (step,) = steps_of(gone)
    assert (step.verb, step.object["spec"]["replicas"]) == ("apply", 2)


def test_row_39_what_status_said_of_scaling_goes_with_it() -> None:
    history = settled(world(actor(scaled()), ready_pods(2), replicas=2))
    status = history.look(world(actor(fixed(2)), ready_pods(2)))
    assert (status["status"], status["scalingMode"]) == ("Running", "Manual")
    assert "scaledObjectRef" not in status
    assert told(status, "ScalingReady") is None
    assert events(history) == ["ScalingDisabled"]


def test_row_40_an_actor_that_the_autoscaler_has_moved_needs_no_write() -> None:
    facts = world(actor(scaled()), ready_pods(7), replicas=7)
    assert steps_of(facts) == ()
    history = settled(facts, NOW)
    assert history.look(facts, NOW + minutes(1)) == history.before


def test_row_41_a_child_deleted_by_hand_is_restored_and_told() -> None:
    facts = replace(world(actor(scaled()), ready_pods(1), replicas=1), scaled_object=None)
    steps = steps_of(facts)
    assert [(step.verb, step.object["kind"], step.why) for step in steps] == [("create", "ScaledObject", "missing")]
    assert [item.reason for item in work_events(steps, facts.queue, had_workload=True)] == ["ChildRestored"]


def test_row_41_the_annotation_of_a_restart_is_left_alone() -> None:
    restarted = {"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}}
    assert steps_of(world(actor(fixed(1)), ready_pods(1), workload=restarted)) == ()


def test_row_42_a_foreign_deployment_is_named_and_left_alone() -> None:
    foreign = world(actor(fixed(1)), workload={"metadata": {"ownerReferences": None}})
    (refusal,) = conflicts(foreign)
    assert refusal.message == "Deployment 'a' exists and is not owned by this AsyncActor"
    status = History().look(replace(foreign, refusals=(refusal,)))
    assert (status["status"], told(status, "WorkloadReady")) == ("WorkloadError", ("False", "NameConflict"))
    assert steps_of(foreign) == ()


def test_row_42_a_contested_field_is_told_once() -> None:
    history = settled(world(pods=ready_pods(1)))
    contested = Refusal("Deployment", "a", "Contested", "image is changed back by manager x")
    status = history.look(world(pods=ready_pods(1), refusals=(contested,)))
    assert (status["status"], told(status, "WorkloadReady")) == ("WorkloadError", ("False", "Contested"))
    assert events(history) == ["WorkloadError", "Contested"]


def test_row_43_a_changed_kind_keeps_the_old_workload_until_the_new_one_works() -> None:
    old = world(actor(fixed(2)), ready_pods(2)).workload
    document = actor({"workload": {"kind": "StatefulSet", "replicas": 2}})
    creating = unmade(document, workload=None, other_workload=old)
    assert [(step.verb, step.object["kind"]) for step in steps_of(creating)] == [("create", "StatefulSet")]
    starting = world(document, starting_pods(2), other_workload=old)
    assert steps_of(starting) == ()
    working = world(document, ready_pods(2), other_workload=old)
    assert [(step.verb, step.object["kind"], step.uid) for step in steps_of(working)] == [
        ("remove", "Deployment", "uid-workload")
    ]


def test_row_43_the_new_workload_starts_with_the_old_ones_count() -> None:
    old = world(actor(scaled()), ready_pods(3), replicas=3).workload
    creating = unmade(actor({**scaled(), "workload": {"kind": "StatefulSet"}}), other_workload=old)
    assert steps_of(creating)[0].replicas == 3


# --- annotations and deletion -----------------------------------------------------------------------------------------

SUSPENDED = {"asya.sh/suspend": "true"}


def suspended_with_a_new_image() -> World:
    changed = actor(annotations=SUSPENDED, generation=2)
    changed["spec"]["workload"]["template"]["spec"]["containers"][0]["image"] = "registry.example.com/a:2"
    return replace(world(pods=ready_pods(1)), actor=changed)


def test_row_44_a_suspended_actor_is_judged_and_not_written() -> None:
    history = settled(world(pods=ready_pods(1)))
    facts = suspended_with_a_new_image()
    status = history.look(facts)
    assert (status["status"], status["suspended"], status["observedGeneration"]) == ("Running", True, 2)
    assert (told(status, "Ready"), steps_of(facts), events(history)) == (("True", "Running"), (), ["Suspended"])


def test_row_44_taking_the_annotation_away_applies_what_waited() -> None:
    facts = suspended_with_a_new_image()
    history = settled(facts)
    resumed = replace(facts, actor=merge(dict(facts.actor), {"metadata": {"annotations": None}}))
    assert [(step.verb, step.object["kind"]) for step in steps_of(resumed)] == [("apply", "Deployment")]
    assert "suspended" not in history.look(resumed)
    assert events(history) == ["Resumed"]


def test_row_45_a_reconcile_request_is_echoed_when_the_pass_is_done() -> None:
    asked = actor(annotations={"asya.sh/reconcile-at": "2026-11-24T12:00:00Z"})
    status = settled(world(asked, ready_pods(1))).status
    assert status["lastHandledReconcileAt"] == "2026-11-24T12:00:00Z"


def test_row_46_a_deleted_actor_is_terminating_and_says_what_it_waits_for() -> None:
    history = settled(world(pods=ready_pods(1)))
    deleted = actor(deletionTimestamp="2026-11-24T12:00:00Z")
    status = history.look(world(deleted, ready_pods(1), awaiting="waiting for 1 pod to finish its work"))
    assert (status["status"], status["message"]) == ("Terminating", "waiting for 1 pod to finish its work")
    assert (told(status, "Ready"), told(status, "Reconciling")) == (("False", "Terminating"), ("True", "Terminating"))
    assert events(history) == []


def test_row_51_a_former_queue_is_noted_until_it_is_dealt_with() -> None:
    operator = config(
        rabbitmq=RABBITMQ, other=RABBITMQ | {"config": {**RABBITMQ["config"], "queueNameTemplate": "{actor}"}}
    )  # type: ignore[dict-item]
    history = settled(world(actor(), ready_pods(1), operator=operator))
    moved = actor({"transport": "other"})
    status = history.look(world(moved, ready_pods(1), operator=operator))
    assert (status["queue"], status["previousQueues"]) == ("a", [{"transport": "rabbitmq", "queue": "asya-ns-a"}])
    done = world(moved, ready_pods(1), operator=operator, queues_dealt_with=(("rabbitmq", "asya-ns-a"),))
    assert "previousQueues" not in history.look(done)


def test_row_55_another_sidecar_image_rolls_the_pods() -> None:
    live = world(pods=ready_pods(1))
    newer = config().model_copy(update={"sidecar": config().sidecar.model_copy(update={"image": "asya-sidecar:2"})})
    (step,) = steps_of(replace(live, config=newer))
    applied = world(operator=newer, pods=ready_pods(1, template="old"))
    status = settled(live).look(applied)
    assert (step.verb, step.why) == ("apply", "changed")
    assert (status["status"], told(status, "Ready")) == ("Running", ("False", "RolloutInProgress"))


def test_row_56_missing_end_actors_are_told() -> None:
    told_events = namespace_events({"a", "x-sump"}, EndActors())
    assert [(item.type, item.reason) for item in told_events] == [("Warning", "EndActorMissing")]
    assert told_events[0].message.startswith("x-sink: ")
    assert namespace_events({"x-sink", "x-sump"}, EndActors()) == ()
