"""One container in Kubernetes' words: states, restarts, back-off. Pure; called by `container.py` and `pod.py`.

`asya_controller.decide.status` judges pods by container states. This module words what happened to a local process in the
same way, so that the same fault has the same status here and in a cluster.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

# The kubelet waits 10 s .. 5 min; on a laptop somebody is looking at the screen.
FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 10.0


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of one life of a process. `code` is negative when a signal ended it."""

    code: int
    started_at: datetime
    finished_at: datetime
    message: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one container. Exactly one of running, waiting or over describes it now."""

    name: str
    running_since: datetime | None = None
    waiting: str = ""  # Kubernetes' reason, e.g. CrashLoopBackOff
    waiting_message: str = ""
    ready: bool = False
    restarts: int = 0
    last: Ended | None = None
    over: Ended | None = None


def restart_delay_s(failures: int) -> float:
    """Seconds to wait before the next start, after `failures` lives in a row that never became ready.

    None after the first, because a second try at once tells a crash loop from an accident without delaying a repair.
    """
    if failures <= 1:
        return 0.0
    return min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** (failures - 2))


def container_status(facts: Facts) -> dict[str, Any]:
    """The entry of `status.containerStatuses` for these facts."""
    status: dict[str, Any] = {
        "name": facts.name,
        "ready": facts.ready,
        "started": facts.running_since is not None,
        "restartCount": facts.restarts,
        "state": _state(facts),
    }
    if facts.last is not None:
        status["lastState"] = {"terminated": _terminated(facts.last)}
    return status


def _state(facts: Facts) -> dict[str, Any]:
    if facts.over is not None:
        return {"terminated": _terminated(facts.over)}
    if facts.running_since is not None:
        return {"running": {"startedAt": _time(facts.running_since)}}
    waiting = {"reason": facts.waiting or "ContainerCreating"}
    if facts.waiting_message:
        waiting["message"] = facts.waiting_message
    return {"waiting": waiting}


def _terminated(ended: Ended) -> dict[str, Any]:
    code = ended.code if ended.code >= 0 else 128 - ended.code  # as a shell and the kubelet count signals
    return {
        "exitCode": code,
        "reason": ended.reason or ("Completed" if code == 0 else "Error"),
        "message": ended.message,
        "startedAt": _time(ended.started_at),
        "finishedAt": _time(ended.finished_at),
    }


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
