"""The command as a whole: fast start, one place for exit codes, quiet where nobody listens."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from asya_cli.__main__ import program_name, run
from asya_cli.app import VERBS, load
from asya_cli.errors import Failure, ProblemsFound, Unreachable, UsageMistake
from tests.support.asya_command import WITHIN_S, asya

LOADED_MODULES = """
import sys
from asya_cli.__main__ import run
run({arguments!r})
sys.stderr.write("\\n" + " ".join(sorted(sys.modules)))
"""


def modules_after(*arguments: str) -> set[str]:
    """Every module that one command has imported."""
    script = LOADED_MODULES.format(arguments=list(arguments))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=WITHIN_S, check=True)
    return set(done.stderr.rpartition("\n")[2].split())


def test_help_imports_no_verb() -> None:
    assert not [name for name in modules_after("--help") if name.startswith("asya_cli.verbs.")]


def test_a_verb_imports_no_other_verb() -> None:
    assert {name for name in modules_after("crd") if name.startswith("asya_cli.verbs.")} == {"asya_cli.verbs.crd"}


def test_the_version_of_the_command_needs_no_yaml() -> None:
    assert not [name for name in modules_after("crd") if name.startswith("ruamel")]


def test_help_names_every_verb() -> None:
    done = asya("--help")
    assert done.returncode == 0
    assert all(f"  {verb} " in done.stdout for verb in VERBS)


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_verb_explains_itself(verb: str) -> None:
    assert load(verb).get_short_help_str()


@pytest.mark.parametrize("verb", ["validate", "new", "crd", "schema", "set"])
def test_the_help_of_a_verb_is_data_for_stdout(verb: str) -> None:
    done = asya(verb, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Usage: asya {verb}" in done.stdout


def test_a_mistyped_verb_is_a_usage_mistake_with_the_near_one() -> None:
    done = asya("valdate")
    assert done.returncode == 2
    assert "Did you mean 'validate'?" in done.stderr


def test_an_unknown_option_is_a_usage_mistake() -> None:
    done = asya("validate", "--nonsense", ".")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--nonsense" in done.stderr


def test_a_wrong_output_form_names_the_right_ones() -> None:
    done = asya("crd", "--output", "xml")
    assert done.returncode == 2
    assert all(form in done.stderr for form in ("table", "json", "yaml"))


def test_no_argument_shows_help() -> None:
    done = asya()
    assert done.returncode == 2
    assert "Commands:" in done.stdout + done.stderr


@pytest.mark.parametrize(("failure", "code"), [(Failure, 1), (ProblemsFound, 1), (UsageMistake, 2), (Unreachable, 3)])
def test_every_kind_of_failure_has_its_exit_code(failure: type[Failure], code: int) -> None:
    assert failure("x").exit_code == code


def test_a_failure_is_one_line_and_no_traceback() -> None:
    done = asya("validate", "no-such-file.yaml")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "asya: no-such-file.yaml: no such file or folder\n")


def test_the_plugin_of_kubectl_speaks_under_its_own_name() -> None:
    assert program_name("/usr/bin/kubectl-asya") == "kubectl asya"
    assert program_name("/usr/bin/asya") == "asya"


def test_a_command_can_be_run_in_process(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["crd"]) == 0
    assert capsys.readouterr().out.startswith("# Generated")


def test_a_full_disk_behind_stdout_is_a_failure_with_the_reason() -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device, not a file
        done = subprocess.run(
            [sys.executable, "-m", "asya_cli", "crd"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "asya: cannot write to stdout: No space left on device\n"


def test_a_closed_stdout_is_no_failure() -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f'"{sys.executable}" -m asya_cli crd >&-'],
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_colours_obey_no_color() -> None:
    forced = {"FORCE_COLOR": "1", "NO_COLOR": "1", "TERM": "xterm-256color"}
    assert "\x1b[" not in asya("--help", environ=forced).stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_verbs(shell: str) -> None:
    words = {"COMP_WORDS": "asya val", "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "asya val"}
    action = {"_ASYA_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    script = "import sys; from asya_cli.__main__ import run; sys.exit(run([]))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **words, **action},
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert "validate" in done.stdout


def test_an_interrupted_command_ends_with_130_and_no_traceback(tmp_path: Path) -> None:
    fifo = tmp_path / "slow.yaml"
    os.mkfifo(fifo)
    # A shell lets what it starts in the background ignore Ctrl-C, the tests perhaps, and whoever they start.
    command = ["env", "--default-signal=INT", sys.executable, "-m", "asya_cli", "validate", str(fifo)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            # Opening for writing returns once the command has opened the file for reading, and so is at work.
            with fifo.open("w"):
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=WITHIN_S)
        finally:
            process.kill()
    assert (process.returncode, out, err) == (130, "", "")
