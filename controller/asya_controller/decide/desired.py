"""Which objects should exist for this actor?

Made whole from spec and configuration, only with the fields we own; nothing observed goes in (contract: controller, Objects).
Called by the pass, by `asya render`, and by `asya up`, which starts processes from the pod template.
Must only be called with a spec that `check` accepts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asya_controller.decide.config import OperatorConfig

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Desired:
    """The objects of one actor, in the order they are applied. `queue` and `dead_letter_queue` are full names."""

    workload: Object
    scaled_object: Object | None
    trigger_authentication: Object | None
    service_account: Object | None
    queue: str
    dead_letter_queue: str

    @property
    def pod_template(self) -> Object:
        """The rendered pod template: metadata and spec."""
        template: Object = self.workload["spec"]["template"]
        return template

    @property
    def template_hash(self) -> str:
        """Changes exactly when pods have to be replaced."""
        return str(self.pod_template["metadata"]["annotations"]["asya.sh/template-hash"])


def desired_objects(actor: Mapping[str, Any], config: OperatorConfig, queue_url: str | None = None) -> Desired:
    """Everything that should exist for `actor`.

    `workload` has `spec.replicas` only while scaling is off. `queue_url` is the address the broker gave (sqs).
    """
    raise AssertionError
