"""`asya crd`: the CustomResourceDefinition, for `asya crd | kubectl apply -f -`."""

from asya_cli.output import Output, OutputOption, emit, to_yaml


def command(output: OutputOption = Output.YAML) -> None:
    """Print the CustomResourceDefinition (YAML)."""
    from asya_schemas.actor.crd import crd

    definition = crd()
    emit(definition, output, lambda: to_yaml(definition))
