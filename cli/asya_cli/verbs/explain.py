"""`asya explain`: why an actor has its status (contract: cli)."""

from dataclasses import asdict
from typing import Annotated

import typer

from asya_cli.context import ContextOption, NamespaceOption, cluster_meant
from asya_cli.local.explanation import explanation
from asya_cli.local.folder import Folder
from asya_cli.local.present import present
from asya_cli.output import Output, OutputOption, emit


def command(
    actor: Annotated[str, typer.Argument(help="The actor.")],
    output: OutputOption = Output.TABLE,
    namespace: NamespaceOption = None,
    context: ContextOption = None,
) -> None:
    """Say why an actor has its status, with evidence and the next command."""
    cluster = cluster_meant(context, namespace)
    if cluster is not None:
        from asya_cli.cluster.actors import one
        from asya_cli.cluster.connection import asked
        from asya_cli.cluster.explaining import explanation as explanation_in

        with asked(cluster):
            in_cluster = explanation_in(cluster, one(cluster, actor))
        emit(asdict(in_cluster), output, in_cluster.as_text)
        return
    found = explanation(present(Folder.here()).find(actor, namespace))
    emit(asdict(found), output, found.as_text)
