"""The handler raised: again, elsewhere, or never?

Pure: from the policies, the attempt and the times, one of four verdicts (contract: sidecar, Retries). Called by outcome.py.
Must not draw the jitter's random factor: it is a parameter.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from asya_schemas import policies
from asya_schemas.errors import ErrorInfo
from asya_schemas.policies import RetryPolicy
from asya_sidecar.decide.admit import is_expired
from asya_sidecar.settings.model import Settings


@dataclass(frozen=True, slots=True)
class Again:
    """O3: the next attempt, after a wait."""

    policy: RetryPolicy
    delay_s: float


@dataclass(frozen=True, slots=True)
class NoPolicy:
    """O4: nothing says that this error is worth another attempt."""


@dataclass(frozen=True, slots=True)
class Exhausted:
    """O5, O6: attempts or duration are used up."""

    policy: RetryPolicy


@dataclass(frozen=True, slots=True)
class TooLate:
    """O7: the next attempt would find the deadline passed."""

    policy: RetryPolicy


Verdict = Again | NoPolicy | Exhausted | TooLate


def after_error(
    settings: Settings,
    error: ErrorInfo,
    *,
    attempt: int,
    first_attempt: datetime,
    deadline: datetime | None,
    now: datetime,
    factor: float,
    max_delay_s: float | None,
) -> Verdict:
    """The verdict after failed attempt `attempt` (>= 1); `max_delay_s` is the longest wait of the transport."""
    policy = policies.match(settings.rules, settings.policies, error.type, error.mro or ())
    if policy is None:
        return NoPolicy()
    if attempt >= policy.max_attempts:
        return Exhausted(policy)
    delay_s = policies.delay(policy, attempt, factor)
    if max_delay_s is not None:
        delay_s = min(delay_s, max_delay_s)
    begins = now + timedelta(seconds=delay_s)
    if policy.max_duration_s is not None and begins > first_attempt + timedelta(seconds=policy.max_duration_s):
        return Exhausted(policy)
    if is_expired(deadline, begins):
        return TooLate(policy)
    return Again(policy, delay_s)
