"""The gateway, as a sidecar sees it: every final report is two points.

Made by world.py for each life of a sidecar.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from asya_schemas.envelope import Envelope
from tests.faults.points import Fault
from tests.faults.virtual_time import Life

if TYPE_CHECKING:
    from tests.faults.world import World


class PointedGateway:
    """Has the members of act/gateway/front.py that the sidecar uses."""

    def __init__(self, world: World, life: Life) -> None:
        self._world = world
        self._life = life

    def start(self) -> None:
        """Nothing to connect."""

    async def close(self, within_s: float = 1.0) -> None:
        """Nothing to flush."""

    def progress(self, envelope: Envelope, status: str, **members: Any) -> None:
        """Waits for nobody, and nothing depends on it."""

    def children(self, envelope: Envelope, frames: Any, *, attempt: int = 1) -> None:
        """The same."""

    def partial(self, envelope: Envelope, **members: Any) -> None:
        """The same."""

    async def final(
        self,
        envelope: Envelope,
        report: Mapping[str, Any],
        *,
        kind: str = "final",
        attempt: int = 1,  # noqa: ARG002
    ) -> bool:
        world = self._world
        fault = world.point(self._life, "report", envelope.id)
        await asyncio.sleep(0)
        if fault is Fault.UNREPORTED or not world.gateway_settles(envelope.id):
            return False
        world.record.reports.add((envelope.id, kind, str(report["status"])))
        return world.point(self._life, "reported", envelope.id) is not Fault.UNANSWERED

    async def is_stopped(self, envelope: Envelope, *, window: int, mean_call_s: float | None) -> bool:  # noqa: ARG002
        await asyncio.sleep(0)
        return self.known_stopped(envelope)

    def known_stopped(self, envelope: Envelope) -> bool:
        return envelope.id in self._world.stopped
