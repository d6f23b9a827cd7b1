"""All that is wrong with the actors of some files, with places. Called by `asya validate`, `asya up` and the file source."""

from collections.abc import Sequence
from dataclasses import replace

from asya_controller.decide.source.documents import FileProblem, Loaded, LoadedActor
from asya_controller.decide.source.secrets import literal_secrets
from asya_schemas.actor.problems import Severity
from asya_schemas.actor.validate import validate


def check(loaded: Loaded, source: bool = False) -> list[FileProblem]:
    """Mistakes and warnings of files and actors, in the order of files and lines.

    Secrets in plain text are mistakes in a `source`, else warnings.
    """
    found = list(loaded.problems)
    secrets = list(loaded.secrets)
    for actor in loaded.actors:
        problems = check_actor(actor)
        found += problems
        if not errors_of(problems):
            secrets += [actor.problem(path, message) for path, message in literal_secrets(actor.document)]
    severity = Severity.ERROR if source else Severity.WARNING
    found += [replace(problem, severity=severity) for problem in secrets]
    order = {file: index for index, file in enumerate(loaded.files)}
    return sorted(found, key=lambda problem: (order.get(problem.file, -1), problem.line, problem.column))


def check_actor(actor: LoadedActor) -> list[FileProblem]:
    """Mistakes and warnings of one actor."""
    found = [actor.problem(problem.path, problem.message, problem.severity) for problem in validate(actor.document)]
    return found if errors_of(found) else found + _for_operators(actor)


def _for_operators(actor: LoadedActor) -> list[FileProblem]:
    """What the controller refuses in an actor that is right by itself, as far as that is known without its configuration."""
    from asya_controller.decide.check import denied, unrenderable  # imported here: pydantic, 150 ms
    from asya_controller.decide.config import OperatorConfig

    defaults = OperatorConfig()
    refused, policy = unrenderable(actor.document, defaults), denied(actor.document, defaults)
    errors = [actor.problem(refused.path, refused.message)] if refused else []
    # Only a warning: the operator may have allowed it.
    warnings = (
        [actor.problem(policy.path, f"{policy.message}, unless the operator allows it", Severity.WARNING)]
        if policy
        else []
    )
    return errors + warnings


def errors_of(problems: Sequence[FileProblem]) -> list[FileProblem]:
    """Only what makes a file unusable."""
    return [problem for problem in problems if problem.severity is Severity.ERROR]
