"""`asya schema`: the JSON Schema that editors use for AsyncActor files."""

from asya_cli.output import write
from asya_schemas.actor.json_schema import text


def command() -> None:
    """Print the JSON Schema for editors.

    Save it and begin an AsyncActor file with: # yaml-language-server: $schema=<path>
    """
    write(text())
