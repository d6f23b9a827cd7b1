"""`asya down`: stops the mesh of this folder; messages stay (contract: cli)."""

import os
import signal
import time
from contextlib import suppress
from typing import Annotated

import typer

from asya_cli import notes
from asya_cli.errors import Unreachable
from asya_cli.local.folder import Folder

STEP_S = 0.05
TELL_AFTER_S = 2.0


def command(
    now: Annotated[bool, typer.Option("--now", help="Do not wait for running calls; they come again.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait before it is ended at once.")] = 0.0,
) -> None:
    """Stop a mesh started with up --detach; messages stay."""
    folder = Folder.here()
    pid = folder.pid()
    if not pid:
        notes.say(f"no mesh is running in {folder.root.parent}")
        return
    _signal(pid)
    if now:
        _end_at_once(folder, pid)
    _wait(folder, pid, timeout)
    notes.say("stopped; what was not finished goes on at the next `asya up`")


def _wait(folder: Folder, pid: int, timeout_s: float) -> None:
    began, told = time.monotonic(), False
    while folder.pid() is not None:
        waited = time.monotonic() - began
        if not told and waited > TELL_AFTER_S:
            told = True
            notes.say("waiting for running calls to end; `asya down --now` does not wait")
        if timeout_s and waited > timeout_s:
            timeout_s = 0.0
            _signal(pid)
        time.sleep(STEP_S)
    while _lives(pid):  # it gives the lock back a moment before it is gone
        time.sleep(STEP_S)


def _lives(pid: int) -> bool:
    import psutil

    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _end_at_once(folder: Folder, pid: int) -> None:
    """A second signal, when the first has been heard: two at the same time would count as one."""
    deadline = time.monotonic() + TELL_AFTER_S
    while folder.pid() is not None and (folder.read_state() or {}).get("phase") not in ("draining", "stopped"):
        if time.monotonic() > deadline:
            break
        time.sleep(STEP_S)
    if folder.pid() is not None:
        _signal(pid)


def _signal(pid: int) -> None:
    try:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    except PermissionError as error:
        raise Unreachable(f"the mesh (pid {pid}) belongs to another user: stop it as that user") from error
