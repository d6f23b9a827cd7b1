"""The reference page of the runtime's variables names exactly what the runtime reads."""

import ast
import re

from tests.support.console import ROOT

PAGE = (ROOT / "docs" / "reference" / "runtime-variables.md").read_text()
SOURCE = (ROOT / "runtime" / "asya_runtime.py").read_text()


def test_every_variable_that_is_read_is_on_the_page_and_no_other() -> None:
    literals = {node.value for node in ast.walk(ast.parse(SOURCE)) if isinstance(node, ast.Constant)}
    read = {text for text in literals if isinstance(text, str) and re.fullmatch(r"ASYA_[A-Z_]+", text)}
    assert read == set(re.findall(r"ASYA_[A-Z_]+", PAGE))
