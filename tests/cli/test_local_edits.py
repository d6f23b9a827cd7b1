"""Edit and go: what a saved file changes while the mesh runs (contract: cli)."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.local_mesh import LocalMesh, local_mesh
from tests.support.wait import until

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[LocalMesh]:
    """Actors a and b; a's handler imports `shared`."""
    with local_mesh(tmp_path) as found:
        found.handler("shared", "WORD = 'old'\n")
        found.handler("one", "import shared\n\n\ndef f(payload):\n    return shared.WORD\n")
        found.handler("two", "def f(payload):\n    return 'two'\n")
        found.actor("a", "one.f")
        found.actor("b", "two.f")
        found.up()
        yield found


def pids(mesh: LocalMesh, actor: str) -> dict[str, int]:
    """Process ids of one actor's sidecar and runtime."""
    found = {}
    for process in mesh.processes_of(actor):
        with contextlib.suppress(psutil.NoSuchProcess):  # it is being replaced
            found["sidecar" if "asya_sidecar" in process.cmdline() else "runtime"] = process.pid
    return found


def test_a_saved_module_restarts_the_runtimes_that_import_it_and_nothing_else(mesh: LocalMesh) -> None:
    before = {name: pids(mesh, name) for name in ("a", "b")}
    mesh.handler("shared", "WORD = 'new'\n")
    until(lambda: pids(mesh, "a").get("runtime") not in (None, before["a"]["runtime"]), what="a's new runtime")
    mesh.send("a", None, "e-1")
    assert mesh.result("e-1") == "new"
    assert pids(mesh, "a")["sidecar"] == before["a"]["sidecar"]
    assert pids(mesh, "b") == before["b"]


def test_the_call_in_hand_is_finished_by_the_old_code(mesh: LocalMesh) -> None:
    started, go, first = mesh.folder / "started", mesh.folder / "go", pids(mesh, "b")["runtime"]
    mesh.handler(
        "two",
        "import pathlib, time\n\n\ndef f(payload):\n"
        f"    pathlib.Path({str(started)!r}).touch()\n"
        f"    while not pathlib.Path({str(go)!r}).exists():\n        time.sleep(0.02)\n    return 'old'\n",
    )
    until(lambda: pids(mesh, "b").get("runtime") not in (None, first), what="the runtime to be replaced")
    mesh.send("b", None, "e-1")
    until(started.exists, what="the call to begin")
    old = pids(mesh, "b")["runtime"]
    seen = mesh.printed.count("b: handler changed")
    mesh.handler("two", "def f(payload):\n    return 'new'\n")
    until(lambda: mesh.printed.count("b: handler changed") > seen, what="the edit to be seen")
    mesh.send("b", None, "e-2")
    assert pids(mesh, "b")["runtime"] == old
    go.touch()
    assert mesh.result("e-1") == "old"
    assert mesh.result("e-2") == "new"


def test_a_changed_actor_is_planned_anew_and_only_it_restarts(mesh: LocalMesh) -> None:
    before = {name: pids(mesh, name) for name in ("a", "b")}
    file = mesh.folder / "a.yaml"
    file.write_text(file.read_text() + "          - {name: COLOUR, value: blue}\n")
    until(lambda: not {p.pid for p in mesh.processes_of("a")} & set(before["a"].values()), what="the old replica to go")
    assert {process.environ().get("COLOUR") for process in mesh.processes_of("a")} == {None, "blue"}
    assert mesh.entry("a")["document"]["metadata"]["generation"] == 2
    mesh.becomes("a", "Running")
    assert pids(mesh, "b") == before["b"]


def test_a_broken_new_version_leaves_the_old_one_at_work(mesh: LocalMesh) -> None:
    file = mesh.folder / "b.yaml"
    good = file.read_text()
    file.write_text(good.replace("two.f", "nowhere.f"))
    mesh.becomes("b", "RuntimeError")
    mesh.send("b", None, "e-1")
    assert mesh.result("e-1") == "two"
    file.write_text(good)
    mesh.becomes("b", "Running")


def test_a_file_that_does_not_parse_keeps_the_last_good_state_and_shows_line_and_column(mesh: LocalMesh) -> None:
    file = mesh.folder / "b.yaml"
    good = file.read_text()
    file.write_text(good.replace("spec:\n  transport", "spec:\n\ttransport", 1))
    until(lambda: "the last good state stays" in mesh.printed, what="the mistake to be shown")
    line = next(text for text in mesh.printed.splitlines() if "b.yaml:" in text)
    assert "b.yaml:6:1: " in line
    until(lambda: any("b.yaml:6:1: " in problem for problem in mesh.state["problems"]), what="other commands to see it")
    mesh.send("b", None, "e-1")
    assert mesh.result("e-1") == "two"
    file.write_text(good)
    until(lambda: mesh.state["problems"] == [], what="the problem to go")


def test_a_new_file_brings_a_new_actor(mesh: LocalMesh) -> None:
    mesh.handler("three", "def f(payload):\n    return 3\n")
    mesh.actor("c", "three.f")
    mesh.becomes("c", "Running")
    mesh.send("c", None, "e-1")
    assert mesh.result("e-1") == 3


def test_a_module_that_was_missing_heals_its_actor_when_it_appears(mesh: LocalMesh) -> None:
    mesh.actor("c", "later.f")
    mesh.becomes("c", "RuntimeError")
    mesh.handler("later", "def f(payload):\n    return 'late'\n")
    mesh.send("c", None, "e-1")
    assert mesh.result("e-1") == "late"
    mesh.becomes("c", "Running")
