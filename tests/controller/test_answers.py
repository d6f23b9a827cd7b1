"""What answers of the API server mean."""

import pytest

from asya_controller.decide.answers import LATER, reaction
from tests.controller.worlds import NOW

TYPED = "failed to create typed patch object (ns/a; apps/v1, Kind=Deployment): .spec.foo: field not declared in schema"
WEBHOOK = 'admission webhook "policy.example.com" denied the request: no'
POLICY = "deployments.apps \"a\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no"
STATEFUL = 'StatefulSet.apps "a" is invalid: spec: Forbidden: updates to statefulset spec for fields other than'

ANSWERS = [
    ("Deployment", 422, 'Deployment.apps "a" is invalid: spec.template.spec.containers[0].image: Required value', "InvalidTemplate", None),
    ("Deployment", 400, "json: cannot unmarshal", "InvalidTemplate", None),
    ("Deployment", 500, TYPED, "InvalidTemplate", None),
    ("Deployment", 500, 'failed to convert new object: quantities must match', "InvalidTemplate", None),
    ("Deployment", 422, "spec.selector: Invalid value: field is immutable", "ImmutableField", None),
    ("StatefulSet", 422, STATEFUL, "ImmutableField", None),
    ("ScaledObject", 422, "spec.maxReplicaCount: Invalid value", "ScaledObjectRefused", None),
    ("Deployment", 403, WEBHOOK, "AdmissionDenied", LATER),
    ("Deployment", 422, POLICY, "AdmissionDenied", LATER),
    ("Deployment", 403, 'deployments.apps "a" is forbidden: exceeded quota: q', "AdmissionDenied", LATER),
    ("Deployment", 500, 'failed calling webhook "x": connection refused', "AdmissionDenied", LATER),
    ("ScaledObject", 400, 'admission webhook "vscaledobject.kb.io" denied the request', "ScaledObjectRefused", LATER),
    ("Deployment", 403, 'deployments.apps "a" is forbidden: User "c" cannot patch resource', "RBACDenied", LATER),
    ("Deployment", 500, "etcdserver: request timed out", "ApiError", None),
    ("Deployment", 503, "no endpoints", "ApiError", None),
    ("Deployment", 0, "timed out", "ApiError", None),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "code", "message", "reason", "again"), ANSWERS)
def test_a_refusal_has_the_tables_reason_and_patience(
    kind: str, code: int, message: str, reason: str, again: object
) -> None:
    found = reaction(kind, "a", code, message, {}, NOW)
    assert found.kind == "refused"
    assert found.refusal is not None
    assert (found.refusal.reason, found.refusal.message, found.again) == (reason, message, again)
    assert (found.refusal.since == NOW) is (reason == "ApiError")


@pytest.mark.parametrize(
    ("code", "message"), [(409, "conflict"), (422, "metadata.uid: Invalid value: field is immutable")]
)
def test_a_conflict_means_to_read_again(code: int, message: str) -> None:
    assert reaction("Deployment", "a", code, message, {}, NOW).kind == "reread"


@pytest.mark.parametrize(("code", "headers"), [(429, {}), (429, {"Retry-After": "1"}), (503, {"retry-after": "1"})])
def test_a_busy_server_is_waited_for_without_an_error(code: int, headers: dict[str, str]) -> None:
    assert reaction("Deployment", "a", code, "busy", headers, NOW).kind == "wait"


def test_the_servers_words_are_cut_and_masked() -> None:
    found = reaction("Deployment", "a", 422, "http://u:hunter2@h " + "x" * 900, {}, NOW).refusal
    assert found is not None
    assert (len(found.message), "hunter2" in found.message) == (512, False)
