"""One event is one line, in JSON or text, and nothing in it acts on who reads it.

In processes of their own: logging is set up once per process, and standard output belongs to pytest here.
"""

import json
import subprocess
import sys
import textwrap
from typing import Any

import pytest

SETUP = """
from asya_sidecar.act import logs
writer = logs.configure(level={level!r}, form={form!r}, actor="a", namespace="ns", queue="asya-ns-a")
log = logs.logger()
"""


def output(script: str, level: str = "INFO", form: str = "json") -> str:
    """What a process writes that sets up logging, runs `script` and closes the log."""
    whole = SETUP.format(level=level, form=form) + textwrap.dedent(script) + "\nwriter.close(5)\n"
    done = subprocess.run([sys.executable, "-c", whole], capture_output=True, timeout=60, check=True)
    assert done.stderr == b""
    return done.stdout.decode()


def lines(script: str, level: str = "INFO") -> list[dict[str, Any]]:
    return [json.loads(line) for line in output(script, level).split("\n") if line]


def test_every_line_says_when_how_bad_what_and_where() -> None:
    (line,) = lines("log.info('envelope done', envelope_id='e-1', attempt=1, reason=None)")
    assert len(line.pop("time")) == len("2026-01-02T03:04:05.006Z")
    assert line == {
        "level": "INFO",
        "msg": "envelope done",
        "component": "sidecar",
        "actor": "a",
        "namespace": "ns",
        "queue": "asya-ns-a",
        "envelope_id": "e-1",
        "attempt": 1,
        "reason": None,
    }


@pytest.mark.parametrize(
    ("level", "written"),
    [
        ("DEBUG", ["DEBUG", "INFO", "WARNING", "ERROR"]),
        ("INFO", ["INFO", "WARNING", "ERROR"]),
        ("WARNING", ["WARNING", "ERROR"]),
        ("ERROR", ["ERROR"]),
    ],
)
def test_the_level_is_the_least_that_is_written(level: str, written: list[str]) -> None:
    script = "log.debug('x'); log.info('x'); log.warning('x'); log.error('x')"
    assert [line["level"] for line in lines(script, level)] == written


def test_bound_members_are_on_every_line_of_that_logger() -> None:
    (line,) = lines("logs.logger(part='consumer').warning('x')")
    assert line["part"] == "consumer"


@pytest.mark.parametrize(
    "text", ["a\nb", "a\r\x00b", "\x1b[31m", "\x7f", "\x85", "\u2028\u2029", "\u202e", "grüße 🙂"], ids=ascii
)
def test_one_event_is_one_line_without_control_characters(text: str) -> None:
    out = output(f"log.warning('x', text={text!r})")
    assert out.count("\n") == len(out.splitlines()) == 1
    assert out[:-1].isprintable()
    assert json.loads(out)["text"] == text


def test_what_json_has_no_words_for_is_written_as_text() -> None:
    (line,) = lines("from pathlib import Path; log.info('x', path=Path('/a'), lone='\\ud800', big=10**40)")
    assert (line["path"], line["lone"], line["big"]) == ("/a", "\ud800", 10**40)


def test_an_exception_brings_its_traceback_in_the_same_line() -> None:
    (line,) = lines("""
        try:
            1 / 0
        except ZeroDivisionError:
            log.exception("fault")
    """)
    assert (line["level"], line["msg"]) == ("ERROR", "fault")
    assert line["traceback"].startswith("Traceback (most recent call last)")
    assert line["traceback"].rstrip().endswith("ZeroDivisionError: division by zero")


def test_an_endless_traceback_is_cut_in_the_middle() -> None:
    (line,) = lines("""
        try:
            raise ValueError("x" * 100_000)
        except ValueError as error:
            log.warning("fault", exc_info=error)
    """)
    assert len(line["traceback"]) < 17_000
    assert line["traceback"].startswith("Traceback")


def test_the_standard_librarys_log_takes_the_same_way() -> None:
    (line,) = lines("import logging; logging.getLogger('asyncio').error('lost %s', 'task')")
    assert (line["level"], line["msg"], line["logger"], line["component"]) == (
        "ERROR",
        "lost task",
        "asyncio",
        "sidecar",
    )


def test_warnings_of_libraries_are_lines_too() -> None:
    (line,) = lines("import warnings; warnings.warn('old')")
    assert (line["level"], line["logger"]) == ("WARNING", "py.warnings")
    assert "old" in line["msg"]


def test_text_is_for_people() -> None:
    out = output("log.info('envelope done', envelope_id='e-1', text='two words', n=1)", form="text")
    when, rest = out.split(" ", 1)
    assert when.endswith("Z")
    assert rest == (
        "INFO    envelope done component=sidecar actor=a namespace=ns queue=asya-ns-a "
        'envelope_id=e-1 text="two words" n=1\n'
    )


def test_text_cannot_be_broken_by_what_it_shows() -> None:
    out = output("log.info('a\\nb', text='x\\ny \\x1b[31m\\u2028', key='a=b')", form="text")
    assert len(out.splitlines()) == 1
    assert out[:-1].isprintable()
    assert 'key="a=b"' in out


def test_logging_does_not_load_rich() -> None:
    assert output("import sys; log.info(str('rich.console' in sys.modules))", form="text").split()[2] == "False"
