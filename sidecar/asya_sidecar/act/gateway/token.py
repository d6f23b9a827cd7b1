"""The bearer token for the gateway, and its change without a restart (contract: sidecar, Gateway reports).

Called by client.py for every request. A token in a file is read again when the file changes; looking at a file
happens in a thread, because a message path may not wait for a disk. The token is never part of a text that could be
logged.
"""

import time
from functools import partial
from pathlib import Path

from asya_sidecar.act.gateway.apart import apart

LOOK_EVERY_S = 1.0


class Token:
    """A fixed token, one in a file, or none."""

    def __init__(self, fixed: str | None, file: Path | None, look_every_s: float = LOOK_EVERY_S) -> None:
        self._text = fixed
        self._look_every_s = look_every_s
        self._file = file
        self._looked_at = float("-inf")
        self._seen: tuple[int, int, int] | None = None

    async def text(self) -> str | None:
        """The token as of at most 1 s ago; the last one known when the file cannot be read now."""
        if self._file is not None and time.monotonic() - self._looked_at >= self._look_every_s:
            self._looked_at = time.monotonic()
            await apart(partial(self._look, self._file))
        return self._text

    def _look(self, file: Path) -> None:
        try:
            status = file.stat()
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            if seen != self._seen:
                self._text = file.read_text(encoding="ascii").partition("\n")[0].strip() or None
                self._seen = seen
        except (OSError, UnicodeDecodeError):
            return  # being replaced just now, or damaged: the gateway will say 401 if the old token is worth nothing
