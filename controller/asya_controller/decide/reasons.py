"""The vocabulary of conditions: which reason belongs to which status value, and which make waiting pointless.

Tables only, copied from the contract (crd, Conditions). Read by conditions, status and readiness.
"""

from collections.abc import Mapping

_BY_CLASS: Mapping[str, tuple[str, ...]] = {
    "ConfigError": (
        "ValidationError", "PolicyViolation", "TimeoutTooLong", "ServiceAccountConflict", "InvalidTemplate",
        "AdmissionDenied", "PodRejected", "ServiceAccountNotFound", "ConfigNotFound", "ContainerConfigInvalid",
        "InterpreterNotFound", "RuntimeMisconfigured",
    ),
    "PendingResources": ("InsufficientResources", "QuotaExceeded"),
    "ImagePullError": ("ImagePullFailed",),
    "RuntimeError": ("RuntimeCrashLoop",),
    "SidecarError": ("SidecarCrashLoop",),
    "VolumeError": ("VolumeMountFailed", "VolumeNotBound"),
    "WorkloadError": (
        "Unschedulable", "PodsFailing", "PodCreationFailed", "NameConflict", "ImmutableField", "Contested",
        "RBACDenied", "ApiError",
    ),
    "Degraded": ("ReplicasUnavailable",),
}  # fmt: skip
CLASS_OF: Mapping[str, str] = {reason: name for name, reasons in _BY_CLASS.items() for reason in reasons}
"""Reason of WorkloadReady False -> status value."""

CLASS_ORDER = (
    "PendingResources", "ImagePullError", "RuntimeError", "SidecarError", "VolumeError", "ConfigError", "WorkloadError",
)  # fmt: skip
"""Which class wins when as many pods fail for one reason as for another."""

ERROR_STATUSES = frozenset({*CLASS_ORDER, "TransportError", "ScalingError"})
STATUSES = (
    "Terminating", "Creating", "TransportError", *CLASS_ORDER, "ScalingError", "Napping", "ScalingUp", "Degraded",
    "ScalingDown", "Running",
)  # fmt: skip
"""The sixteen values, by priority."""

USABLE_QUEUE = frozenset({"QueueReady", "QueueDrift", "NotManaged"})
FAILED_CHECKS = frozenset(
    {"BrokerUnreachable", "AuthFailed", "CredentialsMissing", "QueueCreateFailed", "QueueMissing"}
)
"""A queue that was verified before gets a grace for these; any other reason is a known fact, not a check that failed."""

FOUND_ON_PODS = frozenset(
    {
        "PodRejected", "ServiceAccountNotFound", "ConfigNotFound", "ContainerConfigInvalid", "InterpreterNotFound",
        "RuntimeMisconfigured", "InsufficientResources", "QuotaExceeded", "ImagePullFailed", "RuntimeCrashLoop",
        "SidecarCrashLoop", "VolumeMountFailed", "VolumeNotBound", "Unschedulable", "PodsFailing", "PodCreationFailed",
        "ReplicasUnavailable",
    }
)  # fmt: skip

STALLED_AT_ONCE: Mapping[str, frozenset[str]] = {
    "TransportReady": frozenset(
        {"InvalidTransport", "QueueNameInvalid", "QueueConflict", "QueueMissing", "AuthFailed", "CredentialsMissing"}
    ),
    "WorkloadReady": frozenset(
        {
            "ValidationError",
            "PolicyViolation",
            "TimeoutTooLong",
            "ServiceAccountConflict",
            "InvalidTemplate",
            "ImmutableField",
        }
    ),
    "ScalingReady": frozenset({"ScaledObjectRefused"}),
}
"""Condition -> reasons that no waiting mends."""
