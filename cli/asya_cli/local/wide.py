"""The columns of `kubectl get asyncactors -o wide` (contract: crd, Columns). Pure; called by `get`."""

from datetime import UTC, datetime
from typing import Any

HEADER = (
    "NAME", "STATUS", "RUNNING", "PENDING", "FAILING", "TOTAL", "DESIRED", "MIN", "MAX", "LAST-SCALE", "AGE",
    "WORKLOAD", "TRANSPORT", "SCALING", "QUEUED", "PROCESSING",
)  # fmt: skip


def row(document: dict[str, Any], now: datetime) -> list[str]:
    """One actor; an absent value is an empty cell, as kubectl prints it."""
    status = document.get("status") or {}
    scaling = (document.get("spec") or {}).get("scaling") or {}
    # Stored defaults of the schema: present as soon as the block is.
    low, high = (scaling.get("minReplicas", 0), scaling.get("maxReplicas", 50)) if scaling else (None, None)
    cells = [
        document["metadata"]["name"],
        status.get("status"),
        status.get("readyReplicas"),
        status.get("pendingReplicas"),
        status.get("failingPods"),
        status.get("totalReplicas"),
        status.get("desiredReplicas"),
        low,
        high,
        status.get("lastScaleFormatted"),
        age(document["metadata"].get("creationTimestamp"), now),
        (status.get("workloadRef") or {}).get("kind"),
        status.get("transportStatus"),
        status.get("scalingMode"),
        status.get("queuedMessages"),
        status.get("processingMessages"),
    ]
    return ["" if cell is None else str(cell) for cell in cells]


def age(created: str | None, now: datetime) -> str:
    """kubectl's short form: 45s, 12m, 3h5m, 2d4h."""
    if not created:
        return ""
    seconds = max(0, int((now - datetime.fromisoformat(created).astimezone(UTC)).total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if days < 2:
        return f"{hours}h"
    return f"{days}d{hours % 24}h" if days < 8 and hours % 24 else f"{days}d"
