"""Keeps one process of a replica alive, as the kubelet keeps a container: start, watch, wait, start again.

Made by `pod.py`, two per replica. What it knows is published as `facts` (container_status.py). It decides nothing about
replicas, and does not judge whether the process is healthy: `pod.py` says so through `set_ready`.
"""

import asyncio
import dataclasses
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from asya_cli.local.container_status import Ended, Facts, restart_delay_s
from asya_cli.local.launch import Launch, Refused
from asya_cli.local.process import Group, Process
from asya_cli.local.tasks import Tasks, happens

# A container that the machine refuses to start (no interpreter, no value) is tried again this often: a file may appear.
REFUSED_RETRY_S = 5.0
# As much of the log as the kubelet takes with terminationMessagePolicy FallbackToLogsOnError.
MESSAGE_BYTES = 2048


class Container:
    """One supervised process. `start` begins, `stop` ends it for good, `replace` ends one life for a new one."""

    def __init__(
        self,
        name: str,
        launch: Callable[[], Launch | Refused],
        group: Group,
        tasks: Tasks,
        on_change: Callable[[], None],
    ) -> None:
        self.facts = Facts(name)
        self._launch = launch
        self._group = group
        self._tasks = tasks
        self._on_change = on_change
        self._process: Process | None = None
        self._failures = 0
        self._was_ready = False
        self._lives = 0
        self._log = Path()
        self._wake = asyncio.Event()
        self._stopping = False
        self._replacing = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the first life now, and keep it going on the running loop."""
        self._begin()
        self._task = self._tasks.spawn(self._keep(), f"container {self.facts.name}")

    @property
    def process(self) -> Process | None:
        """The process that runs now."""
        return self._process if self._process is not None and self._process.running else None

    def set_ready(self, ready: bool) -> None:
        """What the readiness check found."""
        if ready:
            self._was_ready = True
            self._failures = 0
        if ready != self.facts.ready:
            self._set(ready=ready)

    def signal(self, number: signal.Signals) -> None:
        """Pass a signal to the process, if one runs."""
        if self.process is not None:
            self.process.send(number)

    def expect_replacement(self) -> None:
        """The next life is a new version, not a restart: it begins at once and with clean counts."""
        self._replacing = True
        if self.process is None:
            self._forget()
        self._wake.set()

    def _forget(self) -> None:
        self._replacing = False
        self._failures = self._lives = 0
        self._set(
            running_since=None, ready=False, last=None, restarts=0, waiting="ContainerCreating", waiting_message=""
        )

    def end(self) -> None:
        """No further life. The process that still runs has to be ended by signals."""
        self._stopping = True
        self._wake.set()

    async def gone(self) -> None:
        """Wait until nothing runs and nothing will."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _keep(self) -> None:
        while True:
            if self._process is not None:
                await self._process.exited
                self._ended(self._process.exited.result())
            if self._stopping:
                return
            await self._pause()
            if self._stopping:
                return
            self._begin()

    def _begin(self) -> None:
        self._wake.clear()
        self._process = None
        self._was_ready = False
        launch = self._launch()
        if isinstance(launch, Launch):
            launch = self._spawn(launch)
        if isinstance(launch, Refused):
            self._set(running_since=None, waiting=launch.reason, waiting_message=launch.message, ready=False)

    def _spawn(self, launch: Launch) -> Launch | Refused:
        try:
            self._process = Process(launch.argv, launch.env, launch.cwd, launch.log, self._group.id)
        except OSError as error:
            what = error.filename or launch.argv[0]
            return Refused("RunContainerError", f'exec: "{launch.argv[0]}": {what}: {error.strerror}')
        self._log = launch.log
        self._lives += 1
        now = datetime.now(UTC)
        self._set(running_since=now, waiting="", waiting_message="", ready=False, restarts=self._lives - 1)
        return launch

    def _ended(self, code: int) -> None:
        now = datetime.now(UTC)
        began = self.facts.running_since or now
        self._failures = 0 if self._was_ready else self._failures + 1
        ended = Ended(code, began, now, message="" if code == 0 else last_lines(self._log))
        if self._stopping:
            self._set(running_since=None, ready=False, over=ended)
        elif self._replacing:
            self._forget()
        else:
            message = f"back-off {self._delay_s():g}s restarting failed container {self.facts.name}"
            self._set(running_since=None, ready=False, last=ended, waiting="CrashLoopBackOff", waiting_message=message)

    def _delay_s(self) -> float:
        return restart_delay_s(self._failures)

    async def _pause(self) -> None:
        delay = self._delay_s() if self._process is not None else REFUSED_RETRY_S
        await happens(self._wake, delay)

    def _set(self, **changes: object) -> None:
        self.facts = dataclasses.replace(self.facts, **changes)  # type: ignore[arg-type]
        self._on_change()


def last_lines(log: Path) -> str:
    """The end of a log file, in whole lines, as a termination message."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - MESSAGE_BYTES))
            tail = file.read()
    except OSError as error:
        return f"{log}: {error.strerror}"
    if size > MESSAGE_BYTES:
        tail = tail.partition(b"\n")[2]
    return tail.decode(errors="replace").strip()
