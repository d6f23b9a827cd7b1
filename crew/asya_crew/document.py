"""The reference page of the crew's variables, from the table itself.

`make generate` writes docs/reference/crew-variables.md with it; a test says when that is out of date.
"""

from asya_crew.settings import S3_VARIABLES, VARIABLES

HEAD = """\
# Variables of x-sink and x-sump

Generated from `crew/asya_crew/settings.py` by `make generate`. They stand on the runtime container, whose handler is
`asya_crew.sink.handle` or `asya_crew.sump.handle` in envelope mode. Empty counts as unset. With a mistake in them the
handler cannot be loaded, and the runtime says why.

| variable | default | meaning |
|---|---|---|
"""
TAIL = """
This build stores in a folder only. A bucket asked for by {names} is a mistake too: what was meant to be stored would be lost.
"""


def text() -> str:
    """The page, in Markdown."""
    rows = (
        f"| `{name}` | {f'`{default}`' if default else 'none'} | {meaning} |\n"
        for name, (default, meaning) in VARIABLES.items()
    )
    names = ", ".join(f"`{name}`" for name in S3_VARIABLES)
    return HEAD + "".join(rows) + TAIL.format(names=names)
