"""All that is wrong with the actors of some files, with places. Called by `asya validate` and `asya up`."""

from collections.abc import Sequence

from asya_cli.files import FileProblem, Loaded, LoadedActor
from asya_schemas.actor.problems import Severity
from asya_schemas.actor.validate import validate


def check(loaded: Loaded) -> list[FileProblem]:
    """Mistakes and warnings of files and actors, in the order of files and lines."""
    found = list(loaded.problems)
    for actor in loaded.actors:
        found += check_actor(actor)
    order = {file: index for index, file in enumerate(loaded.files)}
    return sorted(found, key=lambda problem: (order[problem.file], problem.line, problem.column))


def check_actor(actor: LoadedActor) -> list[FileProblem]:
    """Mistakes and warnings of one actor."""
    return [actor.problem(problem.path, problem.message, problem.severity) for problem in validate(actor.document)]


def errors_of(problems: Sequence[FileProblem]) -> list[FileProblem]:
    """Only what makes a file unusable."""
    return [problem for problem in problems if problem.severity is Severity.ERROR]
