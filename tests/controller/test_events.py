"""What is told as an Event: beginnings and ends, never states."""

import pytest

from asya_controller.decide.events import annotation_events, transitions
from asya_controller.decide.reasons import ERROR_STATUSES


def told(before: dict[str, object], after: dict[str, object]) -> list[tuple[str, str]]:
    return [(item.type, item.reason) for item in transitions(before, after)]


@pytest.mark.parametrize("value", sorted(ERROR_STATUSES | {"Degraded"}))
def test_a_fault_is_told_under_its_own_name_when_it_begins(value: str) -> None:
    before, after = {"status": "Running"}, {"status": value, "message": "why"}
    assert told(before, after) == [("Warning", value)]
    assert told(after, after) == []
    assert transitions(before, after)[0].message == "why"


def test_the_end_of_a_fault_is_told_as_recovered() -> None:
    assert told({"status": "RuntimeError"}, {"status": "Running"}) == [("Normal", "Recovered")]


@pytest.mark.parametrize("value", ["ConfigError", "Terminating"])
def test_another_fault_or_a_deletion_is_no_recovery(value: str) -> None:
    assert ("Normal", "Recovered") not in told({"status": "RuntimeError"}, {"status": value})


def test_without_scaling_a_changed_count_is_no_event() -> None:
    manual = {"status": "Running", "scalingMode": "Manual"}
    assert told({**manual, "desiredReplicas": 1}, {**manual, "desiredReplicas": 0}) == []


@pytest.mark.parametrize(
    ("policy", "number"), [("Retain", 0), ("Delete", 0), ("DeleteIfEmpty", 0), ("delete", 1), ("", 1)]
)
def test_an_unknown_deletion_policy_is_told(policy: str, number: int) -> None:
    found = annotation_events({"asya.sh/deletion-policy": policy})
    assert [item.reason for item in found] == ["InvalidAnnotation"] * number
