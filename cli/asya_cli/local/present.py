"""What the other verbs know of the mesh in the current folder: its published state, read once or again and again.

Called by get, explain, send, trace and graph. Reads files only; a running mesh is never asked.
"""

import difflib
from dataclasses import dataclass
from typing import Any

from asya_cli.errors import Unreachable, UsageMistake
from asya_cli.local.folder import Folder

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Present:
    """The state of a local mesh. `pid` is None when it has stopped."""

    folder: Folder
    pid: int | None
    phase: str
    actors: tuple[Entry, ...]
    problems: tuple[str, ...]

    def find(self, name: str, namespace: str | None) -> Entry:
        """The actor of this name.

        Raises:
            UsageMistake: there is none, or several namespaces have one; lists near names.
        """
        found = [entry for entry in self.select(namespace) if entry["document"]["metadata"]["name"] == name]
        if len(found) == 1:
            return found[0]
        if found:
            spaces = ", ".join(entry["document"]["metadata"]["namespace"] for entry in found)
            raise UsageMistake(f"actor {name} exists in several namespaces ({spaces}): choose one with --namespace")
        raise UsageMistake(f"no actor is called {name!r}{near_names(name, self.names(namespace))}")

    def select(self, namespace: str | None) -> list[Entry]:
        """The actors of a namespace, of all for None."""
        return [e for e in self.actors if namespace in (None, e["document"]["metadata"]["namespace"])]

    def names(self, namespace: str | None = None) -> list[str]:
        """Names of actors."""
        return sorted({str(entry["document"]["metadata"]["name"]) for entry in self.select(namespace)})


def near_names(name: str, known: list[str]) -> str:
    """What to say behind an unknown name: near ones, else all."""
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return f": did you mean {' or '.join(near)}?"
    return f"; there are: {', '.join(known)}" if known else ""


def present(folder: Folder) -> Present:
    """The running mesh of this folder.

    Raises:
        Unreachable: no mesh runs here.
    """
    found = last_known(folder)
    if found is None or found.pid is None:
        raise Unreachable(f"no mesh is running in {folder.root.parent}: start one with `asya up PATH`")
    return found


def last_known(folder: Folder) -> Present | None:
    """The mesh that runs here or ran here last; None when none ever did."""
    pid, state = folder.pid(), folder.read_state()
    if state is None:
        return None
    return Present(
        folder=folder,
        pid=pid,
        phase=str(state.get("phase", "")),
        actors=tuple(state.get("actors") or ()),
        problems=tuple(state.get("problems") or ()),
    )
