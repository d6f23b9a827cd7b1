"""What an envelope says about its end, read leniently (contract: envelope, Status; gateway, Crew).

Pure. Called by end.py with the envelope as the runtime hands it over: it may have come from an old producer or from
curl, so every member may be missing or of another type.
"""

from dataclasses import dataclass
from typing import Any

KEPT_PHASES = frozenset({"failed", "canceled", "paused"})
"""Every other phase, and none, counts as the outcome the end actor stands for."""


@dataclass(frozen=True)
class Ending:
    """How one envelope ended."""

    envelope_id: str
    trace_id: str
    status: str
    reason: str | None
    replays: int
    error: dict[str, Any]
    """`type`, `message`, `mro`, `traceback`, as far as known."""


def ending_of(envelope: dict[str, Any], default_status: str) -> Ending:
    """Read an envelope that reached an end actor; `default_status` is what no phase means there.

    Raises:
        ValueError: it has no id, so nothing can be stored under its name.
    """
    envelope_id = envelope.get("id")
    if not isinstance(envelope_id, str) or not envelope_id:
        raise ValueError(f"the envelope has no usable 'id': expected a text, got {type(envelope_id).__name__}")
    headers, status = _object(envelope, "headers"), _object(envelope, "status")
    trace_id = headers.get("trace_id")
    phase, reason = status.get("phase"), status.get("reason")
    count = _object(headers, "x-asya-replay").get("count")
    return Ending(
        envelope_id=envelope_id,
        trace_id=trace_id if isinstance(trace_id, str) else envelope_id,
        status=phase if isinstance(phase, str) and phase in KEPT_PHASES else default_status,
        reason=reason if isinstance(reason, str) else None,
        replays=count if isinstance(count, int) and not isinstance(count, bool) and count > 0 else 0,
        error=_object(status, "error") or _object(envelope.get("payload"), "details"),
    )


def final_payload(envelope: dict[str, Any]) -> Any:
    """What a person wants to see: of an error envelope the payload that failed, as the error is told apart."""
    payload = envelope.get("payload")
    if isinstance(payload, dict) and "error" in payload and "details" in payload and "original_payload" in payload:
        return payload["original_payload"]
    return payload


def route_of(envelope: dict[str, Any]) -> dict[str, Any]:
    """The route in the shape we write; an envelope-mode handler is given both."""
    route = _object(envelope, "route")
    return {member: route[member] for member in ("prev", "curr", "next") if member in route} or route


def _object(holder: Any, member: str) -> dict[str, Any]:
    value = holder.get(member) if isinstance(holder, dict) else None
    return value if isinstance(value, dict) else {}
