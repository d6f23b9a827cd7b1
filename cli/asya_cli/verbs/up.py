"""`asya up`: the mesh described by the files, on this machine (contract: cli)."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from asya_cli.errors import UsageMistake


class LogFormat(StrEnum):
    """Form of the log lines."""

    TEXT = "text"
    JSON = "json"


def command(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="AsyncActor files and folders. Default: this folder.")
    ] = None,
    handlers: Annotated[Path | None, typer.Option(help="Folder that handlers are imported from.")] = None,
    python: Annotated[str | None, typer.Option(help="Interpreter for all handlers.")] = None,
    env: Annotated[list[str] | None, typer.Option(help="NAME=value for a valueFrom. Repeatable.")] = None,
    env_file: Annotated[list[Path] | None, typer.Option(help="File of NAME=value lines. Default: .env")] = None,
    max_replicas: Annotated[int, typer.Option(min=1, max=1000, help="At most so many replicas per actor.")] = 4,
    transport: Annotated[
        str,
        typer.Option(
            help="sqlite, the embedded broker; rabbitmq=amqp://user:password@host:5672/vhost; "
            "rabbitmq alone: where the ASYA_RABBITMQ_ variables of the sidecar say."
        ),
    ] = "sqlite",
    log_format: Annotated[LogFormat, typer.Option(help="Form of the log lines.")] = LogFormat.TEXT,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Go on in the background.")] = False,
    gateway: Annotated[bool, typer.Option("--gateway/--no-gateway", help="There is no gateway yet.")] = False,
) -> None:
    """Run the mesh described by the files on this machine."""
    if gateway:
        raise UsageMistake("--gateway: there is no gateway yet; send envelopes with `asya send`")
    kind, equals, url = transport.partition("=")
    if equals:
        from asya_cli.local.secret_argument import begin_anew_without

        begin_anew_without(kind, url)
    from asya_cli.local.start import Options, up

    options = Options(
        paths=tuple(paths or [Path()]),
        handlers=handlers,
        python=python,
        env=tuple(env or ()),
        env_files=tuple(env_file or ()),
        max_replicas=max_replicas,
        log_format=str(log_format.value),
        transport=kind,
        url=url if equals else None,
    )
    if detach:
        from asya_cli.local.detach import detached

        detached(options)
    else:
        up(options)
