"""Reports that wait for their batch: bounded, and the least valuable goes first (contract: sidecar, Gateway reports).

Pure. Used by outbox.py. A newer progress replaces an unsent older one of the same id; when full, the oldest progress
is dropped, then the oldest partial; a report that finds only children before it is dropped itself.
"""

from collections.abc import Iterable

from asya_sidecar.act.gateway.reports import Report

MAX_ITEMS = 1_000
MAX_BYTES = 8_388_608
BATCH_ITEMS = 500
BATCH_BYTES = 4_194_304


class Waiting:
    """Reports in the order they came."""

    def __init__(self, max_items: int = MAX_ITEMS, max_bytes: int = MAX_BYTES) -> None:
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._reports: dict[int, Report] = {}
        self._next_number = 0
        self._bytes = 0
        # Both oldest first, as dicts keep the order of insertion.
        self._progress: dict[str, int] = {}
        self._partials: dict[int, None] = {}

    def __len__(self) -> int:
        return len(self._reports)

    def add(self, report: Report) -> list[Report]:
        """Let it wait; what was dropped for it, perhaps itself. What it replaced is not among them."""
        if report.kind == "progress" and report.id in self._progress:
            self._remove(self._progress[report.id])
        dropped: list[Report] = []
        while len(self._reports) >= self._max_items or self._bytes + len(report.body) > self._max_bytes:
            oldest = next(iter(self._progress.values()), next(iter(self._partials), None))
            if oldest is None:
                return [*dropped, report]
            dropped.append(self._remove(oldest))
        number = self._next_number
        self._next_number += 1
        self._reports[number] = report
        self._bytes += len(report.body)
        if report.kind == "progress":
            self._progress[report.id] = number
        elif report.kind == "partial":
            self._partials[number] = None
        return dropped

    def take(self) -> list[Report]:
        """The next batch, oldest first; it no longer waits."""
        batch: list[Report] = []
        size = 0
        for number, report in list(self._reports.items())[:BATCH_ITEMS]:
            size += len(report.body)
            if batch and size > BATCH_BYTES:
                break
            batch.append(self._remove(number))
        return batch

    def put_back(self, batch: Iterable[Report]) -> list[Report]:
        """Let a batch that was not delivered wait again, before the others; what was dropped for it."""
        later = [self._remove(number) for number in list(self._reports)]
        return [dropped for report in (*batch, *later) for dropped in self.add(report)]

    def _remove(self, number: int) -> Report:
        report = self._reports.pop(number)
        self._bytes -= len(report.body)
        if report.kind == "progress":
            del self._progress[report.id]
        self._partials.pop(number, None)
        return report
