"""Warnings: what is accepted and probably not meant. Called by `validate`; never a reason to refuse anything."""

from collections.abc import Callable, Mapping
from typing import Any

from asya_schemas.actor.paths import Path
from asya_schemas.actor.problems import Cause, Problem, Severity

_Spec = Mapping[str, Any]


def advice(document: Mapping[str, Any]) -> list[Problem]:
    """Every warning for this document; none for one whose spec is not even an object."""
    spec = document.get("spec")
    if not isinstance(spec, Mapping):
        return []
    return [
        Problem(path, f"{'.'.join(map(str, path))}: {text}", Cause.ADVICE, severity=Severity.WARNING)
        for path, applies, text in _ADVICE
        if applies(spec)
    ]


def _block(spec: _Spec, *names: str) -> Mapping[str, Any]:
    node: Any = spec
    for name in names:
        node = node.get(name) if isinstance(node, Mapping) else None
    return node if isinstance(node, Mapping) else {}


def _type_without_kind(spec: _Spec) -> bool:
    workload = _block(spec, "workload")
    return workload.get("type") is not None and workload.get("kind") is None


def _replicas_unused(spec: _Spec) -> bool:
    return _block(spec, "workload").get("replicas") is not None and _block(spec, "scaling").get("enabled") is True


def _scaling_off(spec: _Spec) -> bool:
    scaling = spec.get("scaling")
    return isinstance(scaling, Mapping) and scaling.get("enabled") is not True and len(scaling) > ("enabled" in scaling)


def _target_without_formula(spec: _Spec) -> bool:
    advanced = _block(spec, "scaling", "advanced")
    return advanced.get("target") is not None and advanced.get("formula") is None


def _utilization(spec: _Spec) -> bool:
    return _block(spec, "scaling", "advanced").get("metricType") == "Utilization"


def _grace_below_processing(spec: _Spec) -> bool:
    timeout = _block(spec, "timeout")
    grace, processing = timeout.get("gracefulShutdown"), timeout.get("processing")
    return isinstance(grace, int) and isinstance(processing, int) and 0 < grace < processing


_ADVICE: tuple[tuple[Path, Callable[[_Spec], bool], str], ...] = (
    (("spec", "workload", "type"), _type_without_kind, "deprecated alias, use spec.workload.kind"),
    (("spec", "workload", "replicas"), _replicas_unused, "has no effect while spec.scaling.enabled is true"),
    (("spec", "scaling"), _scaling_off, "has no effect without enabled: true"),
    (("spec", "scaling", "advanced", "target"), _target_without_formula, "has no effect without a formula"),
    (("spec", "scaling", "advanced", "metricType"), _utilization, "KEDA refuses Utilization for queue metrics"),
    (
        ("spec", "timeout", "gracefulShutdown"),
        _grace_below_processing,
        "shorter than spec.timeout.processing: work that is unfinished then goes back to the queue",
    ),
)
