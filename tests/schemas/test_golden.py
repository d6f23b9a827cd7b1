"""The golden files are what their generator writes, and hold the whole table."""

from __future__ import annotations

import runpy
from pathlib import Path

from tests.support.golden import GOLDEN, cases


def test_files_are_current() -> None:
    generated = runpy.run_path(str(GOLDEN / "generate.py"))["files"]()
    assert {path.relative_to(GOLDEN): path.read_text() for path in GOLDEN.glob("*/*.json")} == generated


def test_every_row_of_the_table_has_a_case() -> None:
    assert {case.row for case in cases("envelope")} == {str(row) for row in range(1, 61)} | {"32a"}


def test_files_stay_small() -> None:
    large = [path for path in Path(GOLDEN).glob("*/*.json") if path.stat().st_size > 8_192]
    assert large == []
