"""Every numbered situation of the contract has a test that carries its number."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.conftest import ON_EVERY_BROKER
from tests.support.console import ROOT

TESTS = ROOT / "tests" / "contract"


def numbers(*parts: range | str) -> set[str]:
    return {str(item) for part in parts for item in ([part] if isinstance(part, str) else part)}


# Rows that need SQS, a cluster, or the gateway come with those parts.
SIDECAR = numbers(range(1, 57)) - {"47"}
EXPECTED = {
    "envelope": numbers(range(1, 61), "32a"),
    "runtime": numbers(range(1, 51)),
    "sidecar": SIDECAR,
    "sidecar_rabbitmq": SIDECAR,
    "cli": numbers(range(1, 16), "17"),
    "controller": numbers(range(1, 58)),
}


def files(page: str) -> Iterator[Path]:
    yield from TESTS.glob(f"test_{page}*.py")
    if page == "sidecar_rabbitmq":
        yield from (TESTS / f"{name}.py" for name in ON_EVERY_BROKER)


def rows_tested(page: str) -> Iterator[str]:
    for path in files(page):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield from re.findall(r"row_(\d+a?)(?=_|$)", node.name)


@pytest.mark.parametrize("page", sorted(EXPECTED))
def test_every_situation_has_a_test(page: str) -> None:
    missing = EXPECTED[page] - set(rows_tested(page))
    assert not missing, f"{page}: no test for rows {sorted(missing, key=lambda row: int(row.rstrip('a')))}"
