"""What becomes of the queue of an actor that goes (contract: controller, Deletion)."""

from datetime import UTC, datetime, timedelta

import pytest

from asya_controller.decide.deletion import drain_until, forced, given_up_at, policy_of, removal_event
from asya_controller.decide.transports import Sqlite, Transport

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def transport(policy: str) -> Transport:
    config = Sqlite.model_validate({"path": "x", "deletionPolicy": policy})
    return Transport(type="sqlite", config=config)


def annotated(**annotations: str) -> dict[str, object]:
    return {
        "metadata": {"annotations": {f"asya.sh/{key.replace('_', '-')}": text for key, text in annotations.items()}}
    }


@pytest.mark.parametrize("policy", ["Delete", "DeleteIfEmpty", "Retain"])
def test_without_an_annotation_the_transport_decides(policy: str) -> None:
    assert policy_of({"metadata": {}}, transport(policy)) == policy


@pytest.mark.parametrize(
    ("word", "policy"), [("Delete", "Delete"), ("Retain", "Retain"), ("delete", "Retain"), ("", "Retain")]
)
def test_the_annotation_decides_and_a_word_nobody_knows_keeps_the_queue(word: str, policy: str) -> None:
    assert policy_of(annotated(deletion_policy=word), transport("Delete")) == policy


@pytest.mark.parametrize(("word", "is_forced"), [("true", True), ("True", False), ("1", False)])
def test_only_the_exact_word_forces(word: str, is_forced: bool) -> None:
    assert forced(annotated(force_delete=word)) is is_forced


def test_work_in_progress_gets_its_grace_and_a_minute() -> None:
    assert drain_until({"timeout": {"gracefulShutdown": 120}}, NOW) == NOW + timedelta(seconds=180)
    assert drain_until({"timeout": "broken"}, NOW) == NOW + timedelta(seconds=390)


@pytest.mark.parametrize(
    ("gone_s", "begun_s", "expected_s"), [(0, 0, 600), (100, 100, 700), (0, 500, 600), (0, 3600, 3620)]
)
def test_the_bound_counts_from_the_last_pod_and_is_not_renewed_by_a_restart(
    gone_s: int, begun_s: int, expected_s: int
) -> None:
    gone, begun, expected = (NOW + timedelta(seconds=seconds) for seconds in (gone_s, begun_s, expected_s))
    assert given_up_at(gone, begun, timedelta(minutes=10)) == expected


@pytest.mark.parametrize(
    ("result", "messages", "policy", "reason"),
    [
        ("deleted", 0, "DeleteIfEmpty", "QueueDeleted"),
        ("deleted", 12, "Delete", "QueueDeleted"),
        ("deleted", 1, "DeleteIfEmpty", "MessagesLost"),
        ("kept", 12, "DeleteIfEmpty", "QueueRetained"),
        ("retained", 0, "Retain", "QueueRetained"),
        ("foreign", 0, "Delete", "QueueRetained"),
        ("missing", 0, "Delete", None),
    ],
)
def test_what_became_of_a_queue_is_told(result: str, messages: int, policy: str, reason: str | None) -> None:
    event = removal_event("q", result, messages, policy)  # type: ignore[arg-type]
    assert (event.reason if event else None) == reason
