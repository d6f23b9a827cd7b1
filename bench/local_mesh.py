"""The mesh on one machine, as a person meets it: start, edit, wake up, idle. Everything through the installed `asya` command."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from asya_transport.choose import open_admin
from bench.report import Figure, at_most

EXAMPLES = Path(__file__).parents[1] / "gitops" / "examples"
ASYA = str(Path(sys.executable).with_name("asya"))
SAMPLES = 5
IDLE_ACTORS, IDLE_WATCHED_S, IDLE_SAMPLES = 20, 10.0, 3
LOOK_EVERY_S = 0.005


def wait(condition: Callable[[], bool], within_s: float = 30.0) -> None:
    """Until `condition()` is true; a figure that takes longer than `within_s` is a failure, not a number."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError("the mesh did not get there in time")
        time.sleep(LOOK_EVERY_S)


@contextmanager
def mesh(files: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`asya up` on `files`, run in `folder`; stopped at the end."""
    log = (folder / "up.log").open("wb")
    process = subprocess.Popen([ASYA, "up", str(files)], cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def send(folder: Path, actor: str, envelope_id: str, payload: object) -> None:
    """Put one envelope into the actor's queue as soon as there is one."""
    database = folder / ".asya" / "mesh.db"
    wait(database.exists)
    admin = open_admin("sqlite", sqlite_path=database)
    queue = f"asya-default-{actor}"
    wait(lambda: admin.exists(queue))
    body = {"id": envelope_id, "route": {"prev": [], "curr": actor, "next": []}, "payload": payload}
    admin.publish(queue, json.dumps(body).encode(), message_id=envelope_id)
    admin.close()


def result(folder: Path, envelope_id: str) -> Path:
    return folder / ".asya" / "results" / f"{envelope_id}.json"


def statuses(folder: Path) -> list[str]:
    answer = subprocess.run([ASYA, "get", "--output", "json"], cwd=folder, capture_output=True, text=True, check=False)
    items = json.loads(answer.stdout)["items"] if answer.returncode == 0 else []
    return [item.get("status", {}).get("status", "") for item in items]


def first_result_s(folder: Path) -> float:
    begin = time.monotonic()
    with mesh(EXAMPLES / "hello", folder):
        send(folder, "hello", "first", {"name": "Ada"})
        wait(result(folder, "first").exists)
        return time.monotonic() - begin


def edit_to_result_s(folder: Path) -> list[float]:
    """A new handler is saved, envelopes arrive all the time; how long until one of them met the new code."""
    files = folder / "files"
    shutil.copytree(EXAMPLES / "hello", files)
    handler = files / "handlers" / "hello.py"
    samples = []
    with mesh(files, folder):
        send(folder, "hello", "warm", {"name": "Ada"})
        wait(result(folder, "warm").exists)
        for sample in range(SAMPLES):
            time.sleep(1.0)  # the mesh comes to rest between two edits
            begin = time.monotonic()
            handler.write_text(f"def greet(payload):\n    return {{'version': {sample}}}\n")
            number, found = 0, False
            while not found:
                send(folder, "hello", f"edit-{sample}-{number}", {"name": "Ada"})
                number += 1
                found = any(
                    json.loads(path.read_text())["payload"] == {"version": sample}
                    for path in (folder / ".asya" / "results").glob(f"edit-{sample}-*.json")
                )
                time.sleep(0.01)
            samples.append(time.monotonic() - begin)
    return samples


def scale_from_zero_s(folder: Path) -> list[float]:
    samples = []
    with mesh(EXAMPLES / "scale-to-zero", folder):
        for sample in range(SAMPLES):
            deadline = time.monotonic() + 60
            while "Napping" not in statuses(folder) and time.monotonic() < deadline:
                time.sleep(0.3)
            begin = time.monotonic()
            send(folder, "nap", f"nap-{sample}", {"who": "Ada"})
            wait(result(folder, f"nap-{sample}").exists)
            samples.append(time.monotonic() - begin)
    return samples


def idle_cpu_percent(folder: Path) -> list[float]:
    """CPU time of `asya up` and everything below it, in percent of one core, with nothing to do."""
    files = folder / "files"
    shutil.copytree(EXAMPLES / "hello" / "handlers", files / "handlers")
    text = (EXAMPLES / "hello" / "hello.yaml").read_text()
    for number in range(IDLE_ACTORS):
        (files / f"hello-{number}.yaml").write_text(text.replace("name: hello", f"name: hello-{number}"))
    with mesh(files, folder) as process:
        deadline = time.monotonic() + 90
        while statuses(folder).count("Running") < IDLE_ACTORS and time.monotonic() < deadline:
            time.sleep(0.5)
        if statuses(folder).count("Running") < IDLE_ACTORS:
            raise RuntimeError(f"not all of {IDLE_ACTORS} actors are running: {statuses(folder)}")
        time.sleep(5)  # start-up work dies down
        samples = []
        for _ in range(IDLE_SAMPLES):
            before = all_cpu_s(process.pid)
            time.sleep(IDLE_WATCHED_S)
            samples.append((all_cpu_s(process.pid) - before) / IDLE_WATCHED_S * 100)
    return samples


def all_cpu_s(pid: int) -> float:
    top = psutil.Process(pid)
    return sum(sum(process.cpu_times()[:2]) for process in [top, *top.children(recursive=True)])


def figures() -> list[Figure]:
    """Each in a folder of its own, one after the other."""
    os.environ["NO_COLOR"] = "1"
    with tempfile.TemporaryDirectory(prefix="asya") as name:
        folders = []
        for label in ("edit", "zero", "idle", *(f"first-{sample}" for sample in range(SAMPLES))):
            folders.append(Path(name) / label)
            folders[-1].mkdir()
        edit, zero, idle, *first = folders
        return [
            at_most("up_first_result_s", "s", 2, [first_result_s(folder) for folder in first]),
            at_most("edit_to_result_s", "s", 0.5, edit_to_result_s(edit)),
            at_most("scale_from_zero_s", "s", 0.7, scale_from_zero_s(zero)),
            at_most("idle_cpu_percent", "%", 2, idle_cpu_percent(idle)),
        ]
