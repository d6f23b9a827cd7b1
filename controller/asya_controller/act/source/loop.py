"""The file source for as long as it is wanted: a pass whenever files change, and now and then without.

Run by `asya sync --watch` and, on a thread of its own while it leads, by the controller with `--source`. Level-triggered: what changed
does not matter, only what the files say now. Waits longer after every failure; a change of the files ends the wait.
"""

import random
import threading
import time
from collections.abc import Callable

from asya_controller.act.api_errors import ApiError
from asya_controller.act.source.changes import Changes
from asya_controller.act.source.passes import Outcome, Refused, Source
from asya_controller.act.source.snapshot import Snapshot, Unsettled

RESCAN_S = 30.0
"""Files are read again this often although nothing was heard."""
DRIFT_S = 300.0
"""The cluster is compared again this often although the files are the same."""
AGAIN_S = 2.0
"""Pause while an object of a wanted name is still being deleted."""
FIRST_RETRY_S, LAST_RETRY_S = 1.0, 30.0

Report = Callable[[Outcome | str], None]
"""Takes what a pass did, or why there was none; the same reason is told once."""


def follow(source: Source, report: Report, stop: threading.Event) -> None:
    """Run passes until `stop` is set. Never raises for what files or the API server do."""
    last: Outcome | None = None
    passed_at, failures, told = 0.0, 0, ""
    while not stop.is_set():
        # Before the look, so that no change falls between look and watch.
        changes = Changes(source.paths, stop)
        wait_s, asked_s = RESCAN_S, 0.0
        try:
            seen = source.look()
            if failures or last is None or _due(last, time.monotonic() - passed_at) or not _same(last, seen):
                last = source.run(seen)
                passed_at = time.monotonic()
                report(last)
            failures, told = 0, ""
            if last.planned is not None and last.planned.going:
                last, wait_s = None, AGAIN_S
        except (ApiError, Refused, Unsettled, OSError) as error:
            failures += 1
            asked_s = (error.retry_after_s or 0.0) if isinstance(error, ApiError) else 0.0
            wait_s = max(0.0, _pause_s(failures) - asked_s)
            if (sentence := _sentence(error)) != told:
                told = sentence
                report(sentence)
        try:
            stop.wait(asked_s)  # a server that asks for time gets it, whatever happens to the files
            changes.wait(wait_s)
        finally:
            changes.close()


def _same(last: Outcome, seen: Snapshot) -> bool:
    return (last.revision, last.digest) == (seen.revision, seen.digest)


def _due(last: Outcome, ago_s: float) -> bool:
    """Whether the cluster may have changed its mind. What is wrong with the files themselves is the same every time."""
    refused_there = last.problems and last.planned is not None
    return ago_s > (RESCAN_S / 2 if refused_there else DRIFT_S)


def _pause_s(failures: int) -> float:
    longest: float = min(LAST_RETRY_S, FIRST_RETRY_S * 2 ** min(failures - 1, 10))
    return longest * random.uniform(0.5, 1.0)


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)
