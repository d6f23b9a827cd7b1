"""`asya new`: an actor that validates, a handler whose test passes, nothing overwritten."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from asya_cli.verbs.new import actor_files, module_name
from tests.support.asya_command import WITHIN_S, asya


def test_the_new_actor_has_no_problem(tmp_path: Path) -> None:
    assert asya("new", "demo", cwd=tmp_path).returncode == 0
    done = asya("validate", "demo", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "1 actor: 0 errors, 0 warnings\n")


def test_the_next_commands_are_said(tmp_path: Path) -> None:
    done = asya("new", "demo", cwd=tmp_path)
    assert done.stdout == ""
    assert "asya up demo" in done.stderr
    assert "asya send demo --payload" in done.stderr


def test_the_new_test_passes(tmp_path: Path) -> None:
    for name in ("demo", "2nd-one"):
        assert asya("new", name, cwd=tmp_path).returncode == 0
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "demo", "2nd-one"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def test_another_folder_can_be_given(tmp_path: Path) -> None:
    assert asya("new", "demo", "--dir", "deep/er", cwd=tmp_path).returncode == 0
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == {
        "deep/er/demo.yaml",
        "deep/er/handlers/demo_handler.py",
        "deep/er/test_demo.py",
    }


def test_two_actors_share_a_folder(tmp_path: Path) -> None:
    assert [asya("new", name, "--dir", ".", cwd=tmp_path).returncode for name in ("one", "two")] == [0, 0]
    assert asya("validate", ".", cwd=tmp_path).stderr.startswith("2 actors: 0 errors")


def test_nothing_is_overwritten_and_nothing_is_half_made(tmp_path: Path) -> None:
    handler = tmp_path / "demo" / "handlers" / "demo_handler.py"
    handler.parent.mkdir(parents=True)
    handler.write_text("mine")
    done = asya("new", "demo", cwd=tmp_path)
    assert done.returncode == 2
    assert "demo/handlers/demo_handler.py exists already" in done.stderr
    assert handler.read_text() == "mine"
    assert not (tmp_path / "demo" / "demo.yaml").exists()


@pytest.mark.parametrize(
    ("name", "near"), [("My_Actor", "my-actor"), ("a.b", "a-b"), ("-x", "x"), ("a" * 64, "a" * 63)]
)
def test_a_name_that_kubernetes_refuses_is_refused_with_a_near_one(tmp_path: Path, name: str, near: str) -> None:
    done = asya("new", "--", name, cwd=tmp_path)
    assert done.returncode == 2
    assert "metadata.name must be a DNS label" in done.stderr
    assert f"did you mean {near}?" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = asya("new", "demo", "--dir", "file/sub", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "file" in done.stderr


@pytest.mark.parametrize("name", ["json", "queue", "class", "2nd", "a-b", "x" * 63])
def test_the_handler_has_a_name_that_python_can_import_and_that_hides_nothing(name: str) -> None:
    module = module_name(name)
    assert module.isidentifier()
    assert module not in sys.stdlib_module_names


def test_the_python_files_are_python() -> None:
    for path, text in actor_files("a-b", Path("x")).items():
        if path.suffix == ".py":
            ast.parse(text)
