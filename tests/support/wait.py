"""Wait for a condition instead of sleeping, and give sockets short paths.

Called by every test that watches another process. Polls, because the thing watched is a file, a port or a queue of a foreign process.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], within_s: float = 30.0, every_s: float = 0.02, what: str = "") -> T:
    """The first truthy value of `condition`.

    Raises:
        AssertionError: it stayed falsy for `within_s` seconds; the message holds `what` and the last value.
    """
    deadline = time.monotonic() + within_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s:g} s: {what or condition}; last value {value!r}")
        time.sleep(every_s)


@contextmanager
def short_tmp() -> Iterator[Path]:
    """A temporary folder whose path leaves room for a unix socket (107 bytes)."""
    folder = Path(tempfile.mkdtemp(dir="/tmp", prefix="asya"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
