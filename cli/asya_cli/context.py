"""Which mesh a verb speaks to: the local one of this folder, or a cluster. Called by the verbs that read or send.

The rule (contract: cli): with a running local mesh in the current folder the verbs speak to it, unless `--context` is given.
Verbs that cannot speak to a cluster yet refuse `--context` in one sentence.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from asya_cli.errors import Unreachable, UsageMistake

if TYPE_CHECKING:
    from asya_cli.cluster.connection import Cluster

ContextOption = Annotated[str | None, typer.Option("--context", help="A cluster of the kubeconfig.")]
NamespaceOption = Annotated[str | None, typer.Option("--namespace", "-n", help="Namespace of the actor.")]


def cluster_meant(context: str | None, namespace: str | None) -> "Cluster | None":
    """The cluster to ask, None when a local mesh runs in this folder and no `--context` is given.

    Raises:
        Unreachable: there is neither a local mesh nor a cluster.
    """
    from asya_cli.local.folder import Folder

    folder = Folder.here()
    if context is None and folder.pid() is not None:
        return None
    from asya_cli.cluster.connection import reach

    try:
        return reach(context, namespace)
    except Unreachable as error:
        if context is not None:
            raise
        where = folder.root.parent
        raise Unreachable(f"no mesh is running in {where}: start one with `asya up PATH`; and {error}") from None


def refuse_cluster(context: str | None) -> None:
    """Raises UsageMistake for a `--context`: only the local mesh can be reached yet."""
    if context is not None:
        raise UsageMistake(f"--context {context}: only the local mesh of this folder can be reached yet; leave it out")
