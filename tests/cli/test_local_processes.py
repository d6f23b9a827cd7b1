"""Processes of the mesh: the group that nobody outlives, containers that start again, queues that are listened to."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from asya_cli.local import probe
from asya_cli.local.container import Container
from asya_cli.local.launch import Launch, Refused
from asya_cli.local.process import Group, Process
from asya_cli.local.queues import Queues
from asya_cli.local.tasks import Tasks, happens
from asya_transport.choose import open_admin
from tests.support.wait import until

WITHIN_S = 20.0


def alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


# --- the group --------------------------------------------------------------------------------------------------------

OWNER = """\
import asyncio, sys
from pathlib import Path
from asya_cli.local.process import Group, Process


async def main():
    group = Group()
    child = Process([sys.executable, "-c", "import time; time.sleep(600)"], {}, Path("/"), Path("/dev/null"), group.id)
    (group.sockets / "a.sock").touch()
    print(child.pid, group.sockets, flush=True)
    await asyncio.sleep(600)


asyncio.run(main())
"""


@pytest.fixture
def owner() -> Iterator[subprocess.Popen[str]]:
    """A process that owns a group with one child and prints the child's id and the socket folder."""
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def test_a_killed_owner_takes_its_children_and_its_sockets_along(owner: subprocess.Popen[str]) -> None:
    assert owner.stdout is not None
    pid, sockets = owner.stdout.readline().split()
    assert alive(int(pid))
    owner.send_signal(signal.SIGKILL)
    until(lambda: not alive(int(pid)), within_s=WITHIN_S, what="the child to end")
    until(lambda: not Path(sockets).exists(), within_s=WITHIN_S, what="the sockets to go")


def test_a_closed_group_leaves_nothing(tmp_path: Path) -> None:
    async def scenario() -> tuple[int, Path]:
        group = Group()
        child = Process(
            [sys.executable, "-c", "import time; time.sleep(600)"], {}, Path("/"), tmp_path / "log", group.id
        )
        group.close()
        await child.exited
        return child.pid, group.sockets

    pid, sockets = asyncio.run(scenario())
    assert not alive(pid)
    assert not sockets.exists()


def test_the_socket_folder_leaves_room_for_a_socket_path() -> None:
    async def scenario() -> Path:
        group = Group()
        group.close()
        return group.sockets

    folder = asyncio.run(scenario())
    assert len(os.fsencode(folder / "12345678" / "asya-runtime.sock")) <= 107


def test_the_end_of_the_guard_is_noticed() -> None:
    async def scenario() -> bool:
        group = Group()
        os.kill(group.id, signal.SIGKILL)
        async with asyncio.timeout(WITHIN_S):
            await asyncio.shield(group.lost)
        group.close()
        return group.lost.done()

    assert asyncio.run(scenario())


# --- containers -------------------------------------------------------------------------------------------------------


class Keeper:
    """A container with whatever it needs, inside a running loop."""

    def __init__(self, tmp_path: Path, source: str) -> None:
        self.log = tmp_path / "runtime.log"
        self.source = source
        self.refusal: Refused | None = None
        self.group = Group()
        self.tasks = Tasks()
        self.news = asyncio.Event()
        self.container = Container("asya-runtime", self.launch, self.group, self.tasks, self.news.set)

    def launch(self) -> Launch | Refused:
        return self.refusal or Launch((sys.executable, "-c", self.source), {}, Path("/"), self.log)

    async def close(self) -> None:
        self.container.end()
        self.group.close()
        await self.container.gone()
        await self.tasks.cancel()

    async def wait_for_restarts(self, number: int) -> None:
        async with asyncio.timeout(WITHIN_S):
            while self.container.facts.restarts < number:
                await happens(self.news, WITHIN_S)
                self.news.clear()


def test_a_process_that_ends_starts_again_and_its_last_words_are_kept(tmp_path: Path) -> None:
    async def scenario() -> Keeper:
        keeper = Keeper(tmp_path, "import sys; print('last words', file=sys.stderr); sys.exit(3)")
        keeper.container.start()
        await keeper.wait_for_restarts(2)
        await keeper.close()
        return keeper

    facts = asyncio.run(scenario()).container.facts
    assert facts.last is not None
    assert (facts.last.code, facts.last.message.splitlines()[-1]) == (3, "last words")


def test_a_program_that_does_not_exist_is_a_container_that_cannot_run(tmp_path: Path) -> None:
    async def scenario() -> Keeper:
        keeper = Keeper(tmp_path, "")
        keeper.launch = lambda: Launch(("/no/such/program",), {}, Path("/"), keeper.log)  # type: ignore[method-assign]
        keeper.container = Container("asya-runtime", keeper.launch, keeper.group, keeper.tasks, keeper.news.set)
        keeper.container.start()
        await keeper.close()
        return keeper

    facts = asyncio.run(scenario()).container.facts
    assert (facts.waiting, "/no/such/program" in facts.waiting_message) == ("RunContainerError", True)


def test_a_replacement_begins_at_once_with_clean_counts(tmp_path: Path) -> None:
    async def scenario() -> Keeper:
        keeper = Keeper(tmp_path, "import sys; sys.exit(3)")
        keeper.container.start()
        await keeper.wait_for_restarts(3)
        keeper.source = "import time; time.sleep(600)"
        keeper.container.expect_replacement()
        async with asyncio.timeout(WITHIN_S):
            while keeper.container.process is None or keeper.container.facts.restarts != 0:
                await happens(keeper.news, WITHIN_S)
                keeper.news.clear()
        facts = keeper.container.facts
        await keeper.close()
        assert facts.last is None
        return keeper

    assert asyncio.run(scenario()).container.facts.over is not None


def test_a_fault_of_our_own_is_kept_for_the_mesh() -> None:
    async def broken() -> None:
        raise ZeroDivisionError("ours")

    async def scenario() -> BaseException:
        tasks = Tasks()
        tasks.spawn(broken(), "broken")
        return await asyncio.wait_for(tasks.fault, WITHIN_S)

    assert str(asyncio.run(scenario())) == "ours"


def test_a_sidecars_port_is_none_that_a_connection_gets_by_chance() -> None:
    first = int(probe.LOCAL_PORTS.read_text().split()[0])
    room = probe.ports_below(first)
    assert all(probe.free_port() in room for _ in range(200)) or not room
    assert list(probe.ports_below(probe.FIRST_PORT + 2)) == [probe.FIRST_PORT, probe.FIRST_PORT + 1]
    assert list(probe.ports_below(1024)) == []


# --- queues -----------------------------------------------------------------------------------------------------------


def test_a_message_for_a_sleeping_actor_rings(tmp_path: Path) -> None:
    async def scenario() -> bool:
        file = tmp_path / "mesh.db"
        rung = asyncio.Event()
        queues = Queues(open_admin("sqlite", sqlite_path=file), file, rung.set)
        queues.begin()
        queues.declare("q")
        queues.listen({"q"}, {"q"})
        assert rung.is_set()  # a message may have come before the bell hung
        rung.clear()
        await asyncio.to_thread(_publish_elsewhere, file)
        heard = await happens(rung, WITHIN_S)
        queues.close()
        return heard

    assert asyncio.run(scenario())


def _publish_elsewhere(file: Path) -> None:
    admin = open_admin("sqlite", sqlite_path=file)
    admin.publish("q", b"{}")
    admin.close()


def test_a_retired_queue_goes_when_it_is_empty_and_not_before(tmp_path: Path) -> None:
    async def scenario() -> None:
        file = tmp_path / "mesh.db"
        other = open_admin("sqlite", sqlite_path=file)
        queues = Queues(open_admin("sqlite", sqlite_path=file), file, lambda: None)
        queues.begin()
        queues.declare("q")
        other.publish("q", b"{}")
        queues.retire("q")
        queues.count()
        assert other.exists("q")
        other.purge("q")
        queues.count()
        assert not other.exists("q")
        assert not queues.retired
        other.close()
        queues.close()

    asyncio.run(scenario())


def test_queues_that_nobody_declares_any_more_are_retired_at_the_start(tmp_path: Path) -> None:
    async def scenario() -> list[str]:
        file = tmp_path / "mesh.db"
        admin = open_admin("sqlite", sqlite_path=file)
        admin.declare("kept")
        admin.declare("gone")
        admin.close()
        queues = Queues(open_admin("sqlite", sqlite_path=file), file, lambda: None)
        queues.begin()
        queues.declare("kept")
        retired = list(queues.retired)
        queues.close()
        return retired

    assert asyncio.run(scenario()) == ["gone"]
