"""Signals, draining, and living with user code (contract: runtime, rows 42, 43, 45-47, 49, 50).

Long because each row needs a process of its own, told from start to end.
"""

import json
import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.runtime_process import (
    Python,
    RuntimeProcess,
    as_process_1,
    current,
    envelope,
    on_all,
    pythons,
    request_bytes,
    running,
    runtime_file,
)
from tests.support.wait import until

ON_EVERY_PYTHON = pytest.mark.parametrize("python", pythons(), ids=str)


@pytest.mark.alone
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_row_42_an_idle_runtime_drains_in_two_seconds(number: signal.Signals) -> None:
    def check(python: Python) -> None:
        with running(python, "results.f") as runtime, runtime.connect() as kept:
            kept.send(request_bytes("POST", "/invoke", json.dumps(envelope({"do": "one"})).encode()))
            assert "connection" not in kept.answer().headers
            runtime.terminate(number)
            began = time.monotonic()
            until(lambda: not runtime.ready_file.exists(), what="ready file removed")
            health = runtime.request("GET", "/healthz")
            assert (health.status, health.json["status"], health.headers["connection"]) == (503, "draining", "close")
            late = runtime.call({"do": "one"})
            assert (late.status, late.headers["connection"]) == (200, "close")
            assert runtime.wait_end() == 0
            assert 1.5 < time.monotonic() - began < 4
            assert not runtime.socket.exists()

    on_all(check)


def test_row_42_the_call_in_progress_is_answered() -> None:
    def check(python: Python) -> None:
        with running(python, "results.f") as runtime, ThreadPoolExecutor(1) as pool:
            call = pool.submit(runtime.call, {"do": "sleep", "for_s": 5})
            until(lambda: runtime.request("GET", "/healthz").json["busy"], what="busy")
            runtime.terminate()
            until(lambda: runtime.request("GET", "/healthz").status == 503, what="draining")
            answer = call.result()
            assert (answer.status, answer.headers["connection"]) == (200, "close")
            assert runtime.wait_end() == 0
            assert not runtime.socket.exists()

    on_all(check)


def test_row_42_draining_is_seen_while_native_code_runs_without_the_lock() -> None:
    code = "import ctypes\ndef f(payload):\n    libc = ctypes.CDLL(None)\n    for _ in range(3): libc.poll(None, 0, 1000)\n"

    def check(python: Python) -> None:
        with running(python, "m.f", code=code) as runtime, ThreadPoolExecutor(1) as pool:
            call = pool.submit(runtime.call, 1)
            until(lambda: runtime.request("GET", "/healthz").json["busy"], what="busy")
            runtime.terminate()
            until(lambda: runtime.request("GET", "/healthz").status == 503, what="draining")
            assert not call.done()
            assert call.result().status == 204
            assert runtime.wait_end() == 0

    on_all(check)


@pytest.mark.alone
def test_row_42_draining_is_told_within_a_second() -> None:
    with running(current(), "results.f") as runtime, ThreadPoolExecutor(1) as pool:
        call = pool.submit(runtime.call, {"do": "sleep", "for_s": 3})
        until(lambda: runtime.request("GET", "/healthz").json["busy"], what="busy")
        runtime.terminate()
        until(lambda: runtime.request("GET", "/healthz").status == 503, 1, what="draining")
        assert call.result().status == 200


@ON_EVERY_PYTHON
def test_row_42_a_second_signal_ends_it_at_once(python: Python) -> None:
    with running(python, "results.f") as runtime, runtime.connect() as client:
        body = json.dumps(envelope({"do": "sleep", "for_s": 30})).encode()
        client.send(request_bytes("POST", "/invoke", body))
        until(lambda: runtime.request("GET", "/healthz").json["busy"], what="busy")
        runtime.terminate()
        until(lambda: not runtime.ready_file.exists(), what="draining")
        runtime.terminate()
        assert runtime.wait_end(15) != 0, "long before the call would have ended"


@ON_EVERY_PYTHON
def test_row_42_process_1_drains_too(python: Python) -> None:
    with running(python, "results.f", wrapper=as_process_1()) as runtime:
        assert runtime.call({"do": "one"}).status == 200
        runtime.terminate_inside()
        assert runtime.wait_end() == 0


def test_row_43_a_handler_that_replaces_the_signal_handler_does_not_stop_draining() -> None:
    code = """
import asyncio, signal
def f(payload):
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
async def g(payload):
    asyncio.get_event_loop().add_signal_handler(signal.SIGTERM, lambda: None)
"""

    def check(case: tuple[Python, str]) -> None:
        with running(case[0], case[1], code=code) as runtime:
            assert runtime.call(1).status == 204
            runtime.terminate()
            assert runtime.wait_end() == 0
            assert not runtime.ready_file.exists()

    on_all(check, [(python, handler) for python in pythons() for handler in ("m.f", "m.g")])


def test_threads_processes_and_atexit_functions_do_not_keep_a_drained_runtime() -> None:
    code = """
import atexit, multiprocessing, subprocess, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
pool = ThreadPoolExecutor(1)
def f(payload):
    threading.Thread(target=time.sleep, args=(60,)).start()
    pool.submit(time.sleep, 60)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(8)"])
    forked = multiprocessing.get_context("fork").Process(target=time.sleep, args=(8,))
    forked.start()
    atexit.register(lambda: 1 / 0)
    atexit.register(lambda: open("atexit", "w").close())
    return {"pids": [child.pid, forked.pid]}
"""

    def check(python: Python) -> None:
        with running(python, "m.f", code=code) as runtime:
            pids = runtime.call(1).payloads[0]["pids"]
            try:
                runtime.terminate()
                assert runtime.wait_end() == 0
                assert (runtime.output / "work" / "atexit").exists()
            finally:
                for pid in pids:
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        continue

    on_all(check)


def test_row_45_a_runtime_whose_descriptors_were_closed_exits_1() -> None:
    now = "import os\ndef f(payload):\n    os.closerange(3, 1024)\n"
    later = """
import os, threading
def f(payload):
    threading.Timer(0.5, os.closerange, (3, 1024)).start()
"""
    while_running = "import os, time\ndef f(payload):\n    os.closerange(3, 1024)\n    time.sleep(60)\n"

    def check(case: tuple[Python, str]) -> None:
        python, code = case
        with running(python, "m.f", code=code) as runtime:
            began = time.monotonic()
            with runtime.connect() as client:
                client.send(request_bytes("POST", "/invoke", json.dumps(envelope(1)).encode()))
                assert runtime.wait_end(15) == 1
            assert time.monotonic() - began < 10

    on_all(check, [(python, code) for python in pythons() for code in (now, later, while_running)])


def test_row_45_a_runtime_whose_socket_was_removed_exits_1() -> None:
    def check(python: Python) -> None:
        with running(python, "results.f") as runtime:
            runtime.socket.unlink()
            assert runtime.wait_end() == 1
            assert "the listening socket was lost" in runtime.stderr()

    on_all(check)


PATCHES = """
import json, os, select, signal, socket, time, sys
def broken(*arguments, **named):
    raise RuntimeError("patched")
def f(payload):
    json.dumps = json.loads = broken
    json.JSONEncoder.default = json.JSONEncoder.encode = json.JSONDecoder.decode = broken
    socket.socket = select.poll = select.select = broken
    os.write = os.read = os.close = os.fstat = os.unlink = os.getpid = broken
    signal.signal = signal.getsignal = broken
    time.time = time.monotonic = time.gmtime = time.strftime = broken
    return [payload]
"""


@ON_EVERY_PYTHON
def test_row_46_patches_of_the_standard_library_change_nothing(python: Python) -> None:
    with running(python, "m.f", code=PATCHES) as runtime:
        for _ in range(3):
            assert runtime.call({"n": 1.5}, deadline_ms=60_000).payloads == [{"n": 1.5}]
        assert runtime.request("GET", "/healthz").status == 200
        until(lambda: [line["msg"] for line in runtime.log()].count("call done") == 3)
        runtime.terminate()
        assert runtime.wait_end() == 0
        assert not runtime.socket.exists()


@ON_EVERY_PYTHON
def test_row_46_other_directory_umask_environment_and_limits_change_nothing(python: Python) -> None:
    code = """
import locale, os, sys
def f(payload):
    os.chdir("/")
    os.umask(0o777)
    os.environ.clear()
    sys.setrecursionlimit(120 if payload == "low" else 10 ** 6)
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(640 if payload == "low" else 0)
    nested = []
    for _ in range(100):
        nested = [nested]
    return [{"n": 10 ** 4000, "nested": nested}]
def deep(payload):
    f("high")
    nested = []
    for _ in range(200000):
        nested = [nested]
    return [nested]
"""
    with running(python, "m.f", code=code) as runtime:
        for payload in ("low", "high", "low"):
            answer = runtime.call(payload)
            assert b"1" + b"0" * 4000 in answer.body
        runtime.terminate()
        assert runtime.wait_end() == 0
        assert not runtime.ready_file.exists()
    with running(python, "m.deep", code=code) as runtime:
        for _ in range(2):
            assert runtime.call(1).details["type"] == "asya.ResultNotJSON"


@ON_EVERY_PYTHON
def test_row_47_what_the_handler_prints_appears_after_the_call(python: Python) -> None:
    code = """
import sys
def f(payload):
    sys.stdout.write("out without newline")
    sys.stderr.write("err without newline")
    if payload == "much":
        sys.stdout.write("x" * 10_000_000)
    return 1
"""
    with running(python, "m.f", code=code) as runtime:
        assert runtime.call("little").status == 200
        until(lambda: "out without newline" in runtime.stdout())
        until(lambda: "err without newline" in runtime.stderr())
        assert runtime.call("much").status == 200
        until(lambda: len(runtime.stdout()) > 10_000_000)


@ON_EVERY_PYTHON
def test_row_47_closed_and_replaced_streams_harm_nobody(python: Python) -> None:
    code = """
import os, sys
def f(payload):
    sys.stdout.close()
    sys.stderr = None
    os.close(2)
    return 1
"""
    with running(python, "m.f", code=code) as runtime:
        assert runtime.call(1, id="row-47").status == 200
        assert runtime.log_of("row-47")["outcome"] == "ok"


@ON_EVERY_PYTHON
def test_row_49_the_file_compiles_and_serves(python: Python) -> None:
    source = "import sys; compile(open(sys.argv[1]).read(), sys.argv[1], 'exec')"
    command = [str(python.path), "-W", "error", "-c", source, str(runtime_file())]
    subprocess.run(command, check=True, timeout=60)
    with running(python, "results.f", PYTHONWARNINGS="error") as runtime:
        for do in ("one", "loop_client", "async_partial_and_frame"):
            assert runtime.call({"do": do}, deadline_ms=60_000).status == 200


@pytest.fixture(params=["json", "text"])
def log_format(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("mode", ["payload", "envelope"])
@ON_EVERY_PYTHON
def test_row_50_payload_and_headers_are_not_in_the_log(python: Python, mode: str, log_format: str) -> None:
    options = {"ASYA_LOG_LEVEL": "debug", "ASYA_LOG_FORMAT": log_format, "ASYA_HANDLER_MODE": mode}
    code = "def f(value):\n    return [] if isinstance(value, str) else value['nothing']\n"
    with running(python, "m.f", code=code, **options) as runtime:
        runtime.call("S3CRET-1", headers={"authorization": "S3CRET-2"}, x="S3CRET-3")
        runtime.post(b'{"payload": "S3CRET-4", "S3CRET-5": 1, "S3CRET-5": 2}')
        runtime.post(b'{"payload": "S3CRET-6"')
        until(lambda: runtime.stderr().count("call done") == 3)
        assert "S3CRET" not in runtime.stderr().replace("S3CRET-5", "")


@ON_EVERY_PYTHON
def test_one_event_is_one_line_whatever_it_holds(python: Python) -> None:
    code = "def f(payload): raise ValueError('a\\nb\\x1b[31m\\u2028' + chr(0xd800))\n"
    with running(python, "m.f", code=code) as runtime:
        assert runtime.call(1, id="line", headers={"trace_id": "t\n1"}).status == 500
        assert runtime.log_of("line")["trace_id"] == "t\n1"
        assert "\x1b" not in runtime.stderr()


def test_a_level_that_is_not_known_is_info_with_a_warning() -> None:
    with running(pythons()[0], "results.f", ASYA_LOG_LEVEL="loud") as runtime:
        runtime.call({"do": "one"})
        until(lambda: len(runtime.log()) > 2)
        assert [line["level"] for line in runtime.log()] == ["WARNING", "INFO", "INFO"]


def test_a_level_hides_what_is_below_it() -> None:
    with running(pythons()[0], "results.f", ASYA_LOG_LEVEL="warn") as runtime:
        runtime.call({"do": "one"})
        runtime.post(b"{")
        until(runtime.log)
        assert [line["code"] for line in runtime.log()] == ["syntax"]


def test_the_line_of_a_call_has_every_member_of_the_contract() -> None:
    with running(pythons()[-1], "results.f", ASYA_ACTOR_NAME="named") as runtime:
        runtime.call({"do": "three_list"}, id="e-7")
        line = runtime.log_of("e-7")
        assert line.pop("time").endswith("Z")
        assert 0 < line.pop("duration_ms") < 1000
        assert line == {
            "level": "INFO",
            "msg": "call done",
            "component": "runtime",
            "actor": "named",
            "envelope_id": "e-7",
            "trace_id": "e-7",
            "outcome": "ok",
            "frames": 3,
        }


@ON_EVERY_PYTHON
def test_a_forked_child_keeps_no_socket_and_its_signals_are_its_own(python: Python) -> None:
    code = """
import glob, multiprocessing, os, time
def child(pipe):
    links = []
    for path in glob.glob("/proc/self/fd/*"):
        try:
            links.append(os.readlink(path))
        except OSError:  # the folder that glob itself has read
            pass
    pipe.send(links)
    time.sleep(60)
def f(payload):
    if payload == "escape":
        return {"who": "parent" if os.fork() else "child"}
    forking = multiprocessing.get_context("fork")
    mine, its = forking.Pipe(duplex=False)
    process = forking.Process(target=child, args=(its,))
    process.start()
    sockets = [link for link in mine.recv() if "socket" in link]
    process.terminate()
    process.join(5)
    return {"exit": process.exitcode, "sockets": sockets}
"""
    with running(python, "m.f", code=code) as runtime:
        assert runtime.call("fork").payloads == [{"exit": -signal.SIGTERM, "sockets": []}]
        assert runtime.call("escape").payloads == [{"who": "parent"}]
        assert runtime.request("GET", "/healthz").json["status"] == "ready"
        assert runtime.ready_file.exists()


@ON_EVERY_PYTHON
def test_spawned_processes_import_the_runtime_again_without_side_effects(python: Python) -> None:
    code = """
import multiprocessing
def double(n):
    return 2 * n
def f(payload):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.map(double, [1, 2])
"""
    with running(python, "m.f", code=code) as runtime:
        assert runtime.call(1).payloads == [2, 4]
        assert runtime.ready_file.exists()
        assert runtime.call(1).payloads == [2, 4]


def test_an_idle_runtime_wakes_up_no_more_than_once_in_a_few_seconds() -> None:
    def switches(runtime: RuntimeProcess) -> int:
        found = 0
        for status in Path(f"/proc/{runtime.pid}/task").glob("*/status"):
            lines = status.read_text().splitlines()
            found += sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))
        return found

    def check(python: Python) -> None:
        with running(python, "results.f") as runtime:
            runtime.call({"do": "one"}, deadline_ms=300_000)
            time.sleep(1)  # the timer of the call is off by then; what is measured next is idleness itself
            before = switches(runtime)
            time.sleep(8)
            assert switches(runtime) - before < 12

    on_all(check)
