"""Prints data in the form the user asked for: a table, JSON or YAML.

Called by every verb that prints data (contract: cli, `--output table|json|yaml`). Must not print notes: see `notes`.
"""

import json
import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer

from asya_cli.errors import Failure
from asya_schemas.actor.yaml_text import to_yaml


class Output(StrEnum):
    """The forms of `--output`."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


# The annotation of a verb's parameter: `output: OutputOption = Output.TABLE`.
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="Form of the data on stdout.")]


def emit(value: Any, output: Output, table: Callable[[], str]) -> None:
    """Write `value` (plain dicts, lists, scalars) to stdout as JSON or YAML, or the text that `table()` makes of it."""
    write(table() if output is Output.TABLE else to_json(value) if output is Output.JSON else to_yaml(value))


def write(text: str) -> None:
    """Write text to stdout, with exactly one line end after it; nothing for empty text or where stdout is closed.

    Raises:
        Failure: the data cannot be written, on a full disk for example. A reader that has gone is another matter.
    """
    if not text or sys.stdout is None:
        return
    try:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Failure(f"cannot write to stdout: {error.strerror}") from None


def to_json(value: Any) -> str:
    """JSON with two spaces, in the order of the keys, not escaped beyond need."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Plain aligned columns, as kubectl prints them: no frame, no colour, fit for `grep` and `awk`."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    return "\n".join(
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [header, *rows]
    )
