"""Is the sidecar consuming, and if not, why? (contract: sidecar, Start and health)

Everything in act/ that finds or heals a cause says so here; the status server reads it from its own thread, which is
why what it reads is one reference, replaced as a whole. Decides nothing but what "ready" means: no reason is set.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from asya_sidecar.act.lazy_timer import next_beat
from asya_sidecar.act.metrics import STALL_REASONS

STALLED_S = 10.0
"""Three beats: one that comes late is no stall yet."""


class Log(Protocol):
    """What is needed of a logger (structlog's has it)."""

    def info(self, event: str, **members: object) -> object: ...

    def warning(self, event: str, **members: object) -> object: ...


class Health:
    """The list of reasons, in the order of STALL_REASONS, and the event loop's pulse. Begins with `starting`."""

    def __init__(
        self,
        log: Log,
        stalled: Callable[[str], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`stalled` is called with each new reason but the first `starting` (Metrics.stalled)."""
        self._log = log
        self._stalled = stalled
        self._now = now
        self._details = {"starting": ""}
        self._reasons: tuple[str, ...] = ("starting",)
        self._ticked_at = now()
        self._ticker: asyncio.TimerHandle | None = None

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is not ready; empty when it is."""
        return self._reasons

    @property
    def ready(self) -> bool:
        """No reason is set."""
        return not self._reasons

    @property
    def ticking(self) -> bool:
        """The event loop ran within the last 10 s. True before `start`."""
        return self._ticker is None or self._now() - self._ticked_at < STALLED_S

    def set(self, reason: str, detail: str = "") -> None:
        """A cause was found; `detail` is for the log. Nothing happens when it is known.

        Raises:
            ValueError: a reason that the contract does not list.
        """
        if reason in self._details:
            return
        if reason not in STALL_REASONS:
            raise ValueError(f"{reason!r} is none of the reasons {', '.join(STALL_REASONS)}")
        # A start waits for the runtime, an end drains: nobody has to look after either.
        expected = reason == "draining" or (reason == "runtime_not_ready" and "starting" in self._details)
        self._details[reason] = detail
        self._stalled(reason)
        self._changed(self._log.info if expected else self._log.warning)

    def clear(self, reason: str) -> None:
        """The cause is gone. Nothing happens when it was not known."""
        if self._details.pop(reason, None) is not None:
            self._changed(self._log.info)

    def start(self) -> None:
        """Begin to watch the running event loop."""
        self._tick()

    def stop(self) -> None:
        """End watching; `ticking` stays true."""
        if self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None

    def _tick(self) -> None:
        self._ticked_at = self._now()
        loop = asyncio.get_running_loop()
        self._ticker = loop.call_at(next_beat(loop.time()), self._tick)

    def _changed(self, write: Callable[..., object]) -> None:
        """One line for each change of the list."""
        self._reasons = tuple(reason for reason in STALL_REASONS if reason in self._details)
        if self._reasons:
            details = {f"detail_{reason}": text for reason, text in self._details.items() if text}
            write("not ready", reasons=list(self._reasons), **details)
        else:
            write("ready")
