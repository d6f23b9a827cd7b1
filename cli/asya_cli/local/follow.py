"""Waits for the end of an envelope and tells its hops meanwhile. Called by `send --follow`.

The end is a file that an end actor stores; the hops are log lines. Both are looked at, because the files of a mesh are all
that another process has of it.
"""

import time
from collections.abc import Callable

from asya_cli.errors import Unreachable
from asya_cli.local.folder import Folder
from asya_cli.local.hops import Hop, hop_of, log_files
from asya_cli.local.meters import delivery
from asya_cli.local.outcome import SINK, SUMP, Outcome, outcome_of
from asya_cli.local.tail import Tail

STEP_S = 0.02
# Whether the mesh still runs is asked this often.
ALIVE_S = 1.0


# A sidecar writes its lines a moment after it has sent an envelope on, and may be overtaken by the end actor. One may also write none.
LAST_HOPS_S = 1.0
ONCE_MORE = ("retried", "returned")


class NotInTime(Exception):
    """The envelope has not ended within the time."""


def follow(
    folder: Folder, envelope_id: str, within_s: float | None, on_hop: Callable[[Hop], None], tail: Tail
) -> Outcome:
    """The end of the envelope. `tail` must have been made before it was sent.

    Raises:
        NotInTime: `within_s` is over.
        Unreachable: the mesh ended first.
    """
    began = asked = ended = time.monotonic()
    told: set[str] = set()
    needle = envelope_id.encode()
    while True:
        outcome = outcome_of(folder, envelope_id)
        ended = time.monotonic() if outcome is None else ended
        follow_logs(folder, tail)
        for line in tail.new_lines():
            if needle in line.text and (members := delivery(line.text)) is not None:
                hop = hop_of(members, line.pod)
                if hop is not None and hop.envelope_id == envelope_id:
                    on_hop(hop)
                    told |= {hop.actor} if hop.outcome not in ONCE_MORE else set()
        if outcome is not None and (passed(outcome) <= told or time.monotonic() - ended > LAST_HOPS_S):
            return outcome
        now = time.monotonic()
        if within_s is not None and now - began > within_s:
            raise NotInTime
        if now - asked > ALIVE_S:
            asked = now
            if folder.pid() is None:
                raise Unreachable("the mesh has stopped; the envelope goes on at the next `asya up`")
        time.sleep(STEP_S)


def follow_logs(folder: Folder, tail: Tail) -> None:
    """Read also the logs of replicas that appeared meanwhile."""
    for file in log_files(folder.logs):
        if file.suffix == ".log":
            tail.follow(file, "", file.parent.name)


def passed(outcome: Outcome) -> set[str]:
    """The actors that had the envelope before its end, in either shape of a route."""
    route = outcome.envelope.get("route")
    if not isinstance(route, dict):  # it was no envelope when it came
        return set()
    actors, current = route.get("actors"), route.get("current")
    old = actors[: current + 1] if isinstance(actors, list) and isinstance(current, int) else []
    prev = route.get("prev")
    new = [*(prev if isinstance(prev, list) else ()), route.get("curr")]
    return {name for name in (*old, *new) if isinstance(name, str) and name} - {SINK, SUMP}
