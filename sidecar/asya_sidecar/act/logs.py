"""One line per event on standard output, without ever waiting for who reads it (contract: sidecar, Logs and traces).

`__main__` calls `configure` once; everybody else gets a logger with `logger()`. A writer thread empties a bounded
buffer, so that a pipe nobody reads, a full disk or a stopped terminal costs log lines (counted) and never a message.
Payloads and headers are nobody's to log.
"""

from typing import Any

BUFFER_BYTES = 1_048_576


class Writer:
    """A bounded buffer of lines in front of a file descriptor that may block."""

    def __init__(self, descriptor: int, limit_bytes: int = BUFFER_BYTES) -> None: ...

    @property
    def dropped(self) -> int:
        """Lines that found the buffer full or the descriptor broken, so far."""
        raise NotImplementedError

    def write(self, line: bytes) -> None:
        """Take one line that ends in a newline; never blocks. Any thread."""
        raise NotImplementedError

    def close(self, within_s: float) -> None:
        """Write what waits, for at most so long; later lines are dropped."""
        raise NotImplementedError


def configure(
    *, level: str, form: str, actor: str, namespace: str, queue: str, descriptor: int = 1, component: str = "sidecar"
) -> Writer:
    """Set up structlog and the standard library's logging for this process; `form` is `json` or `text`."""
    raise NotImplementedError


def logger(**bound: Any) -> Any:
    """A structlog bound logger (debug, info, warning, error, exception; keyword members). Get it once, keep it."""
    raise NotImplementedError
