"""Files of the local mesh: its folder, the sources of a handler, watching and reading logs (folder.py, imports.py, watcher.py, tail.py)."""

import fcntl
import json
import os
import threading
import time
from pathlib import Path

import pytest

from asya_cli.local.edits import syntax_problems
from asya_cli.local.folder import AlreadyRunning, Folder, FolderUnusable
from asya_cli.local.follow import follow, follow_logs
from asya_cli.local.hops import Hop
from asya_cli.local.imports import files_of
from asya_cli.local.tail import Line, Tail, in_order
from asya_cli.local.watcher import changed_since, folders_below, matters

# --- the folder -------------------------------------------------------------------------------------------------------


def test_the_lock_names_its_owner_and_ends_with_it(tmp_path: Path) -> None:
    folder = Folder(tmp_path / ".asya")
    folder.make()
    assert folder.pid() is None
    with folder.take():
        assert folder.pid() == os.getpid()
        with pytest.raises(AlreadyRunning) as refused:
            folder.take()
        assert refused.value.pid == os.getpid()
    assert folder.pid() is None


def test_who_looks_for_a_mesh_is_not_taken_for_one(tmp_path: Path) -> None:
    """Any command looks, `asya up --detach` again and again while the mesh that it has started takes the lock."""
    folder = Folder(tmp_path / ".asya")
    folder.make()
    with folder.take():
        pass
    with folder.lock.open() as looks:
        fcntl.flock(looks, fcntl.LOCK_SH)  # what `pid` does, longer
        assert folder.pid() is None
        over = threading.Timer(0.2, fcntl.flock, (looks, fcntl.LOCK_UN))
        over.start()
        with folder.take():
            assert folder.pid() == os.getpid()
        over.join()


def test_a_folder_that_cannot_be_made_says_which_and_why(tmp_path: Path) -> None:
    (tmp_path / ".asya").write_text("")
    with pytest.raises(FolderUnusable, match=r"\.asya: cannot keep messages and results here"):
        Folder(tmp_path / ".asya").make()


def test_the_folder_is_ignored_by_git(tmp_path: Path) -> None:
    Folder(tmp_path / ".asya").make()
    assert (tmp_path / ".asya" / ".gitignore").read_text() == "*\n"


def test_a_published_state_is_read_back_and_a_broken_one_counts_as_none(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write_state({"pid": 1})
    assert folder.read_state() == {"pid": 1}
    folder.state.write_text("{")
    assert folder.read_state() is None


# --- sources of a handler ---------------------------------------------------------------------------------------------


def write(root: Path, **modules: str) -> None:
    for name, text in modules.items():
        file = root / (name.replace("__", "/") + ".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def names(found: frozenset[Path], root: Path) -> set[str]:
    return {str(path.relative_to(root.resolve())) for path in found}


def test_a_handler_consists_of_what_it_imports_from_its_folders(tmp_path: Path) -> None:
    write(tmp_path, main="import json\nimport one\nfrom pack import two\n", one="import deep.er\n", other="")
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text("")
    (tmp_path / "pack" / "two.py").write_text("from . import three\n")
    (tmp_path / "pack" / "three.py").write_text("")
    found = files_of("main.f", [tmp_path])
    assert names(found, tmp_path) == {"main.py", "one.py", "pack/__init__.py", "pack/two.py", "pack/three.py"}


def test_the_first_folder_that_has_a_module_wins(tmp_path: Path) -> None:
    write(tmp_path / "a", m="")
    write(tmp_path / "b", m="", n="")
    assert names(files_of("m.f", [tmp_path / "a", tmp_path / "b"]), tmp_path) == {"a/m.py"}


def test_modules_that_import_each_other_end(tmp_path: Path) -> None:
    write(tmp_path, a="import b\n", b="import a\n")
    assert names(files_of("a.f", [tmp_path]), tmp_path) == {"a.py", "b.py"}


def test_a_file_that_does_not_parse_still_belongs_to_its_handler(tmp_path: Path) -> None:
    write(tmp_path, a="def f(:\n")
    assert names(files_of("a.f", [tmp_path]), tmp_path) == {"a.py"}


def test_a_syntax_error_is_told_with_line_and_column(tmp_path: Path) -> None:
    write(tmp_path, a="x = 1\ndef f(:\n    pass\n")
    (problem,) = syntax_problems([tmp_path / "a.py", tmp_path / "gone.py"])
    assert problem == f"{tmp_path / 'a.py'}:2:7: invalid syntax"


# --- watching ---------------------------------------------------------------------------------------------------------


def test_environments_caches_and_hidden_folders_are_not_watched(tmp_path: Path) -> None:
    for name in ("src/deep", ".asya/logs", "node_modules/x", "__pycache__", "env/lib"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "env" / "pyvenv.cfg").write_text("")
    assert folders_below(tmp_path) == [tmp_path, tmp_path / "src", tmp_path / "src" / "deep"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.py", True), ("a.yaml", True), (".env", True), ("a.pyc", False), (".a.py.swp", False), ("notes.md", False)],
)
def test_only_files_that_can_change_the_mesh_matter(name: str, expected: bool) -> None:
    assert matters(Path("/x") / name) is expected


def test_what_was_written_while_nobody_watched_is_found_by_its_time(tmp_path: Path) -> None:
    old, fresh = tmp_path / "old.py", tmp_path / "new.py"
    old.write_text("")
    fresh.write_text("")
    moment = time.time_ns()
    os.utime(old, ns=(moment - 10**9, moment - 10**9))
    os.utime(fresh, ns=(moment + 10**9, moment + 10**9))
    assert changed_since([tmp_path, tmp_path / "none"], moment) == {fresh}


# --- logs -------------------------------------------------------------------------------------------------------------


def test_only_what_is_appended_is_read_and_only_whole_lines(tmp_path: Path) -> None:
    log = tmp_path / "sidecar.log"
    log.write_text("before\n")
    tail = Tail()
    tail.follow(log, "a", "a-0")
    with log.open("a") as file:
        file.write("one\ntw")
    assert [line.text for line in tail.new_lines()] == [b"one"]
    with log.open("a") as file:
        file.write("o\n")
    assert list(tail.new_lines()) == [Line("a", "a-0", "sidecar", b"two")]
    assert list(tail.new_lines()) == []


def test_a_log_that_begins_anew_is_read_from_its_begin(tmp_path: Path) -> None:
    log = tmp_path / "runtime.log"
    log.write_text("a long first life\n")
    tail = Tail()
    tail.follow(log, "a", "a-0")
    log.write_text("new\n")
    assert [line.text for line in tail.new_lines()] == [b"new"]


def test_who_follows_is_told_of_a_hop_whose_line_comes_after_the_end(tmp_path: Path) -> None:
    """Whoever sends an envelope on writes its line a moment later, and the end actor may be quicker."""
    folder = Folder(tmp_path)
    log = folder.logs / "a-0" / "sidecar.log"
    log.parent.mkdir(parents=True)
    log.touch()
    tail = Tail()
    follow_logs(folder, tail)
    folder.results.mkdir()
    (folder.results / "e-1.json").write_text('{"id": "e-1", "route": {"prev": ["a"], "curr": "", "next": []}}')
    line = {"time": "2026-01-02T03:04:05.006Z", "msg": "envelope done", "actor": "a", "outcome": "success"}
    later = threading.Timer(0.2, log.write_text, (json.dumps(line | {"envelope_id": "e-1"}) + "\n",))
    later.start()
    hops: list[Hop] = []
    outcome = follow(folder, "e-1", None, hops.append, tail)
    later.join()
    assert (outcome.failed, [(hop.actor, hop.outcome) for hop in hops]) == (False, [("a", "success")])


def test_lines_are_told_in_the_order_of_their_times_and_prints_stay_where_they_were() -> None:
    def line(pod: str, text: str) -> Line:
        return Line("a", pod, "runtime", text.encode())

    first = line("a-0", '{"time":"2026-01-02T03:04:05.001Z","msg":"one"}')
    printed = line("a-0", "printed")
    third = line("a-0", '{"time":"2026-01-02T03:04:05.003Z","msg":"three"}')
    second = line("b-0", '{"time":"2026-01-02T03:04:05.002Z","msg":"two"}')
    assert in_order([first, printed, third, second]) == [first, printed, second, third]
