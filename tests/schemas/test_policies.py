"""Which policy applies and how long to wait (contract: sidecar, Retries)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asya_schemas.policies import (
    PolicyError,
    RetryPolicy,
    Rule,
    delay,
    longest_delay,
    match,
    parse_policies,
    parse_rules,
)

NEVER, DEFAULT = RetryPolicy(max_attempts=1), RetryPolicy()
POLICIES = {"never": NEVER, "default": DEFAULT}


def test_an_empty_policy_has_the_contract_s_defaults() -> None:
    assert parse_policies('{"default":{}}') == {"default": RetryPolicy(3, "exponential", 1.0, 300.0, None, True, ())}


def test_reads_every_member() -> None:
    text = (
        '{"p":{"maxAttempts":10,"backoff":"linear","initialDelay":"30s","maxInterval":"1m",'
        '"maxDuration":"1h","jitter":false,"onExhausted":["manual-review"]}}'
    )
    assert parse_policies(text) == {"p": RetryPolicy(10, "linear", 30.0, 60.0, 3600.0, False, ("manual-review",))}


def test_every_mistake_is_named_at_once() -> None:
    text = '{"p":{"maxAttempts":0,"backoff":"square","initialDelay":"abc","speed":1,"jitter":"yes"},"q":5}'
    with pytest.raises(PolicyError) as error:
        parse_policies(text)
    words = ["maxAttempts", "square", "abc", "speed", "jitter", "'q'"]
    assert [word in mistake for word, mistake in zip(words, error.value.mistakes, strict=True)] == [True] * 6


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"p":{"maxAttempts":true}}',
        '{"p":{"maxAttempts":2.0}}',
        '{"p":{"maxAttempts":101}}',
        '{"p":{"maxInterval":"0s"}}',
        '{"p":{"maxDuration":"25h"}}',
        '{"p":{"initialDelay":true}}',
        '{"p":{"initialDelay":-1}}',
        '{"p":{"onExhausted":"rescue"}}',
        '{"p":{"onExhausted":["A_b"]}}',
        '{"p":{"backoff":[]}}',
    ],
)
def test_a_wrong_policy_is_refused(text: str) -> None:
    with pytest.raises(PolicyError):
        parse_policies(text)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{}",
        "[1]",
        '[{"errors":[],"policy":"never"}]',
        '[{"errors":["E"],"policy":"gone"}]',
        '[{"errors":["E"],"policy":"never","x":1}]',
    ],
)
def test_a_wrong_rule_is_refused(text: str) -> None:
    with pytest.raises(PolicyError):
        parse_rules(text, POLICIES)


def test_a_rule_names_the_unknown_policy() -> None:
    with pytest.raises(PolicyError, match=r"'gone'.*default, never"):
        parse_rules('[{"errors":["E"],"policy":"gone"}]', POLICIES)


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("json.decoder.JSONDecodeError", True),
        ("JSONDecodeError", True),
        ("other.JSONDecodeError", False),
        ("decoder.JSONDecodeError", False),
        ("ValueError", True),
        ("Exception", True),
        ("Error", False),
    ],
)
def test_a_pattern_matches_the_class_or_an_ancestor(pattern: str, matches: bool) -> None:
    found = match([Rule((pattern,), "never")], POLICIES, "json.decoder.JSONDecodeError", ("ValueError", "Exception"))
    assert found is (NEVER if matches else DEFAULT)


def test_the_first_rule_with_a_match_decides() -> None:
    rules = [Rule(("OSError",), "never"), Rule(("Exception",), "default"), Rule(("KeyError",), "never")]
    assert match(rules, POLICIES, "KeyError", ("LookupError", "Exception")) is DEFAULT


def test_without_rule_and_default_there_is_no_policy() -> None:
    assert match([], {"never": NEVER}, "KeyError", ()) is None


@pytest.mark.parametrize(
    ("backoff", "waits"), [("constant", [2, 2, 2, 2]), ("linear", [2, 4, 6, 8]), ("exponential", [2, 4, 8, 10])]
)
def test_waits_grow_as_the_backoff_says_up_to_the_bound(backoff: str, waits: list[float]) -> None:
    policy = parse_policies(f'{{"p":{{"backoff":"{backoff}","initialDelay":"2s","maxInterval":"10s"}}}}')["p"]
    assert [delay(policy, attempt) for attempt in (1, 2, 3, 4)] == waits


def test_jitter_multiplies_and_is_bounded_too() -> None:
    policy = RetryPolicy(initial_delay_s=8, max_interval_s=9)
    assert [delay(policy, 1, factor) for factor in (0.75, 1.0, 1.25)] == [6, 8, 9]


def test_without_jitter_the_factor_changes_nothing() -> None:
    assert delay(RetryPolicy(jitter=False), 1, 1.25) == 1.0


def test_no_delay_stays_none() -> None:
    assert delay(RetryPolicy(initial_delay_s=0), 5, 1.25) == 0


@given(st.integers(1, 10**6), st.floats(0.75, 1.25), st.sampled_from(["constant", "linear", "exponential"]))
def test_no_wait_is_longer_than_the_longest(attempt: int, factor: float, backoff: str) -> None:
    policy = RetryPolicy(max_attempts=attempt + 1, backoff=backoff)  # type: ignore[arg-type]
    assert 0 < delay(policy, attempt, factor) <= longest_delay(policy) <= policy.max_interval_s
