"""The reference page is made of the table of variables."""

import pytest

from asya_sidecar.settings.document import text
from asya_sidecar.settings.variables import VARIABLES, Variable


@pytest.mark.parametrize("row", VARIABLES, ids=lambda row: row.name)
def test_every_variable_is_on_the_page_with_default_meaning_and_range(row: Variable) -> None:
    (line,) = [line for line in text().splitlines() if line.startswith(f"| `{row.name}`")]
    assert all(f"`{alias}`" in line for alias in row.aliases)
    assert row.meaning in line
    assert row.kind.allowed in line
    assert ("required" if row.required else f"`{row.default}`" if row.default else "none") in line


def test_every_line_of_a_table_has_four_cells() -> None:
    rows = [line for line in text().splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {5}
