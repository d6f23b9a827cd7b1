"""Whether a failed attempt is followed by another (contract: sidecar, Retries)."""

import json
from datetime import timedelta
from typing import Any

from asya_schemas.errors import ErrorInfo
from asya_sidecar.decide.retry import Again, Exhausted, NoPolicy, TooLate, Verdict, after_error
from tests.support.decisions import NOW, rules

ERROR = ErrorInfo("ValueError", "no", ("Exception",))


def verdict(attempt: int = 1, began_s: float = 0.0, deadline_s: float | None = None, **policy: Any) -> Verdict:
    policies = json.dumps({"default": {"jitter": False} | policy})
    return after_error(
        rules(ASYA_RESILIENCY_POLICIES=policies).settings,
        ERROR,
        attempt=attempt,
        first_attempt=NOW - timedelta(seconds=began_s),
        deadline=None if deadline_s is None else NOW + timedelta(seconds=deadline_s),
        now=NOW,
        factor=1.25,
        max_delay_s=policy.pop("cut", None),
    )


def delay_of(found: Verdict) -> float:
    assert isinstance(found, Again)
    return found.delay_s


def test_without_policies_there_is_no_other_attempt() -> None:
    found = after_error(
        rules().settings, ERROR, attempt=1, first_attempt=NOW, deadline=None, now=NOW, factor=1.0, max_delay_s=None
    )
    assert found == NoPolicy()


def test_the_last_attempt_is_the_last() -> None:
    assert isinstance(verdict(2, maxAttempts=3), Again)
    assert isinstance(verdict(3, maxAttempts=3), Exhausted)


def test_an_attempt_beyond_the_policy_is_the_last_too() -> None:
    assert isinstance(verdict(7, maxAttempts=3), Exhausted)


def test_the_wait_grows_by_the_policys_rule() -> None:
    assert [delay_of(verdict(n, maxAttempts=9, backoff="linear", initialDelay="2s")) for n in (1, 2, 3)] == [2, 4, 6]
    assert [delay_of(verdict(n, maxAttempts=9, initialDelay="2s")) for n in (1, 2, 3)] == [2, 4, 8]


def test_the_wait_is_cut_to_the_longest_the_transport_knows() -> None:
    policies = json.dumps({"default": {"initialDelay": "1h", "maxInterval": "2h", "jitter": False}})
    found = after_error(
        rules(ASYA_RESILIENCY_POLICIES=policies).settings,
        ERROR,
        attempt=1,
        first_attempt=NOW,
        deadline=None,
        now=NOW,
        factor=1.0,
        max_delay_s=900,
    )
    assert delay_of(found) == 900


def test_no_attempt_begins_after_the_longest_duration() -> None:
    assert isinstance(verdict(began_s=8, maxDuration="10s", initialDelay="1s"), Again)
    assert isinstance(verdict(began_s=9.5, maxDuration="10s", initialDelay="1s"), Exhausted)


def test_no_attempt_is_scheduled_that_would_find_less_than_a_second_left() -> None:
    assert isinstance(verdict(deadline_s=10, initialDelay="9s"), Again)
    assert isinstance(verdict(deadline_s=10, initialDelay="9500ms"), TooLate)


def test_attempts_that_are_used_up_come_before_the_deadline() -> None:
    assert isinstance(verdict(3, deadline_s=1, maxAttempts=3), Exhausted)
