"""Run the console blocks of a document as a person would type them, and compare what they print.

A block is fenced as ```console. A line that begins with `$ ` is a command, typed in one shell for the whole document; the lines
behind it are what it must print. A line `...` stands for any lines, `...` inside a line for any text. No lines: any output will do.
A block fenced with a language and the name of a file (```python publish.py) is that file: it is written where the commands are typed.
Called by tests/repository/test_documented_commands.py, and by tests/cli/test_local_rabbitmq.py for the examples on another broker.
"""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
MARK = "\x1e"  # ASCII record separator: no command prints it


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a document and the lines it is said to print."""

    line: int
    command: str
    expected: tuple[str, ...]


def steps(document: Path) -> list[Step]:
    """Every command of the console blocks of a Markdown file, in order; a named block is a command that writes it."""
    found: list[Step] = []
    inside = False
    lines = document.read_text().splitlines()
    for number, line in enumerate(lines, start=1):
        if line.startswith("```"):
            inside = line.strip() == "```console"
            if named := re.fullmatch(r"```\w+ (\S+)", line.strip()):
                text = lines[number : lines.index("```", number)]
                found.append(Step(number, "\n".join([f"cat > {named.group(1)} <<'END'", *text, "END"]), ()))
        elif inside and line.startswith("$ "):
            found.append(Step(number, line[2:].split("  #")[0].strip(), ()))
        elif inside and found:
            last = found[-1]
            found[-1] = Step(last.line, last.command, (*last.expected, line))
    return found


def part(document: Path, heading: str) -> range:
    """Numbers of the lines under a heading, up to the next one of its level or above."""
    level = len(heading.partition(" ")[0])
    inside, first, last = False, 0, 0
    for number, line in enumerate(document.read_text().splitlines(), start=1):
        inside ^= line.startswith("```")
        if first and not inside and re.match(rf"#{{1,{level}}} ", line):
            break
        if line == heading:
            first = number + 1
        last = number
    assert first, f"{document.relative_to(ROOT)} has no heading {heading}"
    return range(first, last + 1)


def copy_of_the_repository(target: Path) -> Path:
    """The tracked and the not ignored files in a folder of their own, with the present .venv behind a link."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        source = ROOT / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)
    (target / ".venv").symlink_to(ROOT / ".venv")
    return target


def check(document: Path, found: list[Step], folder: Path, within_s: float, **variables: str) -> None:
    """Type the steps of a document in `folder` and compare.

    Raises:
        AssertionError: a command failed, or printed something else; names the line of the document.
    """
    results = run(found, folder, within_s, variables)
    for step, (status, output) in zip(found, results, strict=True):
        place = f"{document.relative_to(ROOT)}:{step.line}: $ {step.command}"
        assert status == 0, f"{place}\nexit status {status}, printed:\n{output}"
        assert agrees(step.expected, output), f"{place}\nshown:\n{chr(10).join(step.expected)}\nprinted:\n{output}"


def run(
    found: list[Step], folder: Path, within_s: float, variables: Mapping[str, str] | None = None
) -> list[tuple[int, str]]:
    """Exit status and output (both streams) of every step, typed one after the other in one bash in `folder`.

    `variables` are added to the environment; their `PATH` comes after ours.

    Raises:
        AssertionError: the whole took longer than `within_s`; the message holds what was printed until then.
    """
    typed = "".join(f"{{ {step.command}\n}} 2>&1; printf '{MARK}%s{MARK}' \"$?\"\n" for step in found)
    more = dict(variables or {})
    later = os.pathsep.join(filter(None, (more.pop("PATH", ""), os.environ["PATH"])))
    environment = (
        os.environ
        | more
        | {
            "PATH": f"{ROOT / '.venv' / 'bin'}{os.pathsep}{later}",
            "COLUMNS": "160",
            "NO_COLOR": "1",
        }
    )
    shell = subprocess.Popen(
        ["bash", "-c", typed],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        printed, _ = shell.communicate(timeout=within_s)
    except subprocess.TimeoutExpired:
        os.killpg(shell.pid, signal.SIGKILL)
        printed, _ = shell.communicate()
        raise AssertionError(f"not done within {within_s:g} s:\n{printed}") from None
    finally:
        subprocess.run(["asya", "down"], cwd=folder, env=environment, capture_output=True, timeout=60)
    parts = printed.split(MARK)
    return [(int(status), output) for output, status in zip(parts[0::2], parts[1::2], strict=False)]


def agrees(expected: tuple[str, ...], output: str) -> bool:
    """Whether the output is what the document shows."""
    if not any(line.strip() for line in expected):
        return True
    pattern = "".join(
        r"(?:.*\n)*" if line.strip() == "..." else re.escape(line.rstrip()).replace(r"\.\.\.", ".*") + r"[ \t]*\n"
        for line in expected
    )
    return re.fullmatch(pattern, output if output.endswith("\n") else output + "\n") is not None
