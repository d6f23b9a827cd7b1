"""How soon a changed status may be written (contract: crd, Write rates)."""

from typing import Any

import pytest

from asya_controller.decide.rates import write_in

BASE: dict[str, Any] = {
    "status": "Running",
    "observedGeneration": 1,
    "readyReplicas": 1,
    "queuedMessages": 5,
    "conditions": [{"type": "Ready", "status": "True", "reason": "Running", "message": "m"}],
}


def test_the_same_status_is_never_written() -> None:
    assert write_in(BASE, dict(BASE), 1000) is None


@pytest.mark.parametrize(
    "change",
    [
        {"status": "Napping"},
        {"observedGeneration": 2},
        {"conditions": [{"type": "Ready", "status": "False", "reason": "Running", "message": "m"}]},
        {"conditions": [{"type": "Ready", "status": "True", "reason": "Napping", "message": "m"}]},
        {"lastScaleFormatted": "1m ago (up)"},
    ],
)
def test_what_people_wait_for_is_written_at_once(change: dict[str, Any]) -> None:
    assert write_in(BASE, BASE | change, 0.0) == 0.0


def test_counters_are_written_once_a_second() -> None:
    assert write_in(BASE, BASE | {"readyReplicas": 2}, 0.25) == 0.75
    assert write_in(BASE, BASE | {"readyReplicas": 2}, 1.0) == 0.0


@pytest.mark.parametrize(
    ("before", "after", "wait"),
    [(5, 6, 30), (5, 0, 5), (0, 5, 5), (9, 10, 5), (10, 99, 30), (None, 3, 5), (3, None, 5), (100, 99, 5)],
)
def test_message_counts_are_written_rarely(before: int | None, after: int | None, wait: float) -> None:
    old = {key: value for key, value in (BASE | {"queuedMessages": before}).items() if value is not None}
    new = {key: value for key, value in (BASE | {"queuedMessages": after}).items() if value is not None}
    assert write_in(old, new, 0.0) == wait


def test_the_order_of_conditions_means_nothing() -> None:
    other = {"type": "Foreign", "status": "True", "reason": "r", "message": ""}
    ours = BASE["conditions"][0]
    assert write_in(BASE | {"conditions": [ours, other]}, BASE | {"conditions": [other, ours]}, 9) is None
