"""Is the actor Ready, and if not, is it Reconciling or Stalled?

Called by status.py with the value already known (contract: crd, Conditions). Exactly one of the three is True, except that an actor
which is Ready has neither of the others: the invariant by which `kubectl wait`, Flux and Argo CD read it.
"""

from datetime import timedelta

from asya_controller.decide.assessment import Assessment
from asya_controller.decide.conditions import Verdict, before
from asya_controller.decide.counts import progressing
from asya_controller.decide.pods import time_of
from asya_controller.decide.reasons import CLASS_ORDER, FOUND_ON_PODS, STALLED_AT_ONCE

PATIENCE = timedelta(minutes=10)
"""A workload that has been wrong for this long is not expected to mend itself."""
GOOD = frozenset({"Running", "Napping"})
SCALING = frozenset({"ScalingUp", "ScalingDown"})
DEADLINE = "ProgressDeadlineExceeded"


def ready(found: Assessment, value: str, message: str) -> Verdict:
    """Ready. Autoscaling never takes it away, and nobody has it before running or napping once."""
    if value not in GOOD | SCALING:
        return Verdict("False", value, message)
    if found.counts.rollout:
        return Verdict("False", "RolloutInProgress", "pods are being replaced")
    if found.scaling and found.scaling.status == "Unknown":
        return Verdict("False", "WaitingForKEDA", found.scaling.message)
    if value in GOOD:
        return Verdict("True", value, "the actor does its work" if value == "Running" else "nothing to do")
    former = before(found.world, "Ready")
    return Verdict("True" if former and former.true else "False", value, message)


def progress(
    found: Assessment, value: str, is_ready: Verdict, workload_since: str | None
) -> tuple[str, Verdict] | None:
    """`Reconciling` or `Stalled` with its verdict, None when the actor is Ready.

    `workload_since` is when WorkloadReady took its present status.
    """
    if is_ready.true:
        return None
    if value != "Terminating" and (stalled := stalled_by(found, value, workload_since)):
        return "Stalled", Verdict("True", *stalled)
    return "Reconciling", Verdict("True", reconciling_reason(found, value, is_ready), is_ready.message)


def stalled_by(found: Assessment, value: str, workload_since: str | None) -> tuple[str, str] | None:
    """Reason and message when waiting is not expected to help."""
    if value == "Creating":
        return None
    verdicts = {"TransportReady": found.transport, "WorkloadReady": found.workload, "ScalingReady": found.scaling}
    for kind, verdict in verdicts.items():
        if verdict and verdict.false and verdict.reason in STALLED_AT_ONCE[kind]:
            return verdict.reason, verdict.message
    since = time_of(workload_since)
    if found.workload.false and since and found.now - since >= PATIENCE:
        return found.workload.reason, found.workload.message
    deployment = progressing(found.world.workload)
    if deployment.get("reason") == DEADLINE:
        return DEADLINE, "the Deployment made no progress within its deadline"
    return None


def reconciling_reason(found: Assessment, value: str, is_ready: Verdict) -> str:
    """What is being waited for."""
    if value in ("Creating", "Terminating"):
        return value
    if is_ready.reason in ("RolloutInProgress", "WaitingForKEDA"):
        return is_ready.reason
    on_pods = value in CLASS_ORDER and found.workload.reason in FOUND_ON_PODS
    return "WaitingForPods" if on_pods or value in SCALING or value == "Degraded" else "Retrying"
