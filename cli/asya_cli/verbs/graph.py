"""`asya graph`: the mesh as a picture (contract: cli)."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asya_cli.context import ContextOption, NamespaceOption, cluster_meant
from asya_cli.errors import UsageMistake
from asya_cli.local.drawings import DRAWINGS
from asya_cli.local.folder import Folder
from asya_cli.local.graph import Graph, graph_of, graph_of_files
from asya_cli.local.present import present
from asya_cli.output import Output, OutputOption, emit

if TYPE_CHECKING:
    from asya_cli.cluster.connection import Cluster


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
    found = of_files(paths) if paths else of_mesh(context, namespace)
    emit(found.as_data(), output, lambda: DRAWINGS[form.value](found))


def of_mesh(context: str | None, namespace: str | None) -> Graph:
    """The graph of what runs: of the local mesh of this folder, or of one namespace of a cluster.

    Raises:
        Unreachable: there is neither.
    """
    cluster = cluster_meant(context, namespace)
    return graph_of(present(Folder.here()).select(namespace)) if cluster is None else of_cluster(cluster)


def of_cluster(cluster: "Cluster") -> Graph:
    """As the actors' status tells; who has sent to whom is counted by sidecars, which nobody asks here: edges are the declared ones."""
    from asya_cli.cluster.actors import listed
    from asya_cli.cluster.connection import asked

    with asked(cluster):
        return graph_of([entry_of(document) for document in listed(cluster)[0]])


def entry_of(document: dict[str, Any]) -> dict[str, Any]:
    """An actor of a cluster in the form in which a local mesh tells of its own."""
    status = document.get("status") or {}
    return {
        "label": document["metadata"]["name"],
        "queue": status.get("queue"),
        "document": {**document, "status": status},
        "edges": {},
        "queued": status.get("queuedMessages"),
        "processing": status.get("processingMessages"),
    }


def of_files(paths: list[Path]) -> Graph:
    """The graph of files. Raises UsageMistake for files that cannot be used."""
    from asya_cli import files

    loaded = files.load(paths)
    if loaded.errors:
        raise UsageMistake("\n".join(str(problem) for problem in loaded.errors))
    files.require_actors(loaded, paths)
    return graph_of_files(actor.document for actor in loaded.actors if actor.name)
