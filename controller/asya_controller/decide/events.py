"""Which transitions are worth an Event?

Called after status_of with the status before and after (contract: controller, Events). Events are data; somebody else emits them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Event:
    """One Event about the AsyncActor."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


def transitions(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Event, ...]:
    """Events for what changed between two statuses, in a fixed order."""
    raise AssertionError
