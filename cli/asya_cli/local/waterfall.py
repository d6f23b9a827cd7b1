"""The way of an envelope as a picture in text: one line per hop, with bars for queue, sidecar and handler. Pure.

Called by `asya trace` with the hops that `hops.py` has read.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from asya_cli.local.hops import Hop

QUEUE, SIDECAR, HANDLER = "·", "-", "█"


def waterfall(hops: Sequence[Hop], width: int = 100) -> str:
    """One line per hop: actor, attempt, times, a bar on a common scale, outcome."""
    if not hops:
        return ""
    begin, end = min(hop.sent_at for hop in hops), max(hop.ended_at for hop in hops)
    names = [hop.actor + (f" #{hop.attempt}" if hop.attempt > 1 else "") for hop in hops]
    label = max(8, *(len(name) for name in names))
    room = max(20, min(60, width - label - 45))
    head = f"{'ACTOR':<{label}}  {'AT':>9}  {'QUEUE':>9}  {'HANDLER':>9}  {'TOTAL':>9}  {'':<{room}}  OUTCOME"
    lines = [head]
    for name, hop in zip(names, hops, strict=True):
        times = "  ".join(
            f"{_ms(value):>9}"
            for value in (_gap(begin, hop.arrived_at), hop.queue_wait_ms, hop.handler_ms, hop.total_ms)
        )
        lines.append(f"{name:<{label}}  {times}  {bar(hop, begin, end, room):<{room}}  {_outcome(hop)}")
    legend = f"{QUEUE} queue  {SIDECAR} sidecar  {HANDLER} handler; {_ms(_gap(begin, end))} in all"
    return "\n".join([*lines, legend])


def bar(hop: Hop, begin: datetime, end: datetime, room: int) -> str:
    """The hop on a scale of `room` characters between the two times; every part that took place is seen."""
    scale = room / max(_gap(begin, end), 0.001)
    start, arrived, ended = (int(_gap(begin, moment) * scale) for moment in (hop.sent_at, hop.arrived_at, hop.ended_at))
    ended = min(room, max(ended, arrived + 1))
    arrived = min(arrived, room - 1)
    handler = min(ended - arrived, max(1, round((hop.handler_ms or 0.0) * scale))) if hop.handler_ms is not None else 0
    cells = QUEUE * (arrived - start) + HANDLER * handler + SIDECAR * (ended - arrived - handler)
    return " " * start + cells


def as_data(hops: Sequence[Hop]) -> list[dict[str, Any]]:
    """The same for programs."""
    return [
        {
            "envelopeId": hop.envelope_id,
            "traceId": hop.trace_id,
            "actor": hop.actor,
            "pod": hop.pod,
            "attempt": hop.attempt,
            "arrivedAt": hop.arrived_at.isoformat(),
            "queueWaitMs": hop.queue_wait_ms,
            "handlerMs": hop.handler_ms,
            "totalMs": hop.total_ms,
            "outcome": hop.outcome,
            "reason": hop.reason,
            "destinations": list(hop.destinations),
            "error": hop.error,
        }
        for hop in hops
    ]


def _outcome(hop: Hop) -> str:
    text = hop.outcome + (f" ({hop.reason})" if hop.reason and hop.outcome != "success" else "")
    return f"{text}: {hop.error}" if hop.error else text


def _gap(begin: datetime, end: datetime) -> float:
    return (end - begin).total_seconds() * 1000


def _ms(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value / 1000:.2f} s" if value >= 1000 else f"{value:.1f} ms"
