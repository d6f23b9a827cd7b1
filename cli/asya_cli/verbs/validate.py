"""`asya validate`: what the API server or the controller would refuse, found before anybody applies it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from asya_cli import notes
from asya_cli.errors import ProblemsFound
from asya_cli.files import load, require_actors
from asya_cli.output import Output, OutputOption, emit
from asya_controller.decide.source.checking import check, errors_of
from asya_controller.decide.source.documents import FileProblem, Loaded


def command(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Files and folders; folders are searched.")],
    output: OutputOption = Output.TABLE,
) -> None:
    """Check AsyncActor files offline: YAML, schema, every rule the API server or the controller would refuse.

    Prints file:line:col: message. Exit code 0: nothing wrong (warnings may be printed), 1: mistakes, 2: nothing to check.
    """
    loaded = load(paths)
    require_actors(loaded, paths)
    for line in loaded.ignored:
        notes.detail(f"ignored: {line}")
    problems = check(loaded)
    emit(_as_data(loaded, problems), output, lambda: "\n".join(str(problem) for problem in problems))
    errors = errors_of(problems)
    notes.say(_summary(len(loaded.actors), len(errors), len(problems) - len(errors)))
    if errors:
        raise ProblemsFound


def _as_data(loaded: Loaded, problems: list[FileProblem]) -> dict[str, Any]:
    actors = [{"name": a.name, "namespace": a.namespace, "file": str(a.file), "line": a.line} for a in loaded.actors]
    return {
        "actors": actors,
        "problems": [
            {
                "file": str(problem.file),
                "line": problem.line,
                "column": problem.column,
                "severity": str(problem.severity),
                "message": problem.message,
            }
            for problem in problems
        ],
    }


def _summary(actors: int, errors: int, warnings: int) -> str:
    return f"{_counted(actors, 'actor')}: {_counted(errors, 'error')}, {_counted(warnings, 'warning')}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
