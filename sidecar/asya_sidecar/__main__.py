"""Start the sidecar: read the environment, set up the log, live, say the last word.

The only place that reads the environment, and the only one that ends the process.
"""

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import Any, Final

import asya_sidecar.lean  # noqa: F401 - first: what it does counts only before anybody else loads msgspec
from asya_sidecar.act import logs
from asya_sidecar.act.allocator import keep_freed_memory
from asya_sidecar.act.health import Health
from asya_sidecar.act.metrics import Metrics
from asya_sidecar.act.process import Exit, Sidecar
from asya_sidecar.act.status_server import StatusServer
from asya_sidecar.decide.decision import EXIT_CONFIGURATION
from asya_sidecar.settings import ConfigurationError, Settings, from_environ
from asya_transport.choose import open_transport

TERMINATION_LOG: Final = Path("/dev/termination-log")
FLUSH_S: Final = 1.0


def main() -> int:
    """The exit code."""
    try:
        settings = from_environ(os.environ)
    except ConfigurationError as error:
        return last_words(Exit(EXIT_CONFIGURATION, "\n".join(error.lines)), TERMINATION_LOG)
    keep_freed_memory()
    metrics = Metrics(settings.queue, settings.transport, settings.metrics_namespace)
    writer = logs.configure(
        level=settings.log_level,
        form=settings.log_format,
        actor=settings.actor_name,
        namespace=settings.namespace,
        queue=settings.queue,
    )
    metrics.log_lines_dropped = lambda: writer.dropped
    log = logs.logger()
    health = Health(log, metrics.stalled)
    server = StatusServer(settings.metrics_addr, health, metrics)
    try:
        address = server.start()
    except OSError as error:
        end = Exit(EXIT_CONFIGURATION, str(error))
    else:
        log.info("starting", metrics=f"{address.host}:{address.port}", transport=settings.transport)
        end = asyncio.run(live(settings, log, metrics, health))
        server.close()
    writer.close(FLUSH_S)
    return last_words(end, TERMINATION_LOG)


async def live(settings: Settings, log: Any, metrics: Metrics, health: Health) -> Exit:
    """Until the end, inside the event loop."""
    path = settings.sqlite.path if settings.sqlite is not None else None
    transport = open_transport(
        settings.transport, sqlite_path=path, rabbitmq=settings.rabbitmq, name=f"asya {settings.actor_name}"
    )
    return await Sidecar(settings, transport, log, metrics, health).run()


def last_words(end: Exit, termination_log: Path) -> int:
    """A readable sentence as the last line of the container's log and, where Kubernetes wants it, in its file."""
    if end.sentence:
        print(end.sentence, file=sys.stderr, flush=True)  # noqa: T201 - for people, after the log has been closed
        with contextlib.suppress(OSError):  # a courtesy; the sentence has been printed
            if termination_log.exists():
                termination_log.write_text(end.sentence + "\n")
    return end.code


if __name__ == "__main__":
    sys.exit(main())
