"""Which objects should exist for this actor?

Made whole from spec and configuration, only with the fields we own; nothing observed goes in (contract: controller, Objects).
Called by the pass, by `asya render`, and by `asya up`, which starts processes from the pod template.
Must only be called with a spec that `check` accepts.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asya_controller.decide.config import OperatorConfig
from asya_controller.decide.normal import digest
from asya_controller.decide.scaling import scaled_object, trigger_authentication
from asya_controller.decide.workload import TEMPLATE_HASH, propagated, role_arn, workload
from asya_controller.decide.world import namespace_of
from asya_schemas.actor import effective
from asya_schemas.actor.identity import API_VERSION, KIND
from asya_schemas.names import dead_letter_queue, queue_name

APPLIED_HASH = "asya.sh/applied-hash"
MANAGED_BY = "asya-controller"
ROLE_ANNOTATION = "eks.amazonaws.com/role-arn"

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Desired:
    """The objects of one actor. `queue` and `dead_letter_queue` are full names; `children` is the order of applying."""

    workload: Object
    scaled_object: Object | None
    trigger_authentication: Object | None
    service_account: Object | None
    queue: str
    dead_letter_queue: str

    @property
    def children(self) -> tuple[Object, ...]:
        """Every object that has the actor as owner, in the order they are applied."""
        objects = (self.service_account, self.workload, self.trigger_authentication, self.scaled_object)
        return tuple(item for item in objects if item is not None)

    @property
    def pod_template(self) -> Object:
        """The rendered pod template: metadata and spec."""
        template: Object = self.workload["spec"]["template"]
        return template

    @property
    def template_hash(self) -> str:
        """Changes exactly when pods have to be replaced."""
        return str(self.pod_template["metadata"]["annotations"][TEMPLATE_HASH])


def desired_objects(actor: Mapping[str, Any], config: OperatorConfig, queue_url: str | None = None) -> Desired:
    """Everything that should exist for `actor`.

    `workload` has `spec.replicas` only while scaling is off. `queue_url` is the address the broker gave (sqs).

    Raises:
        KeyError: the actor names a transport that is not configured; `check` finds that first.
    """
    spec, name = actor["spec"], actor["metadata"]["name"]
    transport = config.transports[spec["transport"]]
    queue = queue_name(transport.config.queue_name_template, namespace_of(actor), name)
    scaled = effective.scaling_enabled(spec)
    kind = effective.kind(spec)
    triggers = trigger_authentication(child(actor, config, f"{name}-trigger-auth", "scaling"), transport)
    scaler = scaled_object(
        child(actor, config, name, None),
        spec,
        kind,
        transport,
        queue,
        queue_url,
        with_authentication=triggers is not None,
    )
    return Desired(
        workload=hashed(workload(actor, child(actor, config, name, "actor"), transport, config, queue_url)),
        scaled_object=hashed(scaler) if scaled else None,
        trigger_authentication=hashed(triggers) if scaled and triggers else None,
        service_account=service_account(actor, config, role_arn(transport)),
        queue=queue,
        dead_letter_queue=dead_letter_queue(queue),
    )


def child(actor: Mapping[str, Any], config: OperatorConfig, name: str, component: str | None) -> Object:
    """Metadata of an object that the actor owns.

    Only the ScaledObject has no component: KEDA copies its labels to the HPA, which we neither made nor manage.
    """
    ours = {"app.kubernetes.io/managed-by": MANAGED_BY, "app.kubernetes.io/component": component} if component else {}
    labels = {**propagated(actor, config), **ours, "asya.sh/actor": actor["metadata"]["name"]}
    return {"name": name, "namespace": namespace_of(actor), "labels": labels, "ownerReferences": [owner(actor)]}


def owner(actor: Mapping[str, Any]) -> Object:
    """The one controller ownerReference of every child."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": actor["metadata"]["name"],
        "uid": str(actor["metadata"].get("uid", "")),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def hashed(item: Object) -> Object:
    """The object with the hash by which an unneeded apply is recognised."""
    metadata = {
        **item["metadata"],
        "annotations": {**item["metadata"].get("annotations", {}), APPLIED_HASH: digest(item)},
    }
    return {**item, "metadata": metadata}


def service_account(actor: Mapping[str, Any], config: OperatorConfig, role: str | None) -> Object | None:
    """One ServiceAccount per actor where the transport gives it a role of its own."""
    if role is None:
        return None
    metadata = child(actor, config, f"asya-{actor['metadata']['name']}", "identity")
    metadata["annotations"] = {ROLE_ANNOTATION: role}
    return hashed({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})


def config_map(script: str, namespace: str) -> Object:
    """The runtime script for all actors of a namespace; immutable, so a new script is a new name."""
    labels = {"app.kubernetes.io/managed-by": MANAGED_BY, "app.kubernetes.io/component": "runtime-script"}
    return hashed(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": config_map_name(script), "namespace": namespace, "labels": labels},
            "immutable": True,
            "data": {"asya_runtime.py": script},
        }
    )


def config_map_name(script: str) -> str:
    """`asya-runtime-` and the first ten hex digits of the script's SHA-256."""
    return f"asya-runtime-{hashlib.sha256(script.encode()).hexdigest()[:10]}"
