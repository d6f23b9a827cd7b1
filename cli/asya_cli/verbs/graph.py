"""`asya graph`: the mesh as a picture (contract: cli)."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from asya_cli.context import ContextOption, NamespaceOption, refuse_cluster
from asya_cli.errors import UsageMistake
from asya_cli.local.drawings import DRAWINGS
from asya_cli.local.folder import Folder
from asya_cli.local.graph import Graph, graph_of, graph_of_files
from asya_cli.local.present import present
from asya_cli.output import Output, OutputOption, emit


class Format(StrEnum):
    """Forms of the picture."""

    TEXT = "text"
    MERMAID = "mermaid"
    DOT = "dot"
    SVG = "svg"


def command(
    paths: Annotated[list[Path] | None, typer.Argument(help="Draw these files instead of the running mesh.")] = None,
    form: Annotated[Format, typer.Option("--format", help="Form of the picture.")] = Format.TEXT,
    output: OutputOption = Output.TABLE,
    namespace: NamespaceOption = None,
    context: ContextOption = None,
) -> None:
    """Draw the mesh: actors, edges, queue depths."""
    refuse_cluster(context)
    found = of_files(paths) if paths else graph_of(present(Folder.here()).select(namespace))
    emit(found.as_data(), output, lambda: DRAWINGS[form.value](found))


def of_files(paths: list[Path]) -> Graph:
    """The graph of files. Raises UsageMistake for files that cannot be used."""
    from asya_cli import files

    loaded = files.load(paths)
    if loaded.errors:
        raise UsageMistake("\n".join(str(problem) for problem in loaded.errors))
    files.require_actors(loaded, paths)
    return graph_of_files(actor.document for actor in loaded.actors if actor.name)
