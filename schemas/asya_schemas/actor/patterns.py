"""Forms that a single value may have, each with the words in which we tell a user what was expected.

Used by the models (`shapes`), by `validate` and by whoever checks a name. Without pydantic.
Source: contract: crd, sections 2 and 4.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from asya_schemas.actor.timespan import LONGEST_NS, nanoseconds

DNS_LABEL_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
DURATION_PATTERN = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"
DECIMAL_PATTERN = r"^[0-9]+(\.[0-9]+)?$"
DOTTED_NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$"
POLICY_NAME_PATTERN = r"^[A-Za-z0-9_-]{1,63}$"
# Kubernetes' form of a quantity: a decimal number with a sign, a suffix or an exponent.
_NUMBER = r"([0-9]+(\.[0-9]*)?|\.[0-9]+)"
QUANTITY_PATTERN = rf"^[+-]?{_NUMBER}([KMGTPE]i|[numkMGTPE]|[eE][+-]?{_NUMBER})?$"

WORDS: Mapping[str, str] = {
    DNS_LABEL_PATTERN: "a DNS label (a-z, 0-9, '-')",
    DURATION_PATTERN: "a duration such as 90s, 1m30s or 500ms",
    DECIMAL_PATTERN: "a decimal number in quotes",
    DOTTED_NAME_PATTERN: "a dotted name such as ValueError or openai.RateLimitError",
    QUANTITY_PATTERN: "a quantity such as 500m or 2Gi",
}


@dataclass(frozen=True, slots=True)
class ValueRule:
    """What a pattern cannot say of one value: as CEL for the API server, as a function for us."""

    message: str
    cel: str
    holds: Callable[[str], bool]


def _duration_rule(message: str, lowest: str, comparison: str, lowest_ns: int) -> ValueRule:
    # A text that is no duration is the pattern's to refuse; duration() would fail on it with words nobody understands.
    escaped = DURATION_PATTERN.replace("\\", "\\\\")
    within = f"(duration(self) {comparison} duration('{lowest}') && duration(self) <= duration('24h'))"
    return ValueRule(
        message,
        f"!self.matches('{escaped}') || {within}",
        lambda text: lowest_ns <= nanoseconds(text) <= LONGEST_NS,
    )


ABOVE_ZERO = _duration_rule("must be a duration above 0s to 24h", "0s", ">", 1)
FROM_ZERO = _duration_rule("must be a duration from 0s to 24h", "0s", ">=", 0)
VALUE_RULES: Mapping[str, ValueRule] = {rule.message: rule for rule in (ABOVE_ZERO, FROM_ZERO)}
