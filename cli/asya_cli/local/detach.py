"""`asya up --detach`: the same mesh in a process of its own. Called by `verbs/up.py`.

Starts `asya up` anew in a session of its own, waits until its actors have got as far as they will by themselves, says how to
look and stop. A start that fails shows what it printed, with its exit code.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence

from asya_cli import notes
from asya_cli.errors import Failure, UsageMistake
from asya_cli.local.broker import URL_VARIABLE, broker_named
from asya_cli.local.folder import AlreadyRunning, Folder, FolderUnusable
from asya_cli.local.mesh import Unusable
from asya_cli.local.present import Present, last_known
from asya_cli.local.start import Options, check_paths, read_sources, welcome

# Actors that load a large model take longer; the mesh goes on starting them in the background.
WAIT_S = 15.0
STEP_S = 0.02


class StartFailed(Failure):
    """The mesh ended before it was up."""

    def __init__(self, text: str, exit_code: int) -> None:
        self.exit_code = exit_code
        super().__init__(text)


def detached(options: Options) -> None:
    """Start the mesh in the background.

    Raises:
        UsageMistake: files, folder or options cannot be used, or a mesh runs here already.
        StartFailed: it ended while starting.
    """
    folder = Folder.here()
    broker = broker_named(options.transport, options.url, os.environ, folder)
    check_paths(options)
    try:
        folder.make()
        if (pid := folder.pid()) is not None:
            raise AlreadyRunning(pid, folder.root.parent)
        sources = read_sources(options.paths)
    except (Unusable, AlreadyRunning, FolderUnusable) as mistake:
        raise UsageMistake(str(mistake)) from mistake
    folder.state.unlink(missing_ok=True)
    # An address may hold a password: it goes through the environment, which only we can read, and on no command line.
    url = {} if options.url is None else {URL_VARIABLE: options.url}
    with folder.up_log.open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "asya_cli", "up", *arguments(options)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **url, "PYTHONUNBUFFERED": "1"},
        )
    mesh = _wait(folder, child)
    for line in welcome(sources, broker).replace("Ctrl-C", "asya down").splitlines():
        notes.say(line)
    if mesh is not None:
        for entry in mesh.actors:
            status = entry["document"]["status"]
            if status.get("status") not in ("Running", "Napping"):
                notes.say(f"{entry['label']}: {status.get('status')}: see `asya explain {entry['label']}`")


def arguments(options: Options) -> list[str]:
    """The command line that says the same as these options."""
    pairs: list[tuple[str, Sequence[object]]] = [
        ("--handlers", [options.handlers]),
        ("--python", [options.python]),
        ("--env", options.env),
        ("--env-file", options.env_files),
        ("--max-replicas", [options.max_replicas]),
        ("--transport", [options.transport]),
        ("--log-format", [options.log_format]),
    ]
    flags = [text for name, values in pairs for value in values if value is not None for text in (name, str(value))]
    return [*flags, "--", *(str(path) for path in options.paths)]


def _wait(folder: Folder, child: "subprocess.Popen[bytes]") -> Present | None:
    deadline = time.monotonic() + WAIT_S
    mesh = None
    while time.monotonic() < deadline:
        if child.poll() is not None:
            printed = folder.up_log.read_text(errors="replace").strip().removeprefix("asya: ")
            raise StartFailed(printed, child.returncode)
        mesh = last_known(folder)
        if mesh is not None and mesh.phase == "running":
            return mesh
        time.sleep(STEP_S)
    return mesh
