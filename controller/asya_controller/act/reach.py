"""Whether the API server answers, for all watches together.

While it does not, one watch tries and the others wait for it: a dozen threads that each knock on a closed door would be the storm that a
server has to survive when it comes back. Passes wait as well: each would fail, and a thousand of them are a thousand requests. Shared by
all reflectors and workers.
"""

import threading

WAIT_S = 1.0
"""How long who may not try waits before it looks around again."""


class Reach:
    """One server. Begins as reachable."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._scout: object | None = None

    def lost(self, who: object) -> None:
        """There was no answer; the first to say so is the one who tries again."""
        with self._changed:
            if self._scout is None:
                self._scout = who

    def found(self) -> None:
        """There was an answer."""
        if self._scout is None:
            return
        with self._changed:
            self._scout = None
            self._changed.notify_all()

    def given_up(self, who: object) -> None:
        """The one who tried ends: somebody else takes over."""
        with self._changed:
            if self._scout is who:
                self._scout = None
                self._changed.notify_all()

    def may_try(self, who: object) -> bool:
        """Whether `who` may ask now; waits a moment when it may not, in which the answer may change."""
        with self._changed:
            if self._scout not in (None, who):
                self._changed.wait(WAIT_S)
            return self._scout in (None, who)

    def wait(self, ended: threading.Event) -> None:
        """Until the server answers, or everything ends."""
        while self._scout is not None and not ended.is_set():
            with self._changed:
                if self._scout is not None:
                    self._changed.wait(WAIT_S)
