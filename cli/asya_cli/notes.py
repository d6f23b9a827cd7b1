"""Words for the person at the terminal: always on stderr, because stdout holds data only.

Called by every verb. Must not be used for results.
"""

import sys

_verbosity = 0


def set_verbosity(level: int) -> None:
    """How often `-v` was given. Once per process, from `app.main_options`."""
    global _verbosity
    _verbosity = level


def say(text: str) -> None:
    """Print one note."""
    sys.stderr.write(text if text.endswith("\n") else text + "\n")
    sys.stderr.flush()


def detail(text: str) -> None:
    """Print a note that only `asya -v` asks for."""
    if _verbosity > 0:
        say(text)
