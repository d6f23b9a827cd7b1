"""`asya new NAME`: a small actor that runs at once, as a place to begin."""

import re
from pathlib import Path
from typing import Annotated

import typer

from asya_cli import notes
from asya_cli.errors import UsageMistake
from asya_schemas.actor.identity import API_VERSION, HANDLER_VARIABLE, KIND, RUNTIME_CONTAINER
from asya_schemas.actor.rules import RULES

_MANIFEST = """\
apiVersion: {api_version}
kind: {kind}
metadata:
  name: {name}
spec:
  transport: rabbitmq # a name from the operator's configuration; asya up uses its own queue instead
  workload:
    template:
      spec:
        containers:
          - name: {container}
            image: registry.example.com/{name}:0.1.0 # asya up pulls no image
            env:
              - name: {variable}
                value: {module}.process
"""

_HANDLER = '''\
"""The handler of actor {name}: a payload in, a payload out. What it returns goes to the next actor, or to x-sink."""


def process(payload):
    return {{"greeting": f"Hello, {{payload['name']}}!"}}
'''

_TEST = '''\
"""Run with: pytest {folder}"""

from handlers.{module} import process


def test_a_name_is_greeted():
    assert process({{"name": "Ada"}}) == {{"greeting": "Hello, Ada!"}}
'''


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the actor: a-z, 0-9 and '-'.")],
    folder: Annotated[Path | None, typer.Option("--dir", help="Folder for the files.  [default: ./NAME]")] = None,
) -> None:
    """Write a small actor: YAML, handler, test; ready for asya up NAME. Existing files are never overwritten."""
    _refuse_bad_name(name)
    place = folder or Path(name)
    files = actor_files(name, place)
    taken = [str(path) for path in files if path.exists()]
    if taken:
        raise UsageMistake(f"{', '.join(taken)} exists already: choose another name or another --dir")
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        notes.say(f"made {path}")
    notes.say(f"run it with: asya up {place}")
    notes.say(f"""then, elsewhere: asya send {name} --payload '{{"name": "Ada"}}' --follow""")


def actor_files(name: str, folder: Path) -> dict[Path, str]:
    """The files of a new actor and their text."""
    words = {
        "api_version": API_VERSION,
        "kind": KIND,
        "container": RUNTIME_CONTAINER,
        "variable": HANDLER_VARIABLE,
        "name": name,
        "folder": folder,
        "module": module_name(name),
    }
    return {
        folder / f"{name}.yaml": _MANIFEST.format_map(words),
        folder / "handlers" / f"{words['module']}.py": _HANDLER.format_map(words),
        folder / f"test_{name.replace('-', '_')}.py": _TEST.format_map(words),
    }


def module_name(name: str) -> str:
    """Module of the handler. Always with an ending, so that an actor called json or queue hides no module of Python's."""
    module = f"{name.replace('-', '_')}_handler"
    return module if module.isidentifier() else f"actor_{module}"


def _refuse_bad_name(name: str) -> None:
    rule = RULES[0]
    if rule.broken({"metadata": {"name": name}}) is None:
        return
    near = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:63].strip("-")
    raise UsageMistake(f"{rule.message}, got {name!r}" + (f", did you mean {near}?" if near else ""))
