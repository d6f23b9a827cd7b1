"""The deadline ends the process whatever user code does (contract: runtime, Deadline, rows 34 and 35)."""

import json
import statistics
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.runtime_process import (
    Python,
    RuntimeProcess,
    as_process_1,
    envelope,
    on_all,
    pythons,
    request_bytes,
    running,
)
from tests.support.wait import until

STUCK = {
    "sleeps": "import time\ndef f(payload): time.sleep(60)\n",
    "loops": "def f(payload):\n    while True:\n        pass\n",
    "holds the interpreter lock": "import itertools\ndef f(payload): sum(itertools.repeat(1, 10 ** 12))\n",
    "coroutine that never yields": "import time\nasync def f(payload): time.sleep(60)\n",
    "generator": "import time\ndef f(payload):\n    yield 1\n    time.sleep(60)\n",
    "replaces signal handlers": """
import signal, time
def f(payload):
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    time.sleep(60)
""",
    "catches everything": """
import time
def f(payload):
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass
""",
}


def gone_after(runtime: RuntimeProcess, deadline_ms: int) -> float:
    """Seconds from the request to the end of the process."""
    body = json.dumps(envelope(1)).encode()
    with runtime.connect() as client:
        began = time.monotonic()
        client.send(request_bytes("POST", "/invoke", body, {"X-Asya-Deadline-Ms": deadline_ms}))
        assert runtime.wait_end() != 0
        return time.monotonic() - began


@pytest.mark.parametrize("code", STUCK.values(), ids=list(STUCK))
def test_row_34_the_process_is_gone_between_1_and_2_s_after_the_deadline(code: str) -> None:
    def check(python: Python) -> None:
        with running(python, "m.f", code=code) as runtime:
            assert 3 <= gone_after(runtime, 2000) <= 4
            stacks = runtime.stderr()
            assert "(most recent call first)" in stacks
            assert "m.py" in stacks

    on_all(check)


def test_row_34_as_process_1_of_a_container() -> None:
    def check(python: Python) -> None:
        with running(python, "m.f", code=STUCK["catches everything"], wrapper=as_process_1()) as runtime:
            assert 3 <= gone_after(runtime, 2000) <= 4
            assert "m.py" in runtime.stderr()

    on_all(check)


def test_row_34_with_stderr_closed_by_user_code() -> None:
    code = "import os, time\ndef f(payload):\n    os.close(2)\n    os.close(1)\n    time.sleep(60)\n"

    def check(python: Python) -> None:
        with running(python, "m.f", code=code) as runtime:
            assert 3 <= gone_after(runtime, 2000) <= 4
            assert "m.py" in runtime.stderr()

    on_all(check)


def test_row_34_a_timer_that_was_left_by_an_earlier_call_does_not_end_a_later_one_early() -> None:
    code = "import time\ndef f(payload): time.sleep(payload)\n"

    def check(python: Python) -> None:
        with running(python, "m.f", code=code) as runtime:
            for _ in range(3):
                assert runtime.call(0, deadline_ms=11_000).status == 204
            body = json.dumps(envelope(60)).encode()
            with runtime.connect() as client:
                began = time.monotonic()
                client.send(request_bytes("POST", "/invoke", body, {"X-Asya-Deadline-Ms": 11_000}))
                assert runtime.wait_end() != 0
            assert 12 <= time.monotonic() - began <= 13

    on_all(check)


def threads_of(runtime: RuntimeProcess) -> int:
    return len(list(Path(f"/proc/{runtime.pid}/task").iterdir()))


def test_row_35_an_answer_before_the_timer_is_sent_and_the_timer_is_off_afterwards() -> None:
    code = "import time\ndef f(payload):\n    time.sleep(payload)\n    return 1\n"

    def check(python: Python) -> None:
        with running(python, "m.f", code=code) as runtime:
            idle = threads_of(runtime)
            assert runtime.call(1.9, deadline_ms=2000).status == 200
            assert runtime.call(2.5, deadline_ms=2000).status == 200  # after the deadline, before the timer
            assert runtime.call(0, deadline_ms=300_000).status == 200
            until(lambda: threads_of(runtime) == idle, what="the timer's thread has ended")
            with pytest.raises(subprocess.TimeoutExpired):
                runtime.wait_end(10)
            assert runtime.call(0).status == 200

    on_all(check)


def test_arming_and_disarming_costs_less_than_50_us_in_a_series_of_calls() -> None:
    with running(pythons()[-1], "m.f", code="def f(payload): return None\n") as runtime:
        body = json.dumps(envelope(1)).encode()
        requests = [request_bytes("POST", "/invoke", body, h) for h in ({}, {"X-Asya-Deadline-Ms": 300_000})]
        times: list[list[float]] = [[], []]
        with runtime.connect() as client:
            for turn in range(4000):  # in turn, so that other work costs both the same
                began = time.perf_counter()
                client.send(requests[turn % 2])
                client.answer()
                times[turn % 2].append(time.perf_counter() - began)
    without, armed = (statistics.median(taken) for taken in times)
    assert armed - without < 50e-6
