"""`asya crd`: the CustomResourceDefinition, for `asya crd | kubectl apply -f -`."""

from asya_cli.output import Output, OutputOption, to_json, write
from asya_schemas.actor.crd import crd, text


def command(output: OutputOption = Output.YAML) -> None:
    """Print the CustomResourceDefinition (YAML)."""
    write(to_json(crd()) if output is Output.JSON else text())
