"""Which files a source reads: links, mounts, what changes while it is read, and the revision."""

import subprocess
import threading
from pathlib import Path

import pytest

from asya_controller.act.source.changes import Changes, folders_of, links_to
from asya_controller.act.source.files import load
from asya_controller.act.source.snapshot import git_revision, take

ACTOR = "apiVersion: asya.sh/v1alpha1\nkind: AsyncActor\nmetadata: {name: %s}\nspec: {transport: t}\n"


def write(path: Path, name: str = "a") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(ACTOR % name)
    return path


def found(root: Path) -> tuple[list[str], list[str]]:
    loaded = load([root], confined=True)
    return [actor.name for actor in loaded.actors], [str(problem) for problem in loaded.problems]


def mount(root: Path, version: str, *names: str) -> None:
    """What the kubelet does: files in a new hidden folder, `..data` swapped to it, links that stay."""
    for name in names:
        write(root / f"..{version}" / name, Path(name).stem)
    (root / "..new").symlink_to(f"..{version}")
    (root / "..new").replace(root / "..data")
    for name in names:
        top = root / name.split("/")[0]
        if not top.is_symlink():
            top.symlink_to(f"..data/{name.split('/')[0]}")


def test_a_link_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "outside" / "x.yaml", "x")
    root = tmp_path / "source"
    write(root / "a.yaml")
    (root / "x.yaml").symlink_to("../outside/x.yaml")
    (root / "sub").symlink_to(tmp_path / "outside")
    names, problems = found(root)
    assert names == ["a"]
    assert [problem.split(": ")[0] for problem in problems] == [f"{root}/x.yaml:1:1", f"{root}/sub:1:1"]
    assert "leads out of" in problems[0]


def test_the_files_of_a_config_map_mount_are_read_once(tmp_path: Path) -> None:
    mount(tmp_path, "v1", "a.yaml", "sub/b.yaml")
    assert found(tmp_path) == (["a", "b"], [])


def test_a_file_with_two_names_inside_is_one_file(tmp_path: Path) -> None:
    write(tmp_path / "z.yaml", "z")
    (tmp_path / "a.yaml").symlink_to("z.yaml")
    (tmp_path / "loop").symlink_to(".")
    assert found(tmp_path) == (["z"], [])


def test_the_same_name_in_the_namespace_of_the_source_is_defined_twice(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").write_text((ACTOR % "a").replace("{name: a}", "{name: a, namespace: prod}"))
    assert load([tmp_path], confined=True).problems == []
    assert len(load([tmp_path], confined=True, namespace="prod").problems) == 2


def test_a_large_file_is_refused_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "big.yaml").write_text("# " + "x" * 1024 * 1024)
    _, (problem,) = found(tmp_path)
    assert problem.startswith(f"{tmp_path}/big.yaml:1:1: larger than 1 MiB")


def test_the_digest_is_of_names_and_contents_wherever_the_folder_lies(tmp_path: Path) -> None:
    for place in ("x", "y"):
        write(tmp_path / place / "a.yaml")
    first, second = (take([tmp_path / place], "default") for place in ("x", "y"))
    assert first.digest == second.digest == first.revision
    assert first.digest.startswith("sha256:")
    write(tmp_path / "y" / "a.yaml", "b")
    assert take([tmp_path / "y"], "default").digest != first.digest


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", "-C", folder, *arguments],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    write(root / "actors" / "a.yaml")
    git(tmp_path, "init", "--quiet", str(root))
    git(root, "add", "-A")
    git(root, "commit", "--quiet", "-m", "first")
    return root


def test_the_revision_is_the_commit_and_says_when_files_differ_from_it(repository: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    assert git_revision([repository / "actors"]) == head
    assert git_revision([repository / "actors" / "a.yaml"]) == head
    write(repository / "elsewhere.txt")
    assert git_revision([repository / "actors"]) == head
    write(repository / "actors" / "b.yaml", "b")
    assert git_revision([repository / "actors"]) == f"{head}-dirty"


def test_a_detached_worktree_behind_a_link_has_its_commit(repository: Path, tmp_path: Path) -> None:
    """As git-sync keeps it."""
    head = git(repository, "rev-parse", "HEAD")
    git(repository, "worktree", "add", "--quiet", "--detach", str(tmp_path / "worktrees" / head))
    (tmp_path / "current").symlink_to(f"worktrees/{head}")
    assert git_revision([tmp_path / "current" / "actors"]) == head
    git(repository, "pack-refs", "--all")
    assert git_revision([repository / "actors"]) == head


# --- waiting ----------------------------------------------------------------------------------------------------------

LONG_S = 30.0


class Waiting:
    """A thread that waits for a change; `heard` is set when it came before the time."""

    def __init__(self, path: Path) -> None:
        self.stop = threading.Event()
        self.heard = threading.Event()
        self._changes = Changes([path], self.stop)
        assert self._changes.problem is None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self._changes.wait(LONG_S)
        if not self.stop.is_set():
            self.heard.set()

    def close(self) -> bool:
        heard = self.heard.wait(LONG_S / 2)
        self.stop.set()
        self._thread.join()
        self._changes.close()
        return heard


def test_a_new_file_in_a_folder_below_is_heard(tmp_path: Path) -> None:
    write(tmp_path / "sub" / "a.yaml")
    waiting = Waiting(tmp_path)
    write(tmp_path / "sub" / "b.yaml")
    assert waiting.close()


def test_a_link_on_the_way_that_is_swapped_is_heard(tmp_path: Path) -> None:
    for version in ("1", "2"):
        write(tmp_path / "worktrees" / version / "actors" / "a.yaml", f"a{version}")
    (tmp_path / "current").symlink_to("worktrees/1")
    waiting = Waiting(tmp_path / "current" / "actors")
    (tmp_path / "new").symlink_to("worktrees/2")
    (tmp_path / "new").replace(tmp_path / "current")
    assert waiting.close()


def test_a_config_map_that_is_swapped_is_heard(tmp_path: Path) -> None:
    mount(tmp_path, "v1", "a.yaml")
    waiting = Waiting(tmp_path)
    mount(tmp_path, "v2", "a.yaml")
    assert waiting.close()


def test_what_is_watched_is_every_visible_folder_and_every_link_on_the_way(tmp_path: Path) -> None:
    (tmp_path / "real" / "sub" / ".git").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    path = tmp_path / "link" / "sub"
    assert list(folders_of(path)) == [path]
    assert list(links_to(path)) == [path, tmp_path / "link"]
