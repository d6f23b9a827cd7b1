"""Every command in the README, in docs/ and in the examples' READMEs is typed and prints what the document shows."""

import contextlib
from pathlib import Path

import pytest

from tests.support.console import ROOT, agrees, check, copy_of_the_repository, steps
from tests.support.rabbitmq import shared_node

DOCUMENTS = sorted(
    path for pattern in ("*.md", "docs/**/*.md", "gitops/**/*.md") for path in ROOT.glob(pattern) if steps(path)
)

# Typed in a cluster: tests/cluster/test_documents.py, tests/gitops/test_installation.py and, with containers, tests/e2e/test_pages.py.
IN_A_CLUSTER = {ROOT / "docs" / f"{page}.md" for page in ("cluster", "installation", "debugging")}

# Part of this very run, or measuring for minutes on a machine that is busy with the tests.
ELSEWHERE = ("make test", "make check", "make bench", "make storm")


def typed_in(document: Path) -> Path:
    """An example is typed in its own folder, everything else where the clone begins."""
    return document.relative_to(ROOT).parent if "gitops" in document.parts else Path()


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "document", [path for path in DOCUMENTS if path not in IN_A_CLUSTER], ids=lambda path: str(path.relative_to(ROOT))
)
def test_every_command_prints_what_the_document_shows(document: Path, tmp_path: Path) -> None:
    copy = copy_of_the_repository(tmp_path)
    typed = [step for step in steps(document) if not step.command.startswith(ELSEWHERE)]
    with contextlib.ExitStack() as stack:
        variables = {}
        if any("$RABBITMQ_URL" in step.command for step in typed):
            variables["RABBITMQ_URL"] = stack.enter_context(shared_node().vhost_url())
        check(document, typed, copy / typed_in(document), 200, **variables)


def test_the_readme_and_every_example_have_commands() -> None:
    documented = {path.parent for path in DOCUMENTS}
    assert ROOT in documented
    for example in (ROOT / "gitops" / "examples").iterdir():
        assert example in documented, f"{example.name} has no README with a console block"


def test_a_wrong_line_is_noticed() -> None:
    assert agrees(("a", "...", "b...d"), "a\nx\ny\nbcd\n")
    assert not agrees(("a", "b"), "a\nc\n")
    assert not agrees(("a",), "a\nb\n")
