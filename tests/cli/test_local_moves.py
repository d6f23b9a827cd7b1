"""Which replicas start and stop, and how a process is told as a container (moves.py, container_status.py)."""

from datetime import UTC, datetime, timedelta

import pytest

from asya_cli.local.container_status import LONGEST_DELAY_S, Ended, Facts, container_status, restart_delay_s
from asya_cli.local.moves import Moves, Replica, moves

BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def new(ordinal: int, ready: bool = True) -> Replica:
    return Replica(ordinal, current=True, ready=ready, stopping=False)


def old(ordinal: int, ready: bool = True) -> Replica:
    return Replica(ordinal, current=False, ready=ready, stopping=False)


def going(ordinal: int) -> Replica:
    return Replica(ordinal, current=True, ready=False, stopping=True)


@pytest.mark.parametrize(
    ("present", "wanted", "expected"),
    [
        ([], 2, Moves(start=(0, 1))),
        ([new(0), new(1)], 2, Moves()),
        ([new(0), new(2)], 3, Moves(start=(1,))),
        ([new(0), new(1), new(2)], 1, Moves(stop=(1, 2))),
        ([new(0, ready=False), new(1)], 1, Moves(stop=(0,))),
        ([new(0)], 0, Moves(stop=(0,))),
        ([going(0)], 1, Moves(start=(1,))),
        ([old(0)], 1, Moves(start=(1,))),
        ([old(0), new(1, ready=False)], 1, Moves()),
        ([old(0), new(1)], 1, Moves(stop=(0,))),
        ([old(0, ready=False)], 1, Moves(start=(1,), stop=(0,))),
        ([old(0), old(1), new(2), new(3, ready=False)], 2, Moves(stop=(1,))),
    ],
)
def test_a_deployment_surges_and_lets_old_replicas_go_as_new_ones_are_ready(
    present: list[Replica], wanted: int, expected: Moves
) -> None:
    assert moves(present, wanted, stateful=False) == expected


@pytest.mark.parametrize(
    ("present", "wanted", "expected"),
    [
        ([], 2, Moves(start=(0, 1))),
        ([new(0), going(1)], 2, Moves()),
        ([new(0), new(1)], 1, Moves(stop=(1,))),
        ([old(0), old(1)], 2, Moves(stop=(1,))),
        ([old(0), new(1, ready=False)], 2, Moves()),
        ([old(0), new(1)], 2, Moves(stop=(0,))),
        ([old(0, ready=False), new(1)], 2, Moves(stop=(0,))),
    ],
)
def test_a_stateful_set_never_runs_two_replicas_of_one_number(
    present: list[Replica], wanted: int, expected: Moves
) -> None:
    assert moves(present, wanted, stateful=True) == expected


def test_the_first_restart_is_at_once_and_later_ones_wait_longer_up_to_a_limit() -> None:
    assert [restart_delay_s(n) for n in range(8)] == [0.0, 0.0, 0.5, 1.0, 2.0, 4.0, 8.0, LONGEST_DELAY_S]


def test_a_running_container_is_told_with_its_start() -> None:
    found = container_status(Facts("asya-runtime", running_since=BEGAN, ready=True))
    assert found["state"] == {"running": {"startedAt": "2026-01-02T03:04:05Z"}}
    assert (found["ready"], found["started"], found["restartCount"]) == (True, True, 0)


def test_a_crash_loop_is_told_with_the_last_exit_and_its_message() -> None:
    last = Ended(3, BEGAN, BEGAN + timedelta(seconds=1), message="ModuleNotFoundError: torchx")
    found = container_status(
        Facts("asya-runtime", waiting="CrashLoopBackOff", waiting_message="back-off", restarts=2, last=last)
    )
    assert found["state"] == {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
    assert found["lastState"]["terminated"]["exitCode"] == 3
    assert found["lastState"]["terminated"]["message"] == "ModuleNotFoundError: torchx"


def test_the_end_by_a_signal_has_the_exit_code_a_shell_shows() -> None:
    found = container_status(Facts("asya-sidecar", over=Ended(-9, BEGAN, BEGAN)))
    assert found["state"]["terminated"]["exitCode"] == 137
