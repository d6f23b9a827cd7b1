"""Which runs of which envelopes nobody waits for any more (contract: sidecar, Cancellation).

Pure. Used by front.py: reports teach it, deliveries ask it.
"""

MAX_REMEMBERED = 10_000
SLOW_CALL_S = 1.0


class StoppedRuns:
    """The last 10,000 runs that were reported stopped."""

    def __init__(self, limit: int = MAX_REMEMBERED) -> None:
        self._limit = limit
        self._runs: dict[str, int] = {}

    def add(self, envelope_id: str, run: int) -> None:
        """This run and those before it are stopped."""
        run = max(run, self._runs.pop(envelope_id, run))
        self._runs[envelope_id] = run
        if len(self._runs) > self._limit:
            del self._runs[next(iter(self._runs))]

    def holds(self, envelope_id: str, run: int) -> bool:
        """Whether this run is known to be stopped; a later one, a replay, is not."""
        return run <= self._runs.get(envelope_id, -1)


def is_asked(check: str, window: int, mean_call_s: float | None) -> bool:
    """Whether the gateway is asked before a call: where a call is long, a question costs little and may save much."""
    if check == "auto":
        return window == 1 and (mean_call_s is None or mean_call_s >= SLOW_CALL_S)
    return check == "always"
