"""Objects in a folder: made once, complete, never changed."""

import hashlib
import threading
from pathlib import Path

import pytest

from asya_crew.store import FolderStore, NotStoredError, Stored, key_name


@pytest.mark.parametrize(
    ("envelope_id", "name"),
    [
        ("e-1", "e-1.json"),
        ("A.b_c-9", "A.b_c-9.json"),
        ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd.json"),
        (".hidden", "%2Ehidden.json"),
        ("a b%", "a%20b%25.json"),
        ("é", "%C3%A9.json"),
        ("x" * 200, "x" * 200 + ".json"),
        ("x" * 201, "h-" + hashlib.sha256(b"x" * 201).hexdigest() + ".json"),
        ("/" * 67, "h-" + hashlib.sha256(b"/" * 67).hexdigest() + ".json"),
    ],
)
def test_key_names_follow_the_id_alone(envelope_id: str, name: str) -> None:
    assert key_name(envelope_id) == name


def test_a_replayed_failure_has_a_name_of_its_own() -> None:
    assert key_name("e-1", replays=2) == "e-1.r2.json"


def test_an_object_is_written_whole_and_located(tmp_path: Path) -> None:
    stored = FolderStore(tmp_path).put("results/e-1.json", b"{}")
    path = tmp_path / "results" / "e-1.json"
    assert path.read_bytes() == b"{}"
    assert stored == Stored(path.as_uri(), b"{}", is_ours=True)
    assert stored.location == {"uri": path.as_uri(), "bytes": 2, "sha256": hashlib.sha256(b"{}").hexdigest()}


def test_an_existing_object_stays_and_is_returned(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("results/e-1.json", b"first")
    again = store.put("results/e-1.json", b"second")
    assert (again.body, again.is_ours) == (b"first", False)
    assert (tmp_path / "results" / "e-1.json").read_bytes() == b"first"


def test_of_many_writers_at_once_exactly_one_makes_the_object(tmp_path: Path) -> None:
    start, stored = threading.Barrier(8), []

    def write(n: int) -> None:
        start.wait()
        stored.append(FolderStore(tmp_path).put("results/e-1.json", b"%d" % n * 100_000))

    writers = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sum(one.is_ours for one in stored) == 1
    assert {one.body for one in stored} == {(tmp_path / "results" / "e-1.json").read_bytes()}


def test_no_temporary_file_is_left(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("results/e-1.json", b"first")
    store.put("results/e-1.json", b"second")
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["e-1.json"]


def test_a_place_that_cannot_be_written_is_not_stored_and_named(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file where the folder should be")
    with pytest.raises(NotStoredError, match=rf"cannot store {tmp_path}/results/e-1\.json: Not a directory"):
        FolderStore(tmp_path).put("results/e-1.json", b"{}")
