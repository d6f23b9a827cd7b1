"""The reference page of the sidecar's variables, from the table itself.

`make generate` writes docs/reference/sidecar-variables.md with it; a test says when that is out of date.
"""

from collections.abc import Iterable

from asya_sidecar.settings.variables import VARIABLES, Variable

HEAD = """\
# Variables of the sidecar

Generated from `sidecar/asya_sidecar/settings/variables.py` by `make generate`. Empty counts as unset. The first name of a row wins over its
older names in parentheses. All mistakes are told at once, one line each, and the sidecar exits with 2; an unknown log level, and an `ASYA_`
variable that nothing reads, are warnings.
"""
SECTIONS = (
    (None, "For every transport"),
    ("rabbitmq", "For `ASYA_TRANSPORT=rabbitmq`"),
    ("sqs", "For `ASYA_TRANSPORT=sqs`"),
    ("sqlite", "For `ASYA_TRANSPORT=sqlite`"),
)


def text() -> str:
    """The page, in Markdown."""
    parts = [HEAD]
    for transport, title in SECTIONS:
        rows = "\n".join(_rows(row for row in VARIABLES if row.transport == transport))
        parts.append(f"## {title}\n\n| variable | default | meaning | allowed |\n|---|---|---|---|\n{rows}\n")
    return "\n".join(parts)


def _rows(variables: Iterable[Variable]) -> Iterable[str]:
    for row in variables:
        older = f" ({', '.join(f'`{alias}`' for alias in row.aliases)})" if row.aliases else ""
        default = "required" if row.required else "none" if row.default is None else f"`{row.default}`"
        cells = (f"`{row.name}`{older}", default, row.meaning, row.kind.allowed)
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
