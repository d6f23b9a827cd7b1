"""The command's table of verbs: each lives in a module of its own and is imported when it is called, not before.

Why: `asya up` must carry its first envelope within two seconds, and every verb has heavy imports of its own.
Called by `__main__`. Must not import a verb, pydantic or rich at the top.

A verb is a module `asya_cli.verbs.<name>` with an attribute `command`: a function with Typer annotations,
or a `typer.Typer` that holds verbs of its own (`asya set image`).
"""

from collections.abc import Callable
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from asya_cli import notes
from asya_cli.errors import Interrupted, ReaderGone

# In the order of `asya --help`: name and the line shown there.
VERBS: dict[str, str] = {
    "up": "Run the mesh described by the files on this machine.",
    "down": "Stop a mesh started with up --detach; messages stay.",
    "validate": "Check AsyncActor files offline: YAML, schema and every rule.",
    "render": "Print every object the controller would apply.",
    "diff": "Show what applying the files would change in a cluster.",
    "sync": "Apply AsyncActors from files to a cluster, once or for good.",
    "get": "Show the status table of the actors.",
    "explain": "Say why an actor has its status, with evidence and the next command.",
    "send": "Put an envelope straight into an actor's queue.",
    "trace": "Show every hop and log line of one envelope.",
    "graph": "Draw the mesh: actors, edges, queue depths.",
    "set": "Edit an AsyncActor file in place: image, scaling, env.",
    "new": "Write a small actor: YAML, handler, test.",
    "doctor": "Check a cluster: what is wrong and how to mend it.",
    "crd": "Print the CustomResourceDefinition.",
    "schema": "Print the JSON Schema for editors.",
    "version": "Print the versions of the parts.",
}


class LazyVerbs(TyperGroup):
    """A group that knows its verbs by name and loads the one that runs."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        # Stand-ins: enough for --help, completion of names and suggestions.
        self.commands = {name: TyperCommand(name, help=line) for name, line in VERBS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Replace the stand-in by the real verb, at the moment it is called or completed."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, (load(name) if found is not None and name is not None else found), rest

    def invoke(self, ctx: Any) -> Any:
        """Run the verb. What Typer would answer with codes of its own gets a name of ours."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as gone:
            raise ReaderGone from gone
        except KeyboardInterrupt as interrupt:
            raise Interrupted from interrupt


def load(name: str) -> Any:
    """The command object of one verb of VERBS."""
    command: Callable[..., Any] | typer.Typer = import_module(f"asya_cli.verbs.{name}").command
    if isinstance(command, typer.Typer):
        return typer.main.get_command(command)
    one = typer.Typer(add_completion=False, rich_markup_mode=None)
    one.command(name, help=command.__doc__)(command)
    return typer.main.get_command(one)


def main_options(
    verbose: Annotated[int, typer.Option("--verbose", "-v", count=True, help="Say more; repeat for still more.")] = 0,
) -> None:
    """Actors in plain files: run them here, check them, look into them."""
    notes.set_verbosity(verbose)


app = typer.Typer(
    cls=LazyVerbs,
    no_args_is_help=True,
    # A traceback is for a fault of ours: plain, so that it can be pasted into an issue, and without values of variables.
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.callback()(main_options)
