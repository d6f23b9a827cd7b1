"""The requests made equal the permissions shipped (contract: controller 13).

That nothing else is asked for, the end of every bed checks; here one controller goes through everything it ever does, and each shipped
permission has to be used by it, so that none outlives its reason.
"""

import pytest

from tests.support.controller_bed import Bed, bed
from tests.support.controller_process import TRANSPORT
from tests.support.kube.cluster import Cluster
from tests.support.kube.oracles import used
from tests.support.kube.watched import shipped_rules
from tests.support.rabbitmq import shared_node
from tests.support.wait import until

Permission = tuple[str, str, str]
# The contract names them, and no request shows that they are needed.
UNSEEN: dict[Permission, str] = {
    (
        "asya.sh",
        "asyncactors",
        "get",
    ): "the list and the watch tell all; people who look with the controller's account use it",
    (
        "asya.sh",
        "asyncactors/finalizers",
        "update",
    ): "an admission plugin asks for it, where it is on, when a child names its owner",
    ("apps", "replicasets", "get"): "as for actors",
    ("", "pods", "get"): "as for actors",
    ("autoscaling", "horizontalpodautoscalers", "get"): "as for actors",
    ("coordination.k8s.io", "leases", "patch"): "a lease is replaced as a whole; other leaders' libraries patch it",
}


def shipped() -> set[Permission]:
    """Every permission of kustomize/base/rbac.yaml that the controller has."""
    return {
        (group, resource, verb)
        for rule in shipped_rules()
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def everything(home: Bed) -> None:
    """Each kind is made, changed, and removed."""
    home.create("moving", scaling={"enabled": True})
    home.keda_says("moving")
    home.reaches("moving", "Napping", "ScaledObjectReady")
    home.change("moving", {"spec": {"scaling": {"enabled": False}, "workload": {"kind": "StatefulSet", "replicas": 0}}})
    until(lambda: home.child("scaledobjects", "moving") is None, what="scaling is off")
    until(lambda: home.child("deployments", "moving") is None, what="the other workload is gone")
    home.reaches("moving", "Running", "ScaledToZero")
    home.create("waiting")
    home.set_status(home.has_pods("waiting", 1)[0], {"conditions": [{"type": "PodScheduled", "status": "True"}]})
    home.change("moving", {"spec": {"transport": "nobody"}})  # one Event, and later a second one of its kind
    home.reaches("moving", "TransportError")
    for number in range(2):
        home.change("moving", {"spec": {"transport": TRANSPORT}})
        home.reaches("moving", "Running")
        home.change("moving", {"spec": {"transport": f"nobody-{number}"}})
        home.reaches("moving", "TransportError")
    until(
        lambda: any(r.resource == "events" and not r.group for r in home.proxy.record.requests),
        what="hearsay",
        within_s=70,
    )
    for name in ("moving", "waiting"):
        home.annotate(name, deletion_policy="Delete")
        home.delete(name)
        home.gone(name)
    until(
        lambda: (
            not home.api.items("configmaps", home.namespace, labelSelector="app.kubernetes.io/component=runtime-script")
        )
    )


@pytest.mark.timeout(240)
def test_every_permission_is_used_and_those_that_are_not_have_a_reason(cluster: Cluster) -> None:
    with bed(cluster, shared_node(), leads=True) as home:
        until(lambda: home.controller.metric("leader_election_master_status") == 1, what="it leads")
        everything(home)

        def unused() -> set[Permission]:
            return shipped() - {permission for request in home.proxy.record.requests for permission in used(request)}

        until(lambda: unused() <= set(UNSEEN), what=f"what else is used: {unused() - set(UNSEEN)}")  # Events come later
        assert unused() == set(UNSEEN)
