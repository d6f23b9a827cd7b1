"""Retry policies: which one applies to an error and how long to wait (contract: sidecar, Retries).

Used by the sidecar's settings (parsing) and decisions (matching, delay). Must not draw random numbers: the jitter
factor is a parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, cast, get_args

from asya_schemas import strictjson
from asya_schemas.durations import parse_duration
from asya_schemas.names import is_actor_name
from asya_schemas.refusal import Refused

Backoff = Literal["constant", "linear", "exponential"]

MAX_JITTER: Final = 1.25
_MAX_ATTEMPTS: Final = 100
_MAX_DURATION_S: Final = 24 * 3600.0
_MAX_ON_EXHAUSTED: Final = 8


class PolicyError(ValueError):
    """Every mistake found, one sentence each, in `mistakes`."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = tuple(mistakes)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Defaults are the contract's. `max_attempts` counts handler runs at this actor, the first included."""

    max_attempts: int = 3
    backoff: Backoff = "exponential"
    initial_delay_s: float = 1.0
    max_interval_s: float = 300.0
    max_duration_s: float | None = None
    jitter: bool = True
    on_exhausted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """The policy for errors that match one of the patterns."""

    errors: tuple[str, ...]
    policy: str


def parse_policies(text: str) -> dict[str, RetryPolicy]:
    """Policies of `ASYA_RESILIENCY_POLICIES`. Raises PolicyError with every mistake."""
    document = _json(text)
    if not isinstance(document, dict):
        raise PolicyError(['must be a JSON object from policy name to policy, like {"default": {"maxAttempts": 3}}'])
    mistakes: list[str] = []
    policies = {name: _policy(name, members, mistakes) for name, members in document.items()}
    if mistakes:
        raise PolicyError(mistakes)
    return policies


def parse_rules(text: str, policies: Mapping[str, RetryPolicy]) -> tuple[Rule, ...]:
    """Rules of `ASYA_RESILIENCY_RULES`. Raises PolicyError with every mistake, unknown policies included."""
    document = _json(text)
    if not isinstance(document, list):
        raise PolicyError(['must be a JSON list of rules, like [{"errors": ["ValueError"], "policy": "default"}]'])
    mistakes: list[str] = []
    rules = [_rule(f"rule {index}", members, policies, mistakes) for index, members in enumerate(document)]
    if mistakes:
        raise PolicyError(mistakes)
    return tuple(rules)


def match(
    rules: Sequence[Rule], policies: Mapping[str, RetryPolicy], error_type: str, mro: Sequence[str]
) -> RetryPolicy | None:
    """The policy for an error: first rule with a match, else policy `default`, else None."""
    candidates = (error_type, *mro)
    for rule in rules:
        if any(_matches(pattern, candidate) for pattern in rule.errors for candidate in candidates):
            return policies[rule.policy]
    return policies.get("default")


def delay(policy: RetryPolicy, attempt: int, factor: float = 1.0) -> float:
    """Seconds to wait after failed attempt `attempt` (>= 1); `factor` is the jitter, 0.75 to 1.25, used if wanted."""
    steps: dict[Backoff, float] = {
        "constant": 1,
        "linear": attempt,
        # Beyond 2^64 every wait has met its bound, and a float would overflow in the end.
        "exponential": 2 ** min(attempt - 1, 64),
    }
    wait_s = policy.initial_delay_s * steps[policy.backoff] * (factor if policy.jitter else 1.0)
    return min(wait_s, policy.max_interval_s)


def longest_delay(policy: RetryPolicy) -> float:
    """Longest wait in seconds the policy can ask for, so that a transport with less can warn at start."""
    return 0.0 if policy.max_attempts < 2 else delay(policy, policy.max_attempts - 1, MAX_JITTER)


def _matches(pattern: str, candidate: str) -> bool:
    return pattern == (candidate if "." in pattern else candidate.rpartition(".")[2])


def _json(text: str) -> Any:
    try:
        return strictjson.loads(text.encode("utf-8", "replace"))
    except Refused as refusal:
        raise PolicyError([f"is no JSON: {refusal.message.removeprefix('body is not valid JSON: ')}"]) from None


def _policy(name: str, members: Any, mistakes: list[str]) -> RetryPolicy:
    if not isinstance(members, dict):
        mistakes.append(f"policy {name!r} must be a JSON object")
        return RetryPolicy()
    values: dict[str, Any] = {}
    for member, value in members.items():
        if member not in _MEMBERS:
            mistakes.append(f"policy {name!r} has no member {member!r}; there are {', '.join(_MEMBERS)}")
        elif value is not None:
            field, read = _MEMBERS[member]
            try:
                values[field] = read(value)
            except ValueError as error:
                mistakes.append(f"policy {name!r}: {member} {error}")
    return RetryPolicy(**values)


def _rule(name: str, members: Any, policies: Mapping[str, RetryPolicy], mistakes: list[str]) -> Rule:
    if not isinstance(members, dict):
        mistakes.append(f"{name} must be a JSON object")
        return Rule((), "")
    mistakes += [f"{name} has no member {member!r}; there are errors, policy" for member in members.keys() - _RULE]
    errors, policy = members.get("errors"), members.get("policy")
    if not isinstance(errors, list) or not errors or not all(isinstance(item, str) and item for item in errors):
        mistakes.append(f"{name}: errors must be a list of class names")
        errors = []
    if not isinstance(policy, str) or policy not in policies:
        known = ", ".join(sorted(policies)) or "none"
        mistakes.append(f"{name} names policy {policy!r}, which is not among the policies ({known})")
    return Rule(tuple(errors), str(policy))


def _attempts(value: Any) -> int:
    if type(value) is not int or not 1 <= value <= _MAX_ATTEMPTS:
        raise ValueError(f"must be an integer from 1 to {_MAX_ATTEMPTS}, not {value!r}")
    return value


def _backoff(value: Any) -> Backoff:
    if value not in get_args(Backoff):
        raise ValueError(f"must be one of {', '.join(get_args(Backoff))}, not {value!r}")
    return cast(Backoff, value)


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"must be a duration like 30s, not {value!r}")
    seconds = parse_duration(value) if isinstance(value, str) else float(value)
    if not 0 <= seconds <= _MAX_DURATION_S:
        raise ValueError(f"must be from 0s to 24h, not {value!r}")
    return seconds


def _positive(value: Any) -> float:
    seconds = _seconds(value)
    if seconds == 0:
        raise ValueError(f"must be above 0, not {value!r}")
    return seconds


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {value!r}")
    return value


def _names(value: Any) -> tuple[str, ...]:
    names = value if isinstance(value, list) else [None]
    if len(names) > _MAX_ON_EXHAUSTED or not all(isinstance(name, str) and is_actor_name(name) for name in names):
        raise ValueError(f"must be a list of at most {_MAX_ON_EXHAUSTED} actor names, not {value!r}")
    return tuple(names)


_RULE: Final = frozenset(("errors", "policy"))
_MEMBERS: Final[Mapping[str, tuple[str, Callable[[Any], Any]]]] = {
    "maxAttempts": ("max_attempts", _attempts),
    "backoff": ("backoff", _backoff),
    "initialDelay": ("initial_delay_s", _seconds),
    "maxInterval": ("max_interval_s", _positive),
    "maxDuration": ("max_duration_s", _positive),
    "jitter": ("jitter", _boolean),
    "onExhausted": ("on_exhausted", _names),
}
