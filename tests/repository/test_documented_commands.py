"""Every command in the README, in docs/ and in the examples' READMEs is typed and prints what the document shows."""

from pathlib import Path

import pytest

from tests.support.console import ROOT, agrees, copy_of_the_repository, run, steps

DOCUMENTS = sorted(
    path for pattern in ("*.md", "docs/**/*.md", "gitops/**/*.md") for path in ROOT.glob(pattern) if steps(path)
)

# Part of this very run, or measuring for minutes on a machine that is busy with the tests.
ELSEWHERE = ("make test", "make check", "make bench")


def typed_in(document: Path) -> Path:
    """An example is typed in its own folder, everything else where the clone begins."""
    return document.relative_to(ROOT).parent if "gitops" in document.parts else Path()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_prints_what_the_document_shows(document: Path, tmp_path: Path) -> None:
    copy = copy_of_the_repository(tmp_path)
    typed = [step for step in steps(document) if not step.command.startswith(ELSEWHERE)]
    results = run(typed, copy / typed_in(document), within_s=200)
    for step, (status, output) in zip(typed, results, strict=True):
        place = f"{document.relative_to(ROOT)}:{step.line}: $ {step.command}"
        assert status == 0, f"{place}\nexit status {status}, printed:\n{output}"
        assert agrees(step.expected, output), f"{place}\nshown:\n{chr(10).join(step.expected)}\nprinted:\n{output}"


def test_the_readme_and_every_example_have_commands() -> None:
    documented = {path.parent for path in DOCUMENTS}
    assert ROOT in documented
    for example in (ROOT / "gitops" / "examples").iterdir():
        assert example in documented, f"{example.name} has no README with a console block"


def test_a_wrong_line_is_noticed() -> None:
    assert agrees(("a", "...", "b...d"), "a\nx\ny\nbcd\n")
    assert not agrees(("a", "b"), "a\nc\n")
    assert not agrees(("a",), "a\nb\n")
