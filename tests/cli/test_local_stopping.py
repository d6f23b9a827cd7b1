"""Starting, detaching and stopping a mesh, and folders that cannot hold one (contract: cli)."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.local_mesh import LocalMesh, local_mesh
from tests.support.wait import until

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[LocalMesh]:
    """One actor whose calls last until the file `go` is there."""
    with local_mesh(tmp_path) as found:
        found.handler(
            "slow",
            "import pathlib, time\n\n\ndef f(payload):\n"
            f"    pathlib.Path({str(tmp_path / 'started')!r}).touch()\n"
            f"    while not pathlib.Path({str(tmp_path / 'go')!r}).exists():\n        time.sleep(0.02)\n"
            "    return payload\n",
        )
        found.actor("slow", "slow.f")
        yield found


def begin_a_call(mesh: LocalMesh) -> None:
    mesh.send("slow", 1, "e-1")
    until((mesh.folder / "started").exists, what="the call to begin")


def test_ctrl_c_lets_the_running_call_end_and_stores_its_result(mesh: LocalMesh) -> None:
    mesh.up()
    begin_a_call(mesh)
    mesh.signal(signal.SIGINT)
    until(lambda: "running calls may end" in mesh.printed, what="the drain to begin")
    (mesh.folder / "go").touch()
    assert mesh.wait_for_end() == 0
    assert mesh.left() == []
    assert mesh.result("e-1", within_s=0) == 1


def test_a_second_ctrl_c_stops_at_once_and_the_next_up_runs_the_call_again(mesh: LocalMesh) -> None:
    mesh.up()
    begin_a_call(mesh)
    mesh.signal(signal.SIGINT)
    until(lambda: mesh.state.get("phase") == "draining", what="the drain to begin")
    mesh.signal(signal.SIGINT)
    assert mesh.wait_for_end(within_s=20) == 0  # the grace period is 25 s: nothing waited for it
    assert mesh.left() == []
    (mesh.folder / "go").touch()
    mesh.up()
    assert mesh.result("e-1") == 1


def test_who_has_been_stopped_at_once_is_gone_before_up_ends(mesh: LocalMesh) -> None:
    """A killed process needs the processor once more to go, and others may have it."""
    mesh.up()
    begin_a_call(mesh)
    work = [sys.executable, "-c", "import os\nos.sched_setaffinity(0, {0})\nwhile True: pass"]
    others = [subprocess.Popen(work) for _ in range(3)]
    try:
        for process in mesh.processes_of("slow"):
            os.sched_setaffinity(process.pid, {0})
            os.setpriority(os.PRIO_PROCESS, process.pid, 19)
        mesh.signal(signal.SIGINT)
        until(lambda: mesh.state.get("phase") == "draining", what="the drain to begin")
        mesh.signal(signal.SIGINT)
        assert mesh.wait_for_end() == 0
        assert mesh.left() == []
    finally:
        for other in others:
            other.kill()
            other.wait()


def test_an_idle_mesh_is_down_in_moments(mesh: LocalMesh) -> None:
    mesh.up()
    began = time.monotonic()
    assert mesh.asya("down").returncode == 0
    assert time.monotonic() - began < 20  # the grace period is 25 s: nothing waited for it
    assert mesh.left() == []


def test_down_now_does_not_wait_for_running_calls(mesh: LocalMesh) -> None:
    mesh.up()
    begin_a_call(mesh)
    done = mesh.asya("down", "--now")
    assert done.returncode == 0
    assert mesh.left() == []


def test_down_without_a_mesh_says_so(mesh: LocalMesh) -> None:
    done = mesh.asya("down")
    assert done.returncode == 0
    assert "no mesh is running" in done.stderr


def test_detach_says_what_to_type_next_and_down_ends_it(mesh: LocalMesh) -> None:
    (mesh.folder / "go").touch()
    up = mesh.asya("up", ".", "--detach")
    assert up.returncode == 0, up.stderr
    assert "asya send slow --payload" in up.stderr
    assert "asya down" in up.stderr
    sent = mesh.asya("send", "slow", "--payload", '{"n": 1}', "--follow")
    assert json.loads(sent.stdout) == {"n": 1}
    pid = mesh.state["pid"]
    mesh_process = psutil.Process(pid)
    children = mesh_process.children(recursive=True)
    assert mesh.asya("down").returncode == 0
    assert [p for p in (mesh_process, *children) if p.is_running() and p.status() != psutil.STATUS_ZOMBIE] == []


def test_detach_on_a_running_mesh_exits_2(mesh: LocalMesh) -> None:
    mesh.up()
    second = mesh.asya("up", ".", "--detach")
    assert second.returncode == 2
    assert "already running" in second.stderr


def test_detach_shows_why_a_start_failed(mesh: LocalMesh) -> None:
    (mesh.folder / "slow.yaml").write_text("apiVersion: asya.sh/v1alpha1\nkind: AsyncActor\nmetadata: {name: slow}\n")
    up = mesh.asya("up", ".", "--detach")
    assert up.returncode == 2
    assert "slow.yaml:" in up.stderr
    assert mesh.state == {}


def test_a_file_in_place_of_the_state_folder_exits_2_and_names_it(mesh: LocalMesh) -> None:
    (mesh.folder / ".asya").write_text("")
    done = mesh.asya("up", ".")
    assert done.returncode == 2
    assert f"{mesh.folder / '.asya'}: cannot keep messages and results here" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_cannot_be_written_exits_2_and_names_it(mesh: LocalMesh) -> None:
    # Not even root can make a folder below /proc, so this holds for whoever runs the test.
    done = mesh.asya("up", str(mesh.folder), cwd=Path("/proc"))
    assert done.returncode == 2
    assert "/proc/.asya: cannot keep messages and results here" in done.stderr


def test_a_path_that_does_not_exist_exits_2(mesh: LocalMesh) -> None:
    done = mesh.asya("up", "nowhere")
    assert (done.returncode, "nowhere: no such file or folder" in done.stderr) == (2, True)


def test_a_full_disk_refuses_what_comes_and_loses_nothing(mesh: LocalMesh) -> None:
    """No process may make a file longer than it is: every write fails, as on a full disk, until room is made."""
    (mesh.folder / "go").touch()
    mesh.up()
    assert mesh.up_process is not None
    everybody = [psutil.Process(mesh.up_process.pid), *mesh.processes()]
    mesh.send("slow", "before", "e-1")
    assert mesh.result("e-1") == "before"
    for process in everybody:
        process.rlimit(psutil.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    mesh.send("slow", "meanwhile", "e-2")
    until(lambda: mesh.waiting("asya-default-slow") >= 1, what="the envelope to wait")
    time.sleep(1.0)  # no condition can be waited for: the point is that nothing happens
    assert not (mesh.folder / ".asya" / "results" / "e-2.json").exists()
    assert mesh.up_process.poll() is None
    for process in [psutil.Process(mesh.up_process.pid), *mesh.processes()]:
        process.rlimit(psutil.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert mesh.result("e-2", within_s=60) == "meanwhile"


def test_a_state_that_cannot_be_written_is_said_and_the_mesh_goes_on(mesh: LocalMesh) -> None:
    (mesh.folder / "go").touch()
    (mesh.folder / ".asya" / "state.json").mkdir(parents=True)
    mesh.start(".")
    until(lambda: "state.json: not written" in mesh.printed, within_s=30, what="the warning")
    mesh.send("slow", 1, "e-1")
    assert mesh.result("e-1") == 1


def test_log_lines_can_be_json(mesh: LocalMesh) -> None:
    (mesh.folder / "go").touch()
    mesh.handler("loud", "def f(payload):\n    print('hello from the handler')\n    return payload\n")
    mesh.actor("loud", "loud.f")
    mesh.up("--log-format", "json", ".")
    mesh.send("loud", 1, "e-1")
    mesh.result("e-1")
    until(lambda: "hello from the handler" in mesh.printed, what="the print to be shown")
    lines = [json.loads(line) for line in mesh.printed.splitlines()]
    assert {"level": "INFO", "msg": "hello from the handler", "component": "runtime", "pod": "loud-0"} in lines
    assert all("msg" in line for line in lines)
