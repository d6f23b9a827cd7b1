"""From the environment to the ready file, or to an exit that says why (contract: runtime, rows 15-19, 40, 41, 44)."""

import os
import signal
import socket
import stat
import time
from pathlib import Path

import pytest

from tests.support.runtime_process import SOCKET_NAME, Python, pythons, refused_to_start, running, started
from tests.support.wait import short_tmp, until

ON_EVERY_PYTHON = pytest.mark.parametrize("python", pythons(), ids=str)

ECHO = "def f(payload):\n    return [payload]\n"
CLASSES = """
import os

class Needs:
    def __init__(self, model_path, device="cpu", *, batch, size=1):
        pass
    def run(self, payload):
        return payload

class Raises:
    def __init__(self):
        raise OSError("no such model")
    def run(self, payload):
        return payload

class Model:
    limit = 5
    def predict(self, payload):
        return payload

class Outer:
    class Inner:
        def method(self, payload):
            return payload

process = 5
handler = Model()
"""


def last_line(text: str) -> str:
    return text.strip().splitlines()[-1]


@ON_EVERY_PYTHON
def test_row_15_a_constructor_with_required_parameters_names_them(python: Python) -> None:
    status, text = refused_to_start(python, "m.Needs.run", code=CLASSES)
    assert status == 3
    assert "class Needs requires model_path, batch" in last_line(text)
    assert "give them default values" in last_line(text)


@pytest.mark.parametrize(
    "value", [None, "", "invalid", "../etc/passwd", "__import__('os').system('x')", "my-mod.f", "m..f", "m.f ", "m.é"]
)
@ON_EVERY_PYTHON
def test_row_16_a_malformed_handler_is_exit_2_and_imports_nothing(python: Python, value: str | None) -> None:
    status, text = refused_to_start(python, value, code="open('imported', 'w')\n" + ECHO)
    assert status == 2
    assert "ASYA_HANDLER" in last_line(text)
    assert "module.function or module.Class.method" in last_line(text)
    assert not value or value[:2] in last_line(text)
    assert "imported" not in text


@ON_EVERY_PYTHON
def test_row_16_all_mistakes_are_reported_together(python: Python) -> None:
    wrong = {
        "ASYA_HANDLER_MODE": "something",
        "ASYA_SOCKET_CHMOD": "rw-rw-rw-",
        "ASYA_CHUNK_SIZE": "12",
        "ASYA_ENABLE_VALIDATION": "maybe",
        "ASYA_MAX_MESSAGE_BYTES": "-1",
        "ASYA_SOCKET_NAME": "a/b",
        "ASYA_LOG_FORMAT": "xml",
    }
    status, text = refused_to_start(python, "invalid", code=ECHO, **wrong)
    assert status == 2
    for name in [*wrong, "ASYA_HANDLER"]:
        assert name in last_line(text)


@ON_EVERY_PYTHON
def test_row_17_a_missing_module_names_it_and_the_folders(python: Python) -> None:
    status, text = refused_to_start(python, "nowhere.f", code=ECHO)
    assert status == 3
    assert "no module nowhere" in last_line(text)
    assert "/work" in last_line(text)


@ON_EVERY_PYTHON
def test_row_17_a_missing_import_of_the_users_module_names_it_and_the_line(python: Python) -> None:
    status, text = refused_to_start(python, "m.f", code="import os\nimport torchx\n" + ECHO)
    assert status == 3
    assert "torchx" in last_line(text)
    assert "m.py, line 2" in last_line(text)
    assert text.startswith("Traceback (most recent call last):\n  File ")
    assert "m.py" in text.splitlines()[1]


@ON_EVERY_PYTHON
def test_row_17_a_syntax_error_names_file_and_line(python: Python) -> None:
    status, text = refused_to_start(python, "m.f", code="def f(payload):\n    return (\n        1 2)\n")
    assert status == 3
    assert "SyntaxError" in last_line(text)
    assert "m.py, line " in last_line(text)
    assert "asya_runtime.py" not in text
    assert "importlib" not in text


@ON_EVERY_PYTHON
def test_row_17_a_module_that_exits_is_not_loaded(python: Python) -> None:
    status, text = refused_to_start(python, "m.f", code="import sys\nsys.exit(0)\n")
    assert status == 3
    assert "SystemExit" in last_line(text)
    assert "m.py, line 2" in last_line(text)


@ON_EVERY_PYTHON
def test_row_17_an_import_error_inside_a_package_is_the_users(python: Python) -> None:
    code = "import m_missing_part\n"
    status, text = refused_to_start(python, "m.C.method", code=code)
    assert status == 3
    assert "m_missing_part" in last_line(text)
    assert "ModuleNotFoundError" in last_line(text)


@pytest.mark.parametrize(
    ("handler", "told"),
    [
        ("m.proces", "module m has no attribute proces, did you mean process?"),
        ("m.process", "m.process is an int, expected a function"),
        ("m.Model", "m.Model is a class, name one of its methods as m.Model.<method>, for example m.Model.predict"),
        ("m.Outer.Inner.method", "nested classes are not supported"),
        ("m.Model.predicts", "class Model has no attribute predicts, did you mean predict?"),
        ("m.Model.limit", "limit of class Model is an int, expected a method"),
        ("m.handler.predict", "m.handler is a Model, expected a class"),
        ("m.handler", "m.handler is a Model, expected a function"),
        ("m.missing.f", "nor is there a module m.missing"),
        ("m.Raises.run", "making an instance of class Raises raised OSError: no such model"),
    ],
)
@ON_EVERY_PYTHON
def test_row_18_each_mistake_has_its_own_sentence(python: Python, handler: str, told: str) -> None:
    status, text = refused_to_start(python, handler, code=CLASSES)
    assert status == 3
    assert f"asya-runtime: cannot load handler {handler}: " in last_line(text)
    assert told in last_line(text)


@pytest.mark.parametrize("mode", ["ENVELOPE", "Envelope"])
@ON_EVERY_PYTHON
def test_row_19_the_mode_is_read_in_any_case(python: Python, mode: str) -> None:
    with running(python, "envelopes.touches_nothing", ASYA_HANDLER_MODE=mode) as runtime:
        assert runtime.request("GET", "/healthz").json["mode"] == "envelope"
        assert runtime.call(5).payloads == [5]


@ON_EVERY_PYTHON
def test_row_19_another_mode_is_exit_2(python: Python) -> None:
    status, text = refused_to_start(python, "m.f", code=ECHO, ASYA_HANDLER_MODE="something")
    assert status == 2
    assert "ASYA_HANDLER_MODE" in last_line(text)
    assert "payload or envelope" in last_line(text)


def test_row_19_an_empty_mode_means_payload() -> None:
    with running(pythons()[0], "m.f", code=ECHO, ASYA_HANDLER_MODE="") as runtime:
        assert runtime.request("GET", "/healthz").json["mode"] == "payload"


def a_file(path: Path) -> None:
    path.write_text("old")


def a_stale_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(path))


def a_link(path: Path) -> None:
    target = path.with_name("target")
    target.write_text("kept")
    path.symlink_to(target)


def a_dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


def text_of(file: Path) -> str:
    """Nothing between two files of this name, and of what is no file."""
    try:
        return file.read_text()
    except OSError:
        return ""


@pytest.mark.parametrize("make", [a_file, a_stale_socket, a_link, a_dangling_link])
@pytest.mark.parametrize("name", [SOCKET_NAME, "runtime-ready"])
@ON_EVERY_PYTHON
def test_row_40_what_an_earlier_life_left_is_replaced(python: Python, make: object, name: str) -> None:
    with short_tmp() as folder:
        make(folder / name)  # type: ignore[operator]
        with started(python, "m.f", code=ECHO, folder=folder) as runtime:
            until(lambda: text_of(runtime.ready_file) == "ready", what="its own file is there")
            assert not runtime.ready_file.is_symlink()
            assert stat.S_ISSOCK(runtime.socket.lstat().st_mode)
            assert runtime.call(5).payloads == [5]
        assert make is not a_link or (folder / "target").read_text() == "kept"


@pytest.mark.parametrize("name", [SOCKET_NAME, "runtime-ready"])
@ON_EVERY_PYTHON
def test_row_40_a_directory_there_is_exit_2(python: Python, name: str) -> None:
    with short_tmp() as folder:
        (folder / name).mkdir()
        with started(python, "m.f", code=ECHO, folder=folder) as runtime:
            assert runtime.wait_end() == 2
            assert name in last_line(runtime.stderr())
            assert "directory" in last_line(runtime.stderr())


def test_a_path_that_is_too_long_is_exit_2() -> None:
    status, text = refused_to_start(pythons()[0], "m.f", code=ECHO, ASYA_SOCKET_NAME="s" * 108)
    assert status == 2
    assert "107" in last_line(text)


def test_the_newer_name_of_the_folder_wins_and_empty_counts_as_unset() -> None:
    with short_tmp() as folder:
        with running(pythons()[0], "m.f", code=ECHO, folder=folder, ASYA_SOCKETS_DIR="/nowhere") as runtime:
            assert runtime.call(1).status == 200
        with started(
            pythons()[0], "m.f", code=ECHO, ASYA_SOCKET_DIR="", ASYA_SOCKETS_DIR=str(folder / "x"), ASYA_SOCKET_NAME="s"
        ):
            until(lambda: (folder / "x" / "runtime-ready").exists(), 30)
            assert (folder / "x" / "s").is_socket()


SLOW_MODEL = "import time\nopen('loading', 'w').close()\ntime.sleep(60)\ndef f(payload): return 1\n"
# One call of C code that keeps the interpreter lock: nothing of Python runs until it returns.
HOLDS_THE_LOCK = """
import itertools
open('loading', 'w').close()
sum(itertools.repeat(1, 10 ** 12))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("code", [SLOW_MODEL, HOLDS_THE_LOCK], ids=["sleeping", "native"])
@ON_EVERY_PYTHON
def test_row_41_a_signal_while_loading_ends_at_once_with_status_0(
    python: Python, code: str, number: signal.Signals
) -> None:
    with started(python, "m.f", code=code) as runtime:
        until((runtime.output / "work" / "loading").exists, 30)
        assert not runtime.socket.exists()
        assert not runtime.ready_file.exists()
        before = time.monotonic()
        runtime.terminate(number)
        assert runtime.wait_end(10) == 0
        assert time.monotonic() - before < 2


@pytest.mark.parametrize("wanted", ["0o600", "600", "0600"])
@ON_EVERY_PYTHON
def test_row_44_the_permission_bits_are_octal(python: Python, wanted: str) -> None:
    with running(python, "m.f", code=ECHO, ASYA_SOCKET_CHMOD=wanted) as runtime:
        assert stat.S_IMODE(runtime.socket.stat().st_mode) == 0o600


@ON_EVERY_PYTHON
def test_row_44_the_default_is_666(python: Python) -> None:
    with running(python, "m.f", code=ECHO) as runtime:
        assert stat.S_IMODE(runtime.socket.stat().st_mode) == 0o666


@ON_EVERY_PYTHON
def test_row_44_empty_leaves_the_bits_to_the_umask(python: Python) -> None:
    code = "import os\nos.umask(0)\n" + ECHO  # the umask we began with counts, not the one of the user's code
    before = os.umask(0o027)
    try:
        with running(python, "m.f", code=code, ASYA_SOCKET_CHMOD="") as runtime:
            assert stat.S_IMODE(runtime.socket.stat().st_mode) == 0o777 & ~0o027
    finally:
        os.umask(before)
