"""Which Python runs a handler on this machine. Looks at PATH and files; called by `mesh.py` when an actor is planned."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from asya_cli.local.launch import Refused


def resolve(wanted: str, environ: Mapping[str, str], python: str = sys.executable) -> str | Refused:
    """The program to start for interpreter `wanted` (contract: crd, Interpreter).

    A bare name is looked up on PATH, behind the folder of the Python that runs `asya`: who installed `asya` into an
    environment means that environment. With VIRTUAL_ENV set, PATH says it already.
    """
    if "/" in wanted:
        if os.access(wanted, os.X_OK) and Path(wanted).is_file():
            return wanted
        return _absent(wanted, "no such program on this machine")
    folders = environ.get("PATH", os.defpath)
    if not environ.get("VIRTUAL_ENV"):
        folders = f"{Path(python).parent}{os.pathsep}{folders}"
    found = shutil.which(wanted, path=folders)
    return found if found else _absent(wanted, "executable file not found in $PATH")


def _absent(wanted: str, why: str) -> Refused:
    return Refused(
        "RunContainerError", f'exec: "{wanted}": {why}: give another one with --python or in workload.pythonExecutable'
    )
