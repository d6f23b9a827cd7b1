"""`asya crd`: the CustomResourceDefinition, for `asya crd | kubectl apply -f -`."""

from asya_cli.output import Output, OutputOption, emit
from asya_schemas.actor.crd import crd, text


def command(output: OutputOption = Output.YAML) -> None:
    """Print the CustomResourceDefinition (YAML)."""
    emit(crd(), output, text)
