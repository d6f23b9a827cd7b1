"""Which mesh a verb speaks to: the local one of this folder, or a cluster. Called by the verbs that read or send.

The rule (contract: cli): with a running local mesh in the current folder the verbs speak to it, unless `--context` is given.
Speaking to a cluster comes with the controller; until then `--context` is refused in one sentence.
"""

from typing import Annotated

import typer

from asya_cli.errors import UsageMistake

ContextOption = Annotated[str | None, typer.Option("--context", help="A cluster of the kubeconfig.")]
NamespaceOption = Annotated[str | None, typer.Option("--namespace", "-n", help="Namespace of the actor.")]


def refuse_cluster(context: str | None) -> None:
    """Raises UsageMistake for a `--context`: only the local mesh can be reached yet."""
    if context is not None:
        raise UsageMistake(f"--context {context}: only the local mesh of this folder can be reached yet; leave it out")
