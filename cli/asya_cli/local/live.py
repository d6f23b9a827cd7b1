"""The live table of `asya up` on a terminal: one row per actor, and below it the last log lines.

Called by `mesh.py` through the `Display` protocol. Draws only when something has changed: an idle mesh costs nothing.
"""

import time
from collections import deque

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from asya_cli.local.display import Budget, Row, as_text, is_routine
from asya_cli.local.tail import Line

KEPT_LINES = 500
GOOD = frozenset({"Running", "Napping"})
MOVING = frozenset({"Creating", "ScalingUp", "ScalingDown", "Terminating"})


class LiveTable:
    """Owns the terminal from the first drawing to `close`."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()
        self._rows: list[Row] = []
        self._lines: deque[Text] = deque(maxlen=KEPT_LINES)
        self._budget = Budget()
        self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="crop")
        self._live.start()

    def note(self, text: str) -> None:
        """The mesh's own words."""
        for part in text.splitlines():
            self._lines.append(Text(part, style="cyan"))
        self._draw()

    def line(self, line: Line) -> None:
        """A replica's words."""
        if is_routine(line) or self._budget.spend(time.monotonic()) is None:
            return
        for part in as_text(line).splitlines() or [""]:
            self._lines.append(Text(f"{line.pod} | {part}", style="red" if part.startswith("ERROR") else ""))
        self._draw()

    def table(self, rows: list[Row]) -> None:
        """The present state; drawn only when it differs."""
        if rows != self._rows:
            self._rows = rows
            self._draw()

    def close(self) -> None:
        """Leave the last picture on the screen."""
        self._live.stop()

    def _draw(self) -> None:
        table = self._table()
        # Border, header and one line of air; a log line that wraps would push the table out, so each is cut.
        room = max(3, self._console.height - len(self._rows) - 5)
        lines = [line.copy() for line in list(self._lines)[-room:]]
        for line in lines:
            line.truncate(self._console.width, overflow="ellipsis")
            line.no_wrap = True
        self._live.update(Group(table, *lines), refresh=True)

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("ACTOR", "STATUS", "REPLICAS", "QUEUED", "PROCESSING", "RATE", "DONE", "ERRORS"):
            table.add_column(name, justify="left" if name in ("ACTOR", "STATUS") else "right")
        for row in self._rows:
            colour = "green" if row.status in GOOD else "yellow" if row.status in MOVING else "red"
            table.add_row(
                row.actor,
                Text(row.status, style=colour),
                f"{row.ready}/{row.desired}",
                _count(row.queued),
                _count(row.processing),
                f"{row.per_second:.1f}/s",
                str(row.processed),
                Text(str(row.errors), style="red" if row.errors else ""),
            )
        return table


def _count(number: int | None) -> str:
    return "-" if number is None else str(number)
