"""What is wrong with a document: one value per mistake, for people and for status.

Made by `validate`, `metadata` and `advice`; printed by the command, written to status by the controller.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from asya_schemas.actor.paths import Path

SHOWN_VALUE_CHARACTERS = 80


class Cause(StrEnum):
    """Kind of a mistake."""

    TYPE = "type"
    REQUIRED = "required"
    VALUE = "value"
    DUPLICATE = "duplicate"
    UNKNOWN = "unknown"
    RULE = "rule"
    ADVICE = "advice"


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake.

    Attributes:
        path: of the field; for a missing one, of the field that should be there. `()` is the whole document.
        message: the whole sentence. Rules have their fixed text; everything else names the path itself.
        rule: `V4` and the like, None for everything else.
        suggestion: what was probably meant; already part of `message`.
    """

    path: Path
    message: str
    cause: Cause
    rule: str | None = None
    suggestion: str | None = None
    severity: Severity = Severity.ERROR

    @property
    def unknown_field(self) -> bool:
        """A field nobody knows: wrong in a file, pruned and so harmless in a stored object."""
        return self.cause is Cause.UNKNOWN


def shown(value: Any) -> str:
    """A value as a user would recognise it: JSON, cut where it gets long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN_VALUE_CHARACTERS else text[: SHOWN_VALUE_CHARACTERS - 3] + "..."


def near(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, or None."""
    from difflib import get_close_matches  # imported here: needed only when something is wrong

    by_lower = {candidate.lower(): candidate for candidate in known}
    found = get_close_matches(name.lower(), by_lower, n=1)
    return by_lower[found[0]] if found else None
