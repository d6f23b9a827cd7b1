"""What a user gets with `pip install asya-mesh` works outside this repository."""

import json
import os
import signal
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.wait import until

ROOT = Path(__file__).parents[2]


def run(*command: str | Path, cwd: Path, within_s: float = 240) -> "subprocess.CompletedProcess[str]":
    """Run to the end without anything of this environment; the output is in the failure."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=clean(), capture_output=True, text=True, timeout=within_s
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
    return done


def clean() -> dict[str, str]:
    """The environment without what would lead back to this repository."""
    hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    return {k: v for k, v in os.environ.items() if k not in hidden and not k.startswith("ASYA_")}


@pytest.fixture(scope="module")
def bin_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a new environment that holds the wheel and what it depends on."""
    place = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", place, ROOT, cwd=place)
    (wheel,) = place.glob("asya_mesh-*.whl")
    venv.create(place / "env", with_pip=True)
    run(place / "env" / "bin" / "python", "-m", "pip", "install", "--quiet", wheel, cwd=place)
    return place / "env" / "bin"


@pytest.fixture
def demo(bin_folder: Path, tmp_path: Path) -> Iterator[Path]:
    """A folder in which `asya new demo && asya up demo` was typed."""
    run(bin_folder / "asya", "new", "demo", cwd=tmp_path)
    with (tmp_path / "up.out").open("wb") as log:
        up = subprocess.Popen([bin_folder / "asya", "up", "demo"], cwd=tmp_path, env=clean(), stdout=log, stderr=log)
    try:
        until((tmp_path / ".asya" / "state.json").exists, within_s=90, what="the mesh to be up")
        yield tmp_path
    finally:
        up.send_signal(signal.SIGINT)
        try:
            assert up.wait(60) == 0, (tmp_path / "up.out").read_text()
        finally:
            up.kill()


@pytest.mark.timeout(600)
def test_new_and_up_from_an_installed_wheel_give_a_result(bin_folder: Path, demo: Path) -> None:
    sent = run(bin_folder / "asya", "send", "demo", "--payload", '{"name": "Ada"}', "--follow", cwd=demo)
    assert json.loads(sent.stdout) == {"greeting": "Hello, Ada!"}
    (stored,) = (demo / ".asya" / "results").glob("*.json")
    assert json.loads(stored.read_text())["payload"] == {"greeting": "Hello, Ada!"}
