"""Every test that docs/reliability.md names as a proof exists, and every fault there has one."""

import ast
import re

from tests.support.console import ROOT

PAGE = (ROOT / "docs" / "reliability.md").read_text()
FAULTS = PAGE.partition("\n## When something breaks\n")[2].partition("\n## ")[0]
ROWS = [line for line in FAULTS.splitlines() if line.startswith("| ") and not line.startswith("| fault |")]


def every_test() -> set[str]:
    return {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def sidecar_rows() -> set[str]:
    """`row_<number>` of every test about a sidecar."""
    texts = (path.read_text() for path in (ROOT / "tests" / "contract").glob("test_sidecar*.py"))
    names = (name for text in texts for name in re.findall(r"def (test_row_\w+)", text))
    return {row for name in names for row in re.findall(r"row_\d+(?=_)", name)}


def test_every_proof_exists() -> None:
    named = {proof for row in ROWS for proof in re.findall(r"`((?:row_\d+|test_\w+))`", row.rsplit("|", 2)[1])}
    assert len(named) > 20
    assert named - every_test() - sidecar_rows() == set()


def test_every_fault_has_a_proof() -> None:
    unproved = [row for row in ROWS if not re.search(r"`(?:row_\d+|test_\w+)`", row.rsplit("|", 2)[1])]
    assert unproved == []
