"""`asya render`: every object the controller would apply, offline (contract: cli)."""

from pathlib import Path
from typing import Annotated

import typer

from asya_cli import notes
from asya_cli.errors import UsageMistake
from asya_cli.files import load, require_actors
from asya_cli.output import Output, emit, write
from asya_controller.decide.source.checking import check, errors_of
from asya_controller.decide.source.documents import DEFAULT_NAMESPACE, LoadedActor

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Operator configuration with the transports (or ASYA_CONFIG_FILE).")
]


def command(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Files and folders with AsyncActors.")],
    config: ConfigOption = None,
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="For actors that name none.")] = DEFAULT_NAMESPACE,
    output: Annotated[Output, typer.Option("--output", "-o", help="yaml or json.")] = Output.YAML,
) -> None:
    """Print, as YAML, every object the controller would apply.

    The uid in ownerReferences is empty: only the cluster knows it. One file that cannot be used, and nothing is printed: exit 2.
    """
    from asya_cli.cluster.operator import from_file
    from asya_cli.cluster.rendering import Renderer, in_namespace
    from asya_schemas.actor.yaml_text import to_yaml

    actors = usable(paths, namespace)
    renderer = Renderer(from_file(config))
    documents = [in_namespace(actor.document, namespace) for actor in actors]
    pairs = list(zip(actors, documents, strict=True))
    problems = [found for actor, document in pairs if (found := renderer.problem(actor, document))]
    if problems:
        raise UsageMistake("\n".join(str(problem) for problem in problems))
    objects = renderer.config_maps(document["metadata"]["namespace"] for document in documents)
    for document in documents:
        objects += renderer.children(document)
    if output is Output.JSON:
        emit({"apiVersion": "v1", "kind": "List", "items": objects}, output, lambda: "")
    else:
        write("---\n".join(to_yaml(item) for item in objects))


def usable(paths: list[Path], namespace: str, source: bool = False) -> list[LoadedActor]:
    """The actors of these files. With `source` they are judged as a source of a cluster is: links and secrets too.

    Raises:
        UsageMistake: one of the files cannot be used, or there is no actor; names every problem.
    """
    loaded = load(paths, confined=source, namespace=namespace)
    problems = check(loaded, source=source)
    if errors := errors_of(problems):
        raise UsageMistake("\n".join(str(problem) for problem in errors))
    require_actors(loaded, paths)
    for problem in problems:
        notes.say(str(problem))
    return loaded.actors
