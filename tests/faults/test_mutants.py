"""The planted bugs of `make mutants` can be planted: every patch applies to the tree as it is, and the tests it names exist.

Whether they are caught takes minutes and is `make mutants`.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.console import ROOT

spec = importlib.util.spec_from_file_location("mutants", ROOT / "tools" / "mutants.py")
assert spec is not None
assert spec.loader is not None
mutants = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = mutants  # a dataclass looks its module up
spec.loader.exec_module(mutants)
ALL = mutants.mutants()
PROMISED = {
    "acknowledge-before-sending",
    "rabbitmq-no-confirms",
    "rabbitmq-no-mandatory",
    "sump-failure-swallowed",
    "headers-dropped",
    "timeout-without-acknowledgement",
    "rabbitmq-no-new-consumer-after-cancel",
    "rabbitmq-old-generation-acknowledged",
    "recursion-error-not-caught",
}


def test_the_bugs_that_must_be_planted_are_there() -> None:
    assert PROMISED - {mutant.name for mutant in ALL} == set()


@pytest.mark.parametrize("name", [mutant.name for mutant in ALL])
def test_a_patch_applies_to_the_tree(name: str) -> None:
    mutant = next(mutant for mutant in ALL if mutant.name == name)
    assert mutants.apply(mutant, ROOT, only_check=True) == "", f"make {mutant.path} anew"


def test_the_tests_that_must_fail_exist() -> None:
    named = sorted({test for mutant in ALL for test in mutant.tests})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *named]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def test_a_patch_without_a_test_is_refused(tmp_path: Path) -> None:
    (tmp_path / "some.patch").write_text("A sentence.\n\ndiff --git a/x b/x\n")
    with pytest.raises(ValueError, match=r"some\.patch: begin with a sentence, then a line"):
        mutants.mutants(tmp_path)
