"""The picture, the tree and the import rules in docs/architecture.md say what the repository does."""

import re
import tomllib

from tests.support.console import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text()
RULES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]


def fenced(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"docs/architecture.md has no {language} block"
    return found.group(1)


def test_every_path_of_the_tree_exists() -> None:
    paths = [line.split()[0] for line in fenced("tree").splitlines()]
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_path_in_the_text_exists() -> None:
    named = set(re.findall(r"`([\w.-]+/[\w./-]*|[\w-]+\.(?:toml|md|py|lock))`", PAGE)) - {"decide/", "act/"}
    assert named
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


def test_every_folder_of_the_repository_is_in_the_tree() -> None:
    listed = {line.split()[0].split("/")[0] for line in fenced("tree").splitlines()}
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}
    assert folders - listed - {"build", "dist"} == set()


def test_the_picture_shows_the_layers_that_the_tool_checks() -> None:
    drawn = [re.findall(r"asya_[a-z]+", line) for line in fenced("text").splitlines() if line.startswith("│ asya_")]
    layers = next(rule for rule in RULES["contracts"] if rule["type"] == "layers" and "containers" not in rule)[
        "layers"
    ]
    assert drawn == [layer.split(" | ") for layer in layers]


def test_every_package_is_under_a_rule() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/asya_*/__init__.py")}
    assert packages == set(RULES["root_packages"])
