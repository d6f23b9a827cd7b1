"""Data on stdout in the form the user asked for."""

import json

import pytest

from asya_cli.output import Output, columns, emit

VALUE = {"b": 1, "a": ["é"]}


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (Output.JSON, json.dumps(VALUE, indent=2, ensure_ascii=False) + "\n"),
        (Output.YAML, 'b: 1\na:\n- "é"\n'),
        (Output.TABLE, "a table\n"),
    ],
)
def test_a_value_is_written_in_the_wanted_form(capsys: pytest.CaptureFixture[str], form: Output, expected: str) -> None:
    emit(VALUE, form, lambda: "a table")
    assert capsys.readouterr().out == expected


def test_columns_are_aligned_and_have_no_spaces_at_the_end() -> None:
    assert columns(["NAME", "N"], [["a", "1"], ["longer", ""]]) == "NAME     N\na        1\nlonger"
