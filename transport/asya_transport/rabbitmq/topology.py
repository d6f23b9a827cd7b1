"""What is declared at the broker, with which arguments, and which delay tier a wait takes.

Pure (contract: sidecar, section 12). Used by transport.py, admin.py and whoever declares queues for sidecars.
"""

from collections.abc import Sequence
from typing import Any, Final

from asya_transport.port import DELIVERY_LIMIT
from asya_transport.rabbitmq.address import Tier

TIER_PREFIX: Final = "asya.delay."
UNLIMITED: Final = -1

_SAFE: Final = {"x-queue-type": "quorum", "x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}


def version_of(text: str) -> tuple[int, int]:
    """Major and minor of a server's version; (0, 0) when it cannot be read."""
    numbers = text.split(".")
    if len(numbers) < 2 or not (numbers[0].isdigit() and numbers[1].isdigit()):
        return 0, 0
    return int(numbers[0]), int(numbers[1])


def work_queue(dead_letters: str, delivery_limit: int = DELIVERY_LIMIT) -> dict[str, Any]:
    """Arguments of an actor's queue."""
    limits = {
        "x-delivery-limit": delivery_limit,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": dead_letters,
    }
    return _SAFE | limits


def dead_letter_queue(version: tuple[int, int]) -> dict[str, Any]:
    """Arguments of a dead-letter queue. No delivery limit: the absent argument before 4.0, where -1 would mean "at the first requeue"."""
    return {"x-queue-type": "quorum"} | ({"x-delivery-limit": UNLIMITED} if version >= (4, 0) else {})


def tier_queue(seconds: float) -> dict[str, Any]:
    """Arguments of the queue of a delay tier. Without a routing key of its own: the message's is the work queue's name."""
    return _SAFE | {"x-message-ttl": round(seconds * 1000), "x-dead-letter-exchange": ""}


def tier_for(tiers: Sequence[Tier], delay_s: float, longest_s: float | None = None) -> Tier | None:
    """The tier nearest in ratio, of two the shorter; none above `longest_s`. None: no tier, send at once."""
    allowed = [tier for tier in tiers if longest_s is None or tier[1] <= longest_s]
    if not allowed or delay_s < tiers[0][1] / 2:
        return None
    return min(allowed, key=lambda tier: (max(tier[1] / delay_s, delay_s / tier[1]), tier[1]))
