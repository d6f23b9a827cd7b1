"""What does an answer of the API server mean for the actor?

The table of contract: controller, Applying: an answer to an apply becomes a Refusal that shows in status, a re-read, or patience. Called
by whoever applied. Must not retry anything itself.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from asya_controller.decide.conditions import SCALING_KINDS
from asya_controller.decide.wording import LONGEST_SERVER_WORDS, cut, masked
from asya_controller.decide.world import Refusal

LATER = timedelta(minutes=5)
"""When a refusal that somebody may lift is tried again."""
_TYPED = ("failed to create typed patch object", "failed to convert new object")
_IMMUTABLE = re.compile(r"field is immutable|updates to statefulset spec")
# Who else may refuse a request: a webhook, a ValidatingAdmissionPolicy, a quota.
_ADMISSION = re.compile(r"admission webhook|ValidatingAdmissionPolicy|admission policy|exceeded quota|failed quota")


@dataclass(frozen=True, slots=True)
class Reaction:
    """What to do: `refused` shows `refusal` in status, `reread` starts over, `wait` obeys Retry-After without an error.

    `again` is when to try a refused apply again; None is never, until something changes (terminal), or by back-off for `ApiError`.
    """

    kind: Literal["refused", "reread", "wait"]
    refusal: Refusal | None = None
    again: timedelta | None = None


def reaction(child: str, name: str, code: int, message: str, headers: Mapping[str, str], since: datetime) -> Reaction:
    """The reaction to an answer other than 2xx about the object `name` of kind `child`; code 0 is no answer.

    `since` is the time of the first such answer in a row.
    """
    if code == 429 or (code == 503 and "retry-after" in {header.lower() for header in headers}):
        return Reaction("wait")
    if code == 409 or (code == 422 and "metadata.uid" in message):
        return Reaction("reread")
    reason, again = meaning(child, code, message)
    refusal = Refusal(
        child, name, reason, cut(masked(message), LONGEST_SERVER_WORDS), since if reason == "ApiError" else None
    )
    return Reaction("refused", refusal, again)


def meaning(child: str, code: int, message: str) -> tuple[str, timedelta | None]:
    """Reason of the condition, and when to try again."""
    scaling = child in SCALING_KINDS
    webhook = code == 500 and "failed calling webhook" in message
    if webhook or (400 <= code < 500 and _ADMISSION.search(message)):
        return "ScaledObjectRefused" if scaling else "AdmissionDenied", LATER
    if code in (400, 422) or (code == 500 and message.startswith(_TYPED)):
        if scaling:
            return "ScaledObjectRefused", None
        return "ImmutableField" if _IMMUTABLE.search(message) else "InvalidTemplate", None
    return ("RBACDenied", LATER) if code in (401, 403) else ("ApiError", None)
