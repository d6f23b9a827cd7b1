"""Every numbered situation of the contract has a test that carries its number."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.support.console import ROOT

TESTS = ROOT / "tests" / "contract"


def numbers(*parts: range | str) -> set[str]:
    return {str(item) for part in parts for item in ([part] if isinstance(part, str) else part)}


# Rows that need SQS, a cluster, or the gateway come with those parts.
EXPECTED = {
    "envelope": numbers(range(1, 61), "32a"),
    "runtime": numbers(range(1, 51)),
    "sidecar": numbers(range(1, 57)) - {"47"},
    # On a real RabbitMQ: the rows that name it, and of the others those whose outcome depends on the broker.
    "sidecar_rabbitmq": numbers("1", "8", "13", "15", range(18, 21), range(31, 42), range(48, 52), "53", "54"),
    "cli": numbers(range(1, 16), "17"),
    "controller": numbers(range(1, 54), "55", "56"),
}


def rows_tested(page: str) -> Iterator[str]:
    for path in TESTS.glob(f"test_{page}*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield from re.findall(r"row_(\d+a?)(?=_|$)", node.name)


@pytest.mark.parametrize("page", sorted(EXPECTED))
def test_every_situation_has_a_test(page: str) -> None:
    missing = EXPECTED[page] - set(rows_tested(page))
    assert not missing, f"{page}: no test for rows {sorted(missing, key=lambda row: int(row.rstrip('a')))}"
