"""Durations of an AsyncActor as whole nanoseconds, the way the API server's CEL counts them.

Called by `effective`, `rules` and `validate`. Integers, because V11 compares: 59.9s100ms is exactly one minute.
Without pydantic. Durations of envelopes are another matter: `asya_schemas.durations`.
"""

import re
from fractions import Fraction

NANOSECONDS_PER_S = 1_000_000_000
# The longest the contract allows anywhere.
LONGEST_NS = 24 * 3600 * NANOSECONDS_PER_S
_UNIT_NS = {"ms": 1_000_000, "s": NANOSECONDS_PER_S, "m": 60 * NANOSECONDS_PER_S, "h": 3600 * NANOSECONDS_PER_S}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_WHOLE = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h))+")


def nanoseconds(text: str) -> int:
    """The duration's length; parts below a nanosecond are cut off.

    Raises:
        ValueError: not of the form 1h30m, 90s, 500ms.
    """
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"expected a duration such as 90s, 1m30s or 500ms, got {text!r}")
    return sum(int(Fraction(number) * _UNIT_NS[unit]) for number, unit in _PART.findall(text))


def whole_seconds(length_ns: int) -> int:
    """Seconds, part seconds rounded up (contract: crd, `resiliency.actorTimeout`)."""
    return -(-length_ns // NANOSECONDS_PER_S)
