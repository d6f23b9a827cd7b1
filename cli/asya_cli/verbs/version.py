"""`asya version`: the versions of the parts (contract: cli)."""

from importlib.metadata import version

from asya_cli.output import Output, OutputOption, columns, emit


def command(output: OutputOption = Output.TABLE) -> None:
    """Print the versions of the parts."""
    parts = {
        "client": version("asya-mesh"),
        "crd": "asya.sh/v1alpha1",
        # Neither can be asked before there is a way to reach a cluster.
        "controller": None,
        "gateway": None,
    }
    emit(parts, output, lambda: columns(("PART", "VERSION"), [[name, v or "-"] for name, v in parts.items()]))
