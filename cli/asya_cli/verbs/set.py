"""`asya set image|scaling|env`: edits an AsyncActor file in place, for people and for commit bots.

What may be set is looked up in the schema; how the text changes is `edit`'s. A change that makes the actor worse is refused and
the file stays as it was.
"""

import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from asya_cli import notes
from asya_cli.edit import CannotEdit, append_item, remove_item, set_value
from asya_cli.errors import UsageMistake
from asya_cli.files import require_actors
from asya_cli.output import write
from asya_controller.act.source.files import read
from asya_controller.decide.source.checking import check_actor, errors_of
from asya_controller.decide.source.documents import LoadedActor, load_text, text_of
from asya_controller.decide.source.yaml_nodes import YamlMistake
from asya_schemas.actor.identity import RUNTIME_CONTAINER
from asya_schemas.actor.paths import POD, dotted
from asya_schemas.actor.problems import near
from asya_schemas.actor.structure import SCHEMA

command = typer.Typer(
    help="Edit an AsyncActor file in place; comments, order and quotes stay.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="YAML file with the AsyncActor.")]
ActorOption = Annotated[str | None, typer.Option("--actor", help="Which one, if the file holds several.")]
ContainerOption = Annotated[str, typer.Option("--container", "-c", help="Container or init container.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Print the edited file instead of writing it.")]

# One change: what it is, in words, and how the text becomes another.
Change = tuple[str, Callable[[str, LoadedActor], str]]


@command.command()
def image(
    file: FileArgument,
    images: Annotated[list[str], typer.Argument(metavar="[CONTAINER=]IMAGE", help="Without a name: asya-runtime.")],
    actor: ActorOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Set the image of a container: asya set image FILE registry.example.com/app:1.2.0"""
    pairs = [_container_and_image(text) for text in images]
    _edit(file, actor, dry_run, [_image_change(container, image) for container, image in pairs])


@command.command()
def scaling(
    file: FileArgument,
    values: Annotated[list[str], typer.Argument(metavar="FIELD=VALUE", help="As under spec.scaling.")],
    actor: ActorOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Set fields of spec.scaling: asya set scaling FILE enabled=true maxReplicas=20 advanced.target=4"""
    _edit(file, actor, dry_run, [_scaling_change(*_pair(text)) for text in values])


@command.command()
def env(
    file: FileArgument,
    values: Annotated[list[str], typer.Argument(metavar="NAME=VALUE", help="NAME- takes a variable away.")],
    actor: ActorOption = None,
    container: ContainerOption = RUNTIME_CONTAINER,
    sidecar: Annotated[bool, typer.Option("--sidecar", help="The injected sidecar instead: spec.sidecar.env.")] = False,
    dry_run: DryRunOption = False,
) -> None:
    """Set or remove environment variables: asya set env FILE LOG_LEVEL=debug OLD-"""
    _edit(file, actor, dry_run, [_env_change(text, None if sidecar else container) for text in values])


# --- the changes ------------------------------------------------------------------------------------------------------


def _image_change(container: str, image: str) -> Change:
    def change(text: str, actor: LoadedActor) -> str:
        return set_value(text, actor.number, (*actor.prefix, *_container_path(actor, container), "image"), image)

    return f"image of {container}", change


def _scaling_change(name: str, text: str) -> Change:
    path = ("spec", "scaling", *name.split("."))
    value = _typed(path, text)
    return dotted(path), lambda whole, actor: set_value(whole, actor.number, (*actor.prefix, *path), value)


def _env_change(argument: str, container: str | None) -> Change:
    """`container` None is the sidecar."""

    def change(text: str, actor: LoadedActor) -> str:
        own = ("spec", "sidecar", "env") if container is None else (*_container_path(actor, container), "env")
        entries = _at(actor.document, own) or []
        path = (*actor.prefix, *own)
        index = next((i for i, entry in enumerate(entries) if entry.get("name") == name), None)
        if value is None:
            return text if index is None else remove_item(text, actor.number, path, index)
        if index is None:
            return append_item(text, actor.number, path, {"name": name, "value": value})
        if entries[index].get("valueFrom") is not None:
            raise CannotEdit(f"{name} has a valueFrom; take it away first: {name}-")
        return set_value(text, actor.number, (*path, index, "value"), value)

    removes = "=" not in argument and argument.endswith("-")
    name, value = (argument[:-1], None) if removes else _pair(argument)
    return f"variable {name}", change


def _container_and_image(text: str) -> tuple[str, str]:
    container, equals, image = text.partition("=")
    return (container, image) if equals else (RUNTIME_CONTAINER, text)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageMistake(f"expected NAME=VALUE, got {text!r}")
    return name, value


def _typed(path: tuple[str, ...], text: str) -> Any:
    """The value as the schema wants it at that place."""
    schema: Mapping[str, Any] = SCHEMA
    for depth, name in enumerate(path):
        known = schema.get("properties", {})
        if name not in known:
            meant = near(name, known)
            hint = f", did you mean {meant}?" if meant else f"; known are {', '.join(known)}" if known else ""
            raise UsageMistake(f"{dotted(path[: depth + 1])}: unknown field{hint}")
        schema = known[name]
    if schema["type"] == "boolean" and text in ("true", "false"):
        return text == "true"
    if schema["type"] == "integer" and text.removeprefix("-").isdecimal():
        return int(text)
    if schema["type"] == "object":
        raise UsageMistake(
            f"{dotted(path)} is a block: set a field of it, such as {name}.{next(iter(schema['properties']))}"
        )
    # Of the wrong type: the check of the edited file says so in its own words.
    return text


def _container_path(actor: LoadedActor, name: str) -> tuple[str | int, ...]:
    pod = _at(actor.document, POD) or {}
    names = []
    for kind in ("containers", "initContainers"):
        for index, container in enumerate(pod.get(kind) or []):
            if container.get("name") == name:
                return (*POD, kind, index)
            names.append(str(container.get("name")))
    raise UsageMistake(f"{actor.file}: no container is called {name}; there are {', '.join(names) or 'none'}")


def _at(document: Any, path: tuple[str | int, ...]) -> Any:
    for part in path:
        if document is None:
            return None
        document = document.get(part) if isinstance(document, dict) else document[part]
    return document


# --- the file ---------------------------------------------------------------------------------------------------------


def _edit(file: Path, name: str | None, dry_run: bool, changes: list[Change]) -> None:
    """Apply the changes to the text, look whether the actor is still right, then write."""
    before = _read(file)
    text = before
    for words, change in changes:
        actor = _chosen(file, text, name)
        try:
            text = change(text, actor)
        except CannotEdit as reason:
            raise UsageMistake(f"{file}:{actor.line}: cannot set {words}: {reason}") from None
    _refuse_new_mistakes(_chosen(file, before, name), _chosen(file, text, name))
    if dry_run:
        write(text)
    elif text == before:
        notes.say(f"{file}: nothing to change")
    else:
        _write(file, text)
        notes.say(f"{file}: {', '.join(words for words, _ in changes)} set")


def _read(file: Path) -> str:
    if file.suffix == ".json":
        raise UsageMistake(f"{file}: asya set edits YAML files only")
    if file.is_dir():
        raise UsageMistake(f"{file}: expected a file, got a folder")
    try:
        return text_of(read(file))
    except YamlMistake as mistake:
        raise UsageMistake(f"{file}: {mistake.reason}") from None


def _chosen(file: Path, text: str, name: str | None) -> LoadedActor:
    """The actor of that name; without a name, the only one."""
    loaded = load_text(file, text)
    if loaded.errors:
        raise UsageMistake("\n".join(str(problem) for problem in loaded.errors))
    require_actors(loaded, [file])
    names = [actor.name for actor in loaded.actors]
    if name is None and len(names) > 1:
        raise UsageMistake(f"{file} holds several actors; choose one with --actor: {', '.join(names)}")
    if name is not None and name not in names:
        raise UsageMistake(f"{file}: no actor is called {name}; there are {', '.join(names)}")
    return loaded.actors[0 if name is None else names.index(name)]


def _refuse_new_mistakes(before: LoadedActor, after: LoadedActor) -> None:
    known = {problem.message for problem in check_actor(before)}
    new = [problem for problem in errors_of(check_actor(after)) if problem.message not in known]
    if new:
        raise UsageMistake("not changed, because of " + "\n".join(f"{p.file}: {p.message}" for p in new))


def _write(file: Path, text: str) -> None:
    """Replace the file in one step, through links, with its mode and byte order mark: a reader sees the old or the new."""
    target = file.resolve()
    mark = b"\xef\xbb\xbf" if target.read_bytes().startswith(b"\xef\xbb\xbf") else b""
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as new:
        try:
            new.write(mark + text.encode())
            new.flush()
            shutil.copymode(target, new.name)
            Path(new.name).replace(target)
        except OSError:
            Path(new.name).unlink(missing_ok=True)
            raise
