"""The kinds of object the controller reads or writes, and their addresses.

Used by every module here that names an object. Constants only.
"""

from dataclasses import dataclass

from asya_schemas.actor.identity import API_VERSION, KIND, PLURAL


@dataclass(frozen=True, slots=True)
class Kind:
    """One resource. `api_version` as in an object's `apiVersion`. All of them live in namespaces."""

    api_version: str
    name: str
    plural: str

    def path(self, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
        """The address of one object, or of all in `namespace` (None: in every namespace)."""
        root = f"/api/{self.api_version}" if "/" not in self.api_version else f"/apis/{self.api_version}"
        parts = [root, f"namespaces/{namespace}" if namespace else None, self.plural, name, subresource]
        return "/".join(part for part in parts if part)


ACTOR = Kind(API_VERSION, KIND, PLURAL)
DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments")
STATEFUL_SET = Kind("apps/v1", "StatefulSet", "statefulsets")
REPLICA_SET = Kind("apps/v1", "ReplicaSet", "replicasets")
POD = Kind("v1", "Pod", "pods")
CONFIG_MAP = Kind("v1", "ConfigMap", "configmaps")
SERVICE_ACCOUNT = Kind("v1", "ServiceAccount", "serviceaccounts")
CORE_EVENT = Kind("v1", "Event", "events")
EVENT = Kind("events.k8s.io/v1", "Event", "events")
HPA = Kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
SCALED_OBJECT = Kind("keda.sh/v1alpha1", "ScaledObject", "scaledobjects")
TRIGGER_AUTHENTICATION = Kind("keda.sh/v1alpha1", "TriggerAuthentication", "triggerauthentications")
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")

WORKLOADS = (DEPLOYMENT, STATEFUL_SET)
KEDA_KINDS = (SCALED_OBJECT, TRIGGER_AUTHENTICATION)
ALWAYS_SERVED = (*WORKLOADS, REPLICA_SET, POD, HPA)
"""Kinds of an actor's objects that are there in every cluster; KEDA's come and go with it."""
BY_NAME = {
    kind.name: kind
    for kind in (
        ACTOR, DEPLOYMENT, STATEFUL_SET, REPLICA_SET, POD, CONFIG_MAP, SERVICE_ACCOUNT, HPA, SCALED_OBJECT,
        TRIGGER_AUTHENTICATION, LEASE,
    )
}  # fmt: skip
