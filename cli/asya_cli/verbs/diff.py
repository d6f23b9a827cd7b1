"""`asya diff`: what applying the files would change in a cluster (contract: cli)."""

from pathlib import Path
from typing import Annotated

import typer

from asya_cli import notes
from asya_cli.context import ContextOption, NamespaceOption
from asya_cli.errors import ProblemsFound, UsageMistake
from asya_cli.output import Output, OutputOption, emit
from asya_cli.verbs.render import ConfigOption, usable


def command(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Files and folders with AsyncActors.")],
    config: ConfigOption = None,
    prune: Annotated[bool, typer.Option("--prune", help="Show also what sync --prune would delete.")] = False,
    set_name: Annotated[str, typer.Option("--set", help="Name of the set, as in sync.")] = "asya-files",
    output: OutputOption = Output.TABLE,
    namespace: NamespaceOption = None,
    context: ContextOption = None,
) -> None:
    """Show, for each object, a JSON Patch and a unified diff against the cluster. Exit 1 when something differs or
    would be refused.

    Compared are the AsyncActors and what the controller would apply for them, with its configuration from the cluster or --config.
    """
    from asya_cli.cluster.comparing import Comparison
    from asya_cli.cluster.connection import asked, own_version, reach
    from asya_cli.cluster.installation import installation
    from asya_cli.cluster.operator import from_file
    from asya_cli.cluster.rendering import Renderer
    from asya_controller.act.source.passes import Refused, Source
    from asya_controller.act.source.snapshot import Unsettled
    from asya_controller.decide.source.applyset import ApplySet
    from asya_controller.decide.source.sync import Rules

    cluster = reach(context, namespace)
    actors = usable(paths, cluster.namespace, source=True)
    rules = Rules(ApplySet(set_name, cluster.namespace), cluster.namespace, prune)
    source = Source(cluster.api, paths, rules, own_version())
    try:
        with asked(cluster):
            outcome = source.run(source.look(), dry_run=True)
            if outcome.problems or outcome.planned is None:
                raise UsageMistake("\n".join(str(problem) for problem in outcome.problems))
            found = None if config else installation(cluster)
            renderer = Renderer(found.config() if found else from_file(config))
            if not renderer.config.transports:
                notes.say(
                    "only the AsyncActors are compared: no operator configuration is known; name it with --config"
                )
            comparison = Comparison(cluster, rules, renderer if renderer.config.transports else None)
            differences = list(comparison.run(actors, outcome.planned))
    except (Refused, Unsettled) as error:
        raise ProblemsFound(str(error)) from None
    if outcome.planned.held_back:
        notes.say(outcome.planned.held_back)
    data = [difference.as_data() for difference in differences]
    emit(data, output, lambda: "\n".join(difference.as_text() for difference in differences))
    if differences or comparison.refused:
        raise ProblemsFound
