"""`asya get`: the status table of `kubectl get asyncactors -o wide` (contract: cli; crd, Columns)."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asya_cli import notes
from asya_cli.context import ContextOption, NamespaceOption, cluster_meant
from asya_cli.local.folder import Folder
from asya_cli.local.present import Entry, Present, present
from asya_cli.local.wide import HEADER, row
from asya_cli.output import Output, OutputOption, columns, emit, write

if TYPE_CHECKING:
    from asya_cli.cluster.connection import Cluster

WATCH_STEP_S = 0.2


def command(
    actor: Annotated[str | None, typer.Argument(help="One actor; all without it.")] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Print an actor again whenever it changes.")] = False,
    everywhere: Annotated[bool, typer.Option("--all-namespaces", "-A", help="Actors of every namespace.")] = False,
    output: OutputOption = Output.TABLE,
    namespace: NamespaceOption = None,
    context: ContextOption = None,
) -> None:
    """Show the status table of the actors."""
    cluster = cluster_meant(context, namespace)
    if cluster is not None:
        of_cluster(cluster, actor, watch, everywhere, output)
        return
    folder = Folder.here()
    mesh = present(folder)
    entries = chosen(mesh, actor, namespace)
    documents = [document_of(entry) for entry in entries]
    if watch:
        follow(folder, actor, namespace, output)
        return
    value = documents[0] if actor is not None else listed(documents)
    emit(value, output, lambda: table(documents))


def of_cluster(cluster: "Cluster", actor: str | None, watch: bool, everywhere: bool, output: Output) -> None:
    """The same from a cluster."""
    from asya_cli.cluster.actors import changes, one
    from asya_cli.cluster.actors import listed as listed_in
    from asya_cli.cluster.connection import asked

    with asked(cluster):
        documents, version = listed_in(cluster, everywhere) if actor is None else ([one(cluster, actor)], "")
        if not documents:
            notes.say(f"no AsyncActor in {'the cluster' if everywhere else f'namespace {cluster.namespace}'}")
        if not watch:
            value = documents[0] if actor is not None else listed(documents)
            emit(value, output, lambda: table(documents, everywhere=everywhere) if documents else "")
            return
        show(documents, output, header=True, everywhere=everywhere)
        for document in changes(cluster, everywhere, version or documents[0]["metadata"]["resourceVersion"]):
            if actor in (None, document["metadata"]["name"]):
                show([document], output, header=False, everywhere=everywhere)


def show(documents: list[dict[str, Any]], output: Output, header: bool, everywhere: bool = False) -> None:
    """Rows as they come, or one document after the other."""
    if output is Output.TABLE:
        write(table(documents, header, everywhere) if documents or header else "")
    for document in documents if output is not Output.TABLE else ():
        write("---" if output is Output.YAML else "")
        emit(document, output, lambda: "")


def chosen(mesh: Present, actor: str | None, namespace: str | None) -> list[Entry]:
    """The actors asked for. Raises UsageMistake for an unknown one."""
    return mesh.select(namespace) if actor is None else [mesh.find(actor, namespace)]


def document_of(entry: Entry) -> dict[str, Any]:
    """The AsyncActor with its status; the counts are those of the last look, not of the last write of status."""
    document: dict[str, Any] = entry["document"]
    counts = {"queuedMessages": entry["queued"], "processingMessages": entry["processing"]}
    known = {name: value for name, value in counts.items() if value is not None}
    return {**document, "status": {**document["status"], **known}}


def listed(documents: list[dict[str, Any]]) -> dict[str, Any]:
    """What `kubectl get -o json` prints for several."""
    return {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": documents}


def table(documents: list[dict[str, Any]], header: bool = True, everywhere: bool = False) -> str:
    """The wide table; with a namespace column for `everywhere`, or when the actors are of several."""
    now = datetime.now(UTC)
    spaces = [document["metadata"]["namespace"] for document in documents]
    rows = [row(document, now) for document in documents]
    if len(set(spaces)) < 2 and not everywhere:
        return columns(HEADER, rows) if header else columns(HEADER, rows).partition("\n")[2]
    text = columns(("NAMESPACE", *HEADER), [[space, *cells] for space, cells in zip(spaces, rows, strict=True)])
    return text if header else text.partition("\n")[2]


def follow(folder: Folder, actor: str | None, namespace: str | None, output: Output) -> None:
    """Print every actor, then each one that changes, until interrupted or the mesh ends."""
    seen: dict[str, Any] = {}
    stamp = None
    while True:
        if (now := _stamp(folder)) != stamp:
            stamp = now
            documents = [document_of(entry) for entry in chosen(present(folder), actor, namespace)]
            changed = [d for d in documents if seen.get(d["metadata"]["uid"]) != d["status"]]
            first = not seen
            seen |= {document["metadata"]["uid"]: document["status"] for document in documents}
            if changed:
                show(changed, output, header=first)
        time.sleep(WATCH_STEP_S)


def _stamp(folder: Folder) -> int:
    try:
        return folder.state.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
