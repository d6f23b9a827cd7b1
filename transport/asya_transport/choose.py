"""Pick the adapter by its name. The one place that knows them all; each is imported only when it is asked for.

Called by the sidecar's start and by the command line.
"""

from __future__ import annotations

from pathlib import Path

from asya_transport.admin import Admin
from asya_transport.port import Transport
from asya_transport.rabbitmq.address import RabbitmqAddress

KINDS = ("memory", "sqlite", "rabbitmq")


def open_transport(
    kind: str, *, sqlite_path: Path | None = None, rabbitmq: RabbitmqAddress | None = None, name: str = "asya"
) -> Transport:
    """A transport that is not started yet; `name` is what a broker shows its operators.

    Raises:
        ValueError: unknown kind, or a setting of that kind is missing.
    """
    if kind == "sqlite" and sqlite_path is not None:
        from asya_transport.sqlite.transport import SqliteTransport

        return SqliteTransport(sqlite_path)
    if kind == "rabbitmq" and rabbitmq is not None:
        from asya_transport.rabbitmq.transport import RabbitmqTransport

        return RabbitmqTransport(rabbitmq, name=name)
    if kind == "memory":
        from asya_transport.memory import MemoryBroker

        return MemoryBroker().transport()
    raise ValueError(_why_not(kind))


def open_admin(
    kind: str, *, sqlite_path: Path | None = None, rabbitmq: RabbitmqAddress | None = None, heartbeat_s: int = 0
) -> Admin:
    """The synchronous side of the same broker. `heartbeat_s`: the caller promises to call more often than that, so that a broker in
    the network that stops answering ends a call instead of holding it; 0: no such promise.

    Raises:
        ValueError: unknown kind, or a setting of that kind is missing.
        Unreachable: the broker cannot be used now.
    """
    if kind == "sqlite" and sqlite_path is not None:
        from asya_transport.sqlite.admin import SqliteAdmin

        return SqliteAdmin(sqlite_path)
    if kind == "rabbitmq" and rabbitmq is not None:
        from asya_transport.rabbitmq.admin import RabbitmqAdmin

        return RabbitmqAdmin(rabbitmq, heartbeat_s=heartbeat_s)
    raise ValueError(_why_not(kind))


def _why_not(kind: str) -> str:
    if kind == "sqlite":
        return "transport sqlite needs a file: set sqlite_path"
    if kind == "rabbitmq":
        return "transport rabbitmq needs an address: set rabbitmq"
    return f"unknown transport {kind!r}; choose one of {', '.join(KINDS)}"
