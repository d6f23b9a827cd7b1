"""Which replicas to start and which to stop. Pure; called by `workload.py`, which obeys.

What the Deployment and StatefulSet controllers do in a cluster, for as much of it as one machine needs.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Replica:
    """A replica as far as it matters here. `current`: made from the newest template."""

    ordinal: int
    current: bool
    ready: bool
    stopping: bool


@dataclass(frozen=True, slots=True)
class Moves:
    """Ordinals to start (from the newest template) and to stop."""

    start: tuple[int, ...] = ()
    stop: tuple[int, ...] = ()


def moves(replicas: Sequence[Replica], wanted: int, stateful: bool) -> Moves:
    """The next moves towards `wanted` replicas of the newest template; none when that is reached or under way."""
    return _stateful(replicas, wanted) if stateful else _stateless(replicas, wanted)


def _stateless(replicas: Sequence[Replica], wanted: int) -> Moves:
    """New ones first, the old go as the new become ready, so that a broken version never replaces a working one."""
    taken = {replica.ordinal for replica in replicas}
    alive = [replica for replica in replicas if not replica.stopping]
    current = [replica for replica in alive if replica.current]
    old = [replica for replica in alive if not replica.current]
    free = (number for number in range(len(taken) + wanted + 1) if number not in taken)
    start = tuple(next(free) for _ in range(wanted - len(current)))
    ready = sum(replica.ready for replica in current)
    keep = max(0, wanted - ready)
    old_that_work = sorted((replica for replica in old if replica.ready), key=lambda replica: replica.ordinal)
    stop = [replica for replica in old if not replica.ready] + old_that_work[keep:]
    extra = sorted(current, key=lambda replica: (not replica.ready, replica.ordinal))[wanted:]
    return Moves(start, tuple(replica.ordinal for replica in [*stop, *extra]))


def _stateful(replicas: Sequence[Replica], wanted: int) -> Moves:
    """A replica's number is its identity: never two of one number, and versions change one at a time from the highest."""
    taken = {replica.ordinal for replica in replicas}
    alive = [replica for replica in replicas if not replica.stopping]
    start = tuple(number for number in range(wanted) if number not in taken)
    extra = [replica.ordinal for replica in alive if replica.ordinal >= wanted]
    kept = [replica for replica in alive if replica.ordinal < wanted]
    old = [replica for replica in kept if not replica.current]
    broken = [replica.ordinal for replica in old if not replica.ready]
    settled = len(kept) == wanted and all(replica.ready for replica in kept)
    turn = [max(replica.ordinal for replica in old)] if old and settled else []
    return Moves(start, (*extra, *broken, *turn))
