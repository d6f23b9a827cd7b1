"""The rows of the command line's situation table that concern the mesh on one machine (contract: cli, numbered from 1)."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.local_mesh import ASYA, LocalMesh, environment, local_mesh
from tests.support.wait import until

pytestmark = pytest.mark.timeout(180)

HELLO = "def greet(payload):\n    return {'greeting': 'Hello, ' + payload['name']}\n"


# What depends on the broker is shown on both, here or (row 11) in tests/cli/test_local_rabbitmq.py; the rest on the embedded one.
on_both = pytest.mark.parametrize("mesh", ["sqlite", "rabbitmq"], indirect=True)


@pytest.fixture
def mesh(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[LocalMesh]:
    with local_mesh(tmp_path, getattr(request, "param", "sqlite")) as found:
        yield found


@pytest.fixture
def hello(mesh: LocalMesh) -> LocalMesh:
    """Files of one good actor."""
    mesh.handler("hello", HELLO)
    mesh.actor("hello", "hello.greet")
    return mesh


def test_row_1_up_in_an_empty_folder_offers_asya_new(mesh: LocalMesh) -> None:
    done = mesh.asya("up")
    assert done.returncode == 2
    assert "no AsyncActor was found" in done.stderr
    assert "asya new hello" in done.stderr


def test_row_5_a_missing_handler_module_is_a_runtime_error_and_explain_names_the_line_of_the_handler_first(
    mesh: LocalMesh,
) -> None:
    file = mesh.actor("lost", "nowhere.f")
    mesh.up(wait_for=None)
    mesh.becomes("lost", "RuntimeError")
    first = mesh.asya("explain", "lost").stdout.splitlines()[0]
    line = next(n for n, text in enumerate(file.read_text().splitlines(), start=1) if "nowhere.f" in text)
    assert first.startswith(f"{file}:{line}: ")
    assert "nowhere" in first


def test_row_5_a_missing_import_of_the_handler_is_shown_first_with_the_users_line(mesh: LocalMesh) -> None:
    file = mesh.handler("needs", "import json\nimport torchx\n\n\ndef f(payload):\n    return payload\n")
    mesh.actor("needs", "needs.f")
    mesh.up(wait_for=None)
    mesh.becomes("needs", "RuntimeError")
    first = mesh.asya("explain", "needs").stdout.splitlines()[0]
    assert first.startswith(f"{file}:2: ")
    assert "torchx" in first


def test_row_6_a_handler_that_raises_leaves_an_error_envelope_and_is_counted_once(hello: LocalMesh) -> None:
    hello.up()
    hello.send("hello", {"nme": "Ada"}, "e-1")
    details = hello.error("e-1")["payload"]["details"]
    assert details["type"] == "KeyError"
    assert details["message"] == "'name'"
    assert "hello.py" in details["traceback"]
    until(lambda: hello.entry("hello").get("failed") == 1, what="one error to be counted")


def test_row_7_a_taken_port_does_not_hinder_the_mesh(hello: LocalMesh) -> None:
    with socket.socket() as taken:
        try:
            taken.bind(("127.0.0.1", 8700))
            taken.listen()
        except OSError:  # somebody else holds it, which is the situation as well
            pass
        hello.up("--no-gateway", ".")
        hello.send("hello", {"name": "Ada"}, "e-1")
        assert hello.result("e-1") == {"greeting": "Hello, Ada"}


def test_row_8_a_second_up_says_the_pid_and_exits_2(hello: LocalMesh) -> None:
    hello.up()
    second = hello.asya("up", ".")
    assert second.returncode == 2
    assert hello.up_process is not None
    assert f"pid {hello.up_process.pid}" in second.stderr
    assert hello.statuses()["hello"] == "Running"


@on_both
def test_row_9_children_end_within_2_s_of_a_killed_parent_and_the_next_up_resumes(mesh: LocalMesh) -> None:
    started = mesh.folder / "started"
    go = mesh.folder / "go"
    mesh.handler(
        "slow",
        "import pathlib, time\n\n\n"
        "def wait(payload):\n"
        f"    pathlib.Path({str(started)!r}).touch()\n"
        f"    while not pathlib.Path({str(go)!r}).exists():\n"
        "        time.sleep(0.05)\n"
        "    return payload\n",
    )
    mesh.actor("slow", "slow.wait")
    mesh.up()
    sockets = {Path(p.environ()["ASYA_SOCKET_DIR"]).parent for p in mesh.processes("asya_sidecar")}
    for number in range(5):
        mesh.send("slow", {"n": number}, f"e-{number}")
    until(started.exists, what="the first call")
    mesh.signal(signal.SIGKILL)
    mesh.wait_for_end()
    until(lambda: not mesh.left(), within_s=2.0, what=f"the children to end: {mesh.left()}")
    assert not [folder for folder in sockets if folder.exists()]
    go.touch()
    mesh.up()
    assert [mesh.result(f"e-{number}") for number in range(5)] == [{"n": number} for number in range(5)]


@on_both
def test_row_10_a_syntax_error_while_running_is_a_runtime_error_that_a_good_file_heals(hello: LocalMesh) -> None:
    hello.up()
    hello.send("hello", {"name": "Ada"}, "before")
    assert hello.result("before") == {"greeting": "Hello, Ada"}
    file = hello.handler("hello", "def greet(payload:\n    return 1\n")
    hello.becomes("hello", "RuntimeError")
    assert f"{file}:1:" in hello.printed
    for number in range(3):
        hello.send("hello", {"name": str(number)}, f"while-{number}")
    until(lambda: hello.waiting("asya-default-hello") == 3, what="all three to wait")
    hello.handler("hello", HELLO.replace("Hello", "Howdy"))
    assert [hello.result(f"while-{n}") for n in range(3)] == [{"greeting": f"Howdy, {n}"} for n in range(3)]
    hello.becomes("hello", "Running")


def test_row_11_a_removed_file_drains_the_actor_and_its_queue_goes_when_it_is_empty(hello: LocalMesh) -> None:
    hello.handler("other", "def same(payload):\n    return payload\n")
    file = hello.actor("other", "other.same")
    hello.up()
    processes = hello.processes_of("other")
    assert len(processes) == 2
    file.unlink()
    until(lambda: "other" not in hello.statuses(), what="the actor to go")
    until(lambda: "asya-default-other" not in hello.queues(), what="its queue to go")
    until(lambda: not [p for p in processes if p.is_running()], what="its processes to end")
    hello.send("hello", {"name": "Ada"}, "e-1")
    assert hello.result("e-1") == {"greeting": "Hello, Ada"}


def test_row_11_a_queue_with_messages_stays_until_it_is_empty(hello: LocalMesh) -> None:
    hello.handler("broken", "import nothing_of_this_name\n")
    file = hello.actor("broken", "broken.f")
    hello.up(wait_for=None)
    hello.becomes("broken", "RuntimeError")
    hello.send("broken", 1, "e-1")
    file.unlink()
    until(lambda: hello.state.get("retiredQueues") == ["asya-default-broken"], what="the queue to be retired")
    assert hello.waiting("asya-default-broken") == 1
    hello.handler("broken", "def f(payload):\n    return payload\n")
    hello.actor("broken", "broken.f")
    assert hello.result("e-1") == 1


def test_row_15_send_to_an_unknown_actor_lists_near_names(hello: LocalMesh) -> None:
    hello.up()
    done = hello.asya("send", "helo", "--payload", "{}")
    assert done.returncode == 2
    assert "'helo'" in done.stderr
    assert "did you mean hello" in done.stderr


def test_row_17_get_ends_quietly_when_its_reader_has_gone(hello: LocalMesh) -> None:
    hello.up()
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [ASYA, "get"], cwd=hello.folder, env=environment(), stdout=writer, stderr=subprocess.PIPE, timeout=30, text=True
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


def test_row_17_watch_ends_quietly_when_its_reader_has_gone(hello: LocalMesh) -> None:
    hello.up()
    with subprocess.Popen(
        [ASYA, "get", "--watch"], cwd=hello.folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as watch:
        assert watch.stdout is not None
        assert watch.stderr is not None
        assert watch.stdout.readline().startswith(b"NAME")
        watch.stdout.close()
        hello.actor("hello", "hello.greet", "  sidecar:\n    env: [{name: ASYA_LOG_LEVEL, value: DEBUG}]\n")
        try:
            until(lambda: watch.poll() is not None, what="get --watch to end")
            assert (watch.returncode, watch.stderr.read()) == (0, b"")
        finally:
            if psutil.pid_exists(watch.pid):
                watch.kill()
