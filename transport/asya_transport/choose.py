"""Pick the adapter by its name. The one place that knows them all; each is imported only when it is asked for.

Called by the sidecar's start and by the command line.
"""

from __future__ import annotations

from pathlib import Path

from asya_transport.admin import Admin
from asya_transport.port import Transport

KINDS = ("memory", "sqlite")


def open_transport(kind: str, *, sqlite_path: Path | None = None) -> Transport:
    """A transport that is not started yet.

    Raises:
        ValueError: unknown kind, or a setting of that kind is missing.
    """
    if kind == "sqlite" and sqlite_path is not None:
        from asya_transport.sqlite.transport import SqliteTransport

        return SqliteTransport(sqlite_path)
    if kind == "memory":
        from asya_transport.memory import MemoryBroker

        return MemoryBroker().transport()
    raise ValueError(_why_not(kind))


def open_admin(kind: str, *, sqlite_path: Path | None = None) -> Admin:
    """The synchronous side of the same broker.

    Raises:
        ValueError: unknown kind, or a setting of that kind is missing.
        Unreachable: the broker cannot be used now.
    """
    if kind == "sqlite" and sqlite_path is not None:
        from asya_transport.sqlite.admin import SqliteAdmin

        return SqliteAdmin(sqlite_path)
    raise ValueError(_why_not(kind))


def _why_not(kind: str) -> str:
    if kind == "sqlite":
        return "transport sqlite needs a file: set sqlite_path"
    return f"unknown transport {kind!r}; choose one of {', '.join(KINDS)}"
