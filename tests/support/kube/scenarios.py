"""What happens to an actor, as scenarios for `disturbed`: each waits for its own end, whatever goes wrong in between."""

from tests.support.kube.api import JSON_PATCH
from tests.support.kube.stage import Stage
from tests.support.wait import until

SCALED = {"enabled": True}
LONG_S = 120.0  # longer than 70 s, when a silent watch is given up


def keda_looks(stage: Stage) -> None:
    """KEDA finds the ScaledObject good, as soon as there is one."""
    until(lambda: stage.child("scaledobjects", "one"), LONG_S, 0.1, what="the ScaledObject is there")
    stage.keda_says("one")


def created_with_scaling(stage: Stage) -> None:
    """A new actor that KEDA scales."""
    stage.create("one", scaling=SCALED)
    keda_looks(stage)
    stage.reaches("one", "Napping", "ScaledObjectReady", LONG_S)


def changed_and_scaling_switched_on(stage: Stage) -> None:
    """A settled actor gets another image and an autoscaler."""
    stage.create("one", workload={"replicas": 0})
    stage.reaches("one", "Running", "ScaledToZero", LONG_S)
    path = "/spec/workload/template/spec/containers/0/image"
    image = {"op": "replace", "path": path, "value": "registry.example.com/hello:2.0.0"}
    scaling = {"op": "add", "path": "/spec/scaling", "value": SCALED}
    stage.api.patch("asyncactors", stage.namespace, "one", [image, scaling], JSON_PATCH)
    keda_looks(stage)
    stage.reaches("one", "Napping", "ScaledObjectReady", LONG_S)


def deleted_with_its_queues(stage: Stage) -> None:
    """The last actor of a namespace goes, and everything with it."""
    stage.create("one", workload={"replicas": 0})
    stage.reaches("one", "Running", "ScaledToZero", LONG_S)
    stage.annotate("one", deletion_policy="Delete")
    stage.delete("one")
    stage.gone("one", LONG_S)


def moved_and_scaling_switched_off(stage: Stage) -> None:
    """A settled actor gets another kind of workload and loses its autoscaler: everything it had is replaced or removed."""
    stage.create("one", scaling=SCALED)
    keda_looks(stage)
    stage.reaches("one", "Napping", "ScaledObjectReady", LONG_S)
    spec = {"scaling": {"enabled": False}, "workload": {"kind": "StatefulSet", "replicas": 0}}
    stage.change("one", {"spec": spec})
    for resource in ("scaledobjects", "deployments"):
        until(lambda resource=resource: stage.child(resource, "one") is None, LONG_S, 0.1, what=f"{resource} is gone")
    stage.reaches("one", "Running", "ScaledToZero", LONG_S)


def moved_to_another_transport(stage: Stage) -> None:
    """A settled actor gets another transport, and so another queue; the old one has messages, dead ones too, and keeps them."""
    stage.create("one", workload={"replicas": 0})
    stage.reaches("one", "Running", "ScaledToZero", LONG_S)
    old = stage.queue("one")
    for queue, number in ((old, 2), (f"{old}-dlq", 1)):
        stage.fill(queue, number)
    stage.change("one", {"spec": {"transport": "other"}})
    until(lambda: stage.status("one").get("queue") == f"other-{stage.namespace}-one", LONG_S, 0.1, what="it has moved")
    until(lambda: "previousQueues" not in stage.status("one"), LONG_S, 0.1, what="the old queue is dealt with")
    stage.reaches("one", "Running", "ScaledToZero", LONG_S)
    stage.holds(old, 2)
    stage.holds(f"{old}-dlq", 1)
