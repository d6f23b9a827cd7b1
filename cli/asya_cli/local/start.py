"""Starts a mesh: options, files, folder, lock, then `mesh.py`. Called by `verbs/up.py`.

The one place of the local mesh that reads the environment and the command's options. Turns what can go wrong before the
first replica runs into the command's own errors.
"""

import asyncio
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from asya_cli import notes
from asya_cli.errors import Unreachable, UsageMistake
from asya_cli.local import values
from asya_cli.local.broker import Broker, EmbeddedBroker, RabbitmqBroker, broker_named, keep
from asya_cli.local.display import Display, Lines
from asya_cli.local.folder import AlreadyRunning, Folder, FolderUnusable
from asya_cli.local.mesh import Inputs, Mesh, Unusable
from asya_cli.local.plan import Settings, Source
from asya_cli.local.polled_queues import HEARTBEAT_S, Made, PolledQueues
from asya_cli.local.process import Group
from asya_cli.local.queues import MeshQueues, Queues
from asya_schemas.actor import effective
from asya_schemas.actor.identity import HANDLER_VARIABLE, RUNTIME_CONTAINER
from asya_transport.admin import AccessRefused, Admin, TransportError

if TYPE_CHECKING:
    from asya_controller.decide.source.documents import LoadedActor


@dataclass(frozen=True, slots=True)
class Options:
    """What the user typed behind `asya up`."""

    paths: tuple[Path, ...]
    handlers: Path | None = None
    python: str | None = None
    env: tuple[str, ...] = ()
    env_files: tuple[Path, ...] = ()
    max_replicas: int = 4
    log_format: str = "text"
    transport: str = "sqlite"
    url: str | None = field(default=None, repr=False)
    """Address of the broker; None: what the environment says."""


def up(options: Options) -> None:
    """Run the mesh until a signal.

    Raises:
        UsageMistake: files, folder or options cannot be used, or a mesh runs here already.
        Unreachable: the broker, or the embedded one's file, cannot be used.
    """
    folder = Folder.here()
    broker = broker_named(options.transport, options.url, os.environ, folder)
    check_paths(options)
    read_at_ns = time.time_ns()
    try:
        sources = read_sources(options.paths, warnings=True)
        folder.make()
        with folder.take():
            admin = broker.open(HEARTBEAT_S)
            broker = keep(broker, folder)
            inputs = Inputs(
                lambda: read_sources(options.paths),
                lambda: settings_of(options, folder, broker),
                roots_of(options),
                read_at_ns,
            )
            asyncio.run(_run(folder, inputs, sources, broker, admin, display_for(options)))
    except (Unusable, AlreadyRunning, FolderUnusable) as mistake:
        raise UsageMistake(str(mistake)) from mistake
    except TransportError as error:
        raise Unreachable(with_next_step(error, broker)) from error


async def _run(
    folder: Folder, inputs: Inputs, sources: Sequence[Source], broker: Broker, admin: Admin, display: Display
) -> None:
    group = Group()
    mesh = Mesh(folder, inputs, broker, queues_of(folder, broker, admin, display), group, display)
    try:
        await mesh.run(sources, lambda: display.note(welcome(sources, broker)))
    finally:
        display.close()


def queues_of(
    folder: Folder, broker: Broker, admin: Admin, display: Display
) -> Callable[[Callable[[], None]], MeshQueues]:
    """How to make the queues of this broker once there is a loop and somebody to ring for."""
    if isinstance(broker, RabbitmqBroker):
        made, place = Made(folder.queues, broker.home), broker.place
        return lambda on_ring: PolledQueues(admin, made, place, on_ring, display.note)
    return lambda on_ring: Queues(admin, folder.database, on_ring)


def with_next_step(error: TransportError, broker: Broker) -> str:
    """One sentence about a broker that cannot be used, and what to do."""
    if isinstance(broker, EmbeddedBroker):
        return str(error)
    if isinstance(error, AccessRefused):
        return f"{error}: check user, password and virtual host (rabbitmqctl list_users, list_vhosts, list_permissions)"
    return f"{error}: start the broker, or mend the address behind --transport (or in the ASYA_RABBITMQ_ variables)"


def check_paths(options: Options) -> None:
    """Raises UsageMistake for a path or folder that does not exist."""
    for path in (*options.paths, *options.env_files):
        if not path.exists():
            raise UsageMistake(f"{path}: no such file or folder")
    if options.handlers is not None and not options.handlers.is_dir():
        raise UsageMistake(f"--handlers {options.handlers}: no such folder")


def read_sources(paths: Sequence[Path], warnings: bool = False) -> list[Source]:
    """The AsyncActors of these files and folders; `warnings` about them are said when asked for.

    Raises:
        Unusable: a file cannot be used.
        UsageMistake: a path does not exist, or there is no AsyncActor.
    """
    from asya_cli import files
    from asya_controller.decide.source import checking

    loaded = files.load(paths)
    problems = checking.check(loaded)
    errors = checking.errors_of(problems)
    if errors:
        raise Unusable("\n".join(str(error) for error in errors))
    files.require_actors(loaded, paths)
    for warning in problems if warnings else ():
        notes.say(str(warning))
    return [Source(actor.document, actor.file.resolve(), handler_line(actor)) for actor in loaded.actors]


def handler_line(actor: "LoadedActor") -> int:
    """Line of the value of ASYA_HANDLER; the actor exists, so it has one."""
    pod = ("spec", "workload", "template", "spec", "containers")
    for number, container in enumerate(effective.pod_spec(actor.document["spec"])["containers"]):
        for index, entry in enumerate(container.get("env") or ()):
            if container["name"] == RUNTIME_CONTAINER and entry["name"] == HANDLER_VARIABLE:
                return actor.position_of((*pod, number, "env", index, "value"))[0]
    return 0


def settings_of(options: Options, folder: Folder, broker: Broker) -> Settings:
    """The settings as they are now: `.env` files are read anew.

    Raises:
        Unusable: a `.env` file or an assignment cannot be read.
    """
    files = options.env_files or default_env_files(options)
    try:
        known = values.gather(files, options.env)
    except values.BadAssignment as mistake:
        raise Unusable(str(mistake)) from mistake
    return Settings(
        here=Path.cwd(),
        handlers=options.handlers.resolve() if options.handlers else None,
        python=options.python,
        max_replicas=options.max_replicas,
        own_python=sys.executable,
        script=runtime_script(),
        state_root=folder.root,
        environ=dict(os.environ),
        values=known,
        value_sources=" or ".join([*(str(file) for file in options.env_files or (".env",)), "--env NAME=value"]),
        broker_env=broker.sidecar_env,
    )


def default_env_files(options: Options) -> tuple[Path, ...]:
    """`.env` beside the files and in the current folder; the latter wins."""
    beside = [path if path.is_dir() else path.parent for path in options.paths]
    return tuple(dict.fromkeys((folder / ".env").resolve() for folder in (*beside, Path())))


def roots_of(options: Options) -> tuple[Path, ...]:
    """The files and folders to watch."""
    return tuple(path.resolve() for path in options.paths)


def runtime_script() -> Path:
    """The runtime's file, found without importing it."""
    spec = importlib.util.find_spec("asya_runtime")
    if spec is None or spec.origin is None:
        raise UsageMistake("asya_runtime.py is not installed beside this command: install asya-mesh again")
    return Path(spec.origin)


def display_for(options: Options) -> Display:
    """The live table on a terminal, else lines."""
    if options.log_format == "text" and sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb"):
        from asya_cli.local.live import LiveTable

        return LiveTable()
    return Lines(as_json=options.log_format == "json")


def welcome(sources: Sequence[Source], broker: Broker) -> str:
    """The first lines: what runs where, and what to type next."""
    names = [str(source.document["metadata"]["name"]) for source in sources]
    first = next((name for name in names if not name.startswith("x-")), names[0])
    return "\n".join(
        [
            f"{len(names)} actor{'s' if len(names) != 1 else ''}: {', '.join(names)}",
            *([] if isinstance(broker, EmbeddedBroker) else [f"all transports: {broker.place}"]),
            f"""send:  asya send {first} --payload '{{"name": "you"}}' --follow""",
            "look:  asya get, asya explain ACTOR, asya graph    results: .asya/results    stop: Ctrl-C",
        ]
    )
