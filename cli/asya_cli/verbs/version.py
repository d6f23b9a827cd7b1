"""`asya version`: the versions of the parts (contract: cli)."""

from importlib.metadata import version
from typing import Annotated

import typer

from asya_cli import notes
from asya_cli.context import ContextOption, cluster_meant
from asya_cli.errors import Failure
from asya_cli.output import Output, OutputOption, columns, emit


def command(
    client: Annotated[bool, typer.Option("--client", help="Of this command alone; no cluster is asked.")] = False,
    output: OutputOption = Output.TABLE,
    context: ContextOption = None,
) -> None:
    """Print the versions of the parts: this command, and what a cluster has."""
    parts = {
        "client": version("asya-mesh"),
        "crd": "asya.sh/v1alpha1",
        "controller": None,
        # Tells its version itself once there is one to ask.
        "gateway": None,
    }
    if not client:
        try:
            parts["controller"] = of_controller(context)
        except Failure as failure:
            if context is not None:
                raise
            # A laptop without a cluster is the usual case, not a fault.
            notes.detail(str(failure))
    emit(parts, output, lambda: columns(("PART", "VERSION"), [[name, v or "-"] for name, v in parts.items()]))


def of_controller(context: str | None) -> str | None:
    """The version of the cluster's controller. Raises Unreachable, ProblemsFound."""
    cluster = cluster_meant(context, None)
    if cluster is None:
        return None
    from asya_cli.cluster.connection import asked
    from asya_cli.cluster.installation import installation

    with asked(cluster):
        found = installation(cluster)
    return found.version if found else None
