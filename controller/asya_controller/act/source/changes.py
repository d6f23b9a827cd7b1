"""Waits until the files of a source may have changed. Called by loop.py; does not know what a change means.

Watches every folder of the source by itself, and the parent of the source and of every link on the way to it, so that a link which is
swapped atomically is seen (git-sync, a ConfigMap mount). Where the system watches no more folders the regular rescan is left.
"""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

DEBOUNCE_MS, STEP_MS = 300, 50


class Changes:
    """The watch of one source. Made anew after a change, since that may bring new folders."""

    def __init__(self, paths: Sequence[Path], stop: threading.Event) -> None:
        from watchfiles._rust_notify import RustNotify  # its documented direct use: a wait with a time of its own

        self._stop = stop
        self._inside = {folder.resolve() for path in paths for folder in folders_of(path)}
        self._links = {link for path in paths for link in links_to(path)}
        watched = sorted(str(folder) for folder in self._inside | {link.parent for link in self._links})
        try:
            self._notify: RustNotify | None = RustNotify(watched, False, False, 300, False, True)
            self.problem: str | None = None
        except (OSError, FileNotFoundError) as error:
            self._notify, self.problem = None, str(error)

    def wait(self, timeout_s: float) -> None:
        """Return when something changed, after the time, or when `stop` is set.

        Raises:
            KeyboardInterrupt: the process was interrupted meanwhile.
        """
        if self._notify is None:
            self._stop.wait(timeout_s)
            return
        found = self._notify.watch(DEBOUNCE_MS, STEP_MS, max(1, round(timeout_s * 1000)), self._stop)
        if found == "signal":
            raise KeyboardInterrupt

    def close(self) -> None:
        """Give the watch back to the system."""
        if self._notify is not None:
            self._notify.close()


def folders_of(path: Path) -> Iterator[Path]:
    """The folders of a source: visible ones, also behind links, each once."""
    seen: set[Path] = set()
    left = [path if path.is_dir() else path.parent]
    while left:
        folder = left.pop()
        if folder.is_dir() and (real := folder.resolve()) not in seen:
            seen.add(real)
            yield folder
            if path.is_dir():
                left += [entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")]


def links_to(path: Path) -> Iterator[Path]:
    """The source's own path and every link on the way to it, where a swap would show."""
    whole = path.absolute()
    yield whole
    for part in whole.parents:
        if part.is_symlink():
            yield part
