"""May the handler be called for this delivery?

Pure: steps 1 to 7 of the order of checks (contract: sidecar, Order of checks) as a list that reads like it. Called by act/consumer.py
for every delivery; steps 8 and 9 need the gateway and the runtime and stand there.
"""

from datetime import datetime, timedelta
from typing import Final

import msgspec
from msgspec.structs import replace

from asya_schemas import envelope as envelopes
from asya_schemas import limits
from asya_schemas.envelope import Envelope
from asya_schemas.errors import ErrorInfo
from asya_schemas.refusal import Refused
from asya_sidecar.decide import ends
from asya_sidecar.decide.decision import Decision, Rules

LEAST_LEFT: Final = timedelta(seconds=1)
"""A call with less time left is not begun: the deadline would meet it in the middle."""


class Call(msgspec.Struct, frozen=True):
    """The handler may be called."""

    envelope: Envelope
    """As received, with `trace_id`, and with the status of the call."""
    body: bytes
    """What the runtime gets."""
    limit_s: float
    attempt: int
    began: datetime
    """Wall clock: the start of the attempt."""


def read(rules: Rules, body: bytes, message_id: str | None, now: datetime) -> Envelope | Decision:
    """Steps 1 and 2: the envelope, stamped; or malformed (O17)."""
    try:
        return envelopes.stamped(envelopes.parse(body, rules.reader_bytes))
    except Refused as refusal:
        return ends.malformed(rules, body, message_id, refusal, now)


def admit(rules: Rules, envelope: Envelope, deliveries: int, now: datetime) -> Call | Decision:
    """Steps 4 to 7, for an ordinary actor; `deliveries` counts this one."""
    own = rules.settings.actor_name
    if deliveries > rules.settings.max_deliveries:
        text = f"runtime died while handling this envelope, {deliveries} deliveries"
        return ends.failure(rules, envelope, "Crashed", "runtime_crashed", ErrorInfo("Crashed", text), now)
    if envelope.route.curr != own:
        text = f"Route mismatch: expected: {own}, actual: {envelope.route.curr}"
        return ends.failure(rules, envelope, "RouteMismatch", "route_mismatch", ErrorInfo("RouteMismatch", text), now)
    if envelope.route.hops >= limits.MAX_HOPS:
        text = f"hop limit of {limits.MAX_HOPS} reached"
        return ends.failure(rules, envelope, "HopLimit", "hop_limit", ErrorInfo("HopLimit", text), now)
    deadline = envelope.status.deadline
    if is_expired(deadline, now):
        return ends.expired(rules, envelope, None, now)
    return _call(rules, envelope, deadline, now)


def _call(rules: Rules, envelope: Envelope, deadline: datetime | None, now: datetime) -> Call | Decision:
    own = rules.settings.actor_name
    limit_s = rules.settings.actor_timeout_s
    if deadline is not None:
        limit_s = min(limit_s, (deadline - now).total_seconds())
    status = envelope.status.handed_over(own, now)
    handed = replace(envelope, status=status)
    body = envelopes.encode(handed)
    if len(body) > rules.reader_bytes:
        return ends.too_large_input(rules, envelope, now)
    return Call(handed, body, limit_s, status.attempt, now)


def is_expired(deadline: datetime | None, moment: datetime) -> bool:
    """Step 7: at `moment` less than a second is left."""
    return deadline is not None and deadline - moment < LEAST_LEFT
