"""What a person needs for `asya sync`, and what the controller needs (contract: controller, Events, metrics, permissions).

Called by checks.py. Constants and their form as an access review.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Permission:
    """One verb on one resource (`name/status` for a subresource); `at_home` means in the controller's own namespace."""

    verb: str
    group: str
    resource: str
    at_home: bool = False

    def review(self, namespace: str) -> dict[str, Any]:
        """The `spec` of an access review."""
        resource, _, below = self.resource.partition("/")
        wanted = {"verb": self.verb, "group": self.group, "resource": resource, "namespace": namespace}
        return {"resourceAttributes": wanted | ({"subresource": below} if below else {})}


def each(group: str, resources: str, verbs: str, at_home: bool = False) -> Iterator[Permission]:
    """Every combination."""
    return (Permission(verb, group, resource, at_home) for resource in resources.split() for verb in verbs.split())


USER = (
    *each("asya.sh", "asyncactors", "get list watch create patch delete"),
    *each("", "configmaps", "get create patch"),
)
CONTROLLER = (
    *each("asya.sh", "asyncactors", "get list watch patch"),
    *each("asya.sh", "asyncactors/status", "patch"),
    *each("asya.sh", "asyncactors/finalizers", "update"),
    *each("apps", "deployments statefulsets", "get list watch create patch delete"),
    *each("", "configmaps", "get list watch create patch delete"),
    *each("keda.sh", "scaledobjects triggerauthentications", "get list watch create patch delete"),
    *each("apps", "replicasets", "get list watch"),
    *each("", "pods", "get list watch"),
    *each("autoscaling", "horizontalpodautoscalers", "get list watch"),
    *each("", "events", "list"),
    *each("events.k8s.io", "events", "create patch"),
    *each("coordination.k8s.io", "leases", "get create update patch", at_home=True),
)
