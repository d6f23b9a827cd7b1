"""What is remembered of one actor between passes and stands nowhere in the cluster.

Owned by the pass that runs; lost at a restart, which delays things and reverses nothing. Times are those of the monotonic clock.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from asya_controller.act.kinds import Kind
from asya_controller.decide.check import Violation
from asya_controller.decide.world import Memory, Refusal

Place = tuple[str, str, bool]
"""Transport and name of an actor's queue, and whether it may only be looked at."""


@dataclass(slots=True)
class Held:
    """A refused write: not tried again before `again_at` (None: never) unless what is wanted changes."""

    refusal: Refusal
    wanted: str
    again_at: float | None


@dataclass(slots=True)
class Looked:
    """Core Events about one object, and when they were read."""

    at: float
    events: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a pass went by: this version of the actor, the workload's kind, where its queue is, and the facts about everything else."""

    version: int
    kind: Kind
    place: Place | None
    facts: tuple[Any, ...]


@dataclass(slots=True)
class ActorState:
    """Of the actor with this uid."""

    uid: str
    memory: Memory = field(default_factory=Memory)
    held: dict[str, Held] = field(default_factory=dict)
    """Kind of a child -> its refusal."""
    left: dict[str, str] = field(default_factory=dict)
    """Kind of a child -> who owned which fields after our last apply."""
    sure_until: dict[str, float] = field(default_factory=dict)
    """Kind of a child -> when it is applied again although nothing differs."""
    drifts: dict[str, deque[float]] = field(default_factory=dict)
    """Kind of a child -> when others changed a field of ours."""
    looked: dict[str, Looked] = field(default_factory=dict)
    """uid -> Events."""
    written_at: float = float("-inf")
    """Last write of the status."""
    asked: str = ""
    """The newest request to reconcile that a pass has carried out."""
    seen: Seen | None = None
    """What the last pass saw; the same again needs no pass before `look_at`."""
    look_at: float = 0.0
    checked: tuple[Any, Violation | None] | None = None
    """What is wrong with the spec of a generation."""
    rendered: tuple[tuple[Any, ...], bytes] | None = None
    """The desired objects as JSON, and what they were made from: generation, labels, the queue's address."""
    dealt_with: set[tuple[str, str]] = field(default_factory=set)
    """Former queues, (transport, queue), that are gone or kept for good."""
    removals: dict[tuple[str, str], str] = field(default_factory=dict)
    """(transport, queue) -> what became of it, while the actor goes."""
    removing: bool = False
    """Former queues are being dealt with."""
    pods_awaited: bool = False
    """Being deleted, it still had pods when a pass of this process looked."""
    pods_gone: tuple[datetime, datetime] | None = None
    """Being deleted: since when no pod is left, and since when its queues are dealt with."""
    heirs_since: float | None = None
    """Since when children of an earlier actor of this name are waited for."""
    policy: str | None = ""
    """The annotated deletion policy; empty until a pass has seen it."""
    complained: bool = False
    """The server refuses our own status or finalizer; said once."""
