"""One module per verb. Each has `command`: a Typer function or app. See `asya_cli.app`."""
