"""Retry policies: which one applies to an error and how long to wait (contract: sidecar, Retries).

Used by the sidecar's settings (parsing) and decisions (matching, delay). Must not draw random numbers: the jitter
factor is a parameter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Backoff = Literal["constant", "linear", "exponential"]


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
    raise NotImplementedError


def parse_rules(text: str, policies: Mapping[str, RetryPolicy]) -> tuple[Rule, ...]:
    """Rules of `ASYA_RESILIENCY_RULES`. Raises PolicyError with every mistake, unknown policies included."""
    raise NotImplementedError


def match(
    rules: Sequence[Rule], policies: Mapping[str, RetryPolicy], error_type: str, mro: Sequence[str]
) -> RetryPolicy | None:
    """The policy for an error: first rule with a match, else policy `default`, else None."""
    raise NotImplementedError


def delay(policy: RetryPolicy, attempt: int, factor: float = 1.0) -> float:
    """Seconds to wait after failed attempt `attempt` (>= 1); `factor` is the jitter, 0.75 to 1.25, used if wanted."""
    raise NotImplementedError


def longest_delay(policy: RetryPolicy) -> float:
    """Longest wait in seconds the policy can ask for, so that a transport with less can warn at start."""
    raise NotImplementedError
