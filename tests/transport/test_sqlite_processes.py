"""The mesh file between processes that are killed and frozen (contract: sidecar, section 12, sqlite)."""

import os
import random
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from asya_transport.admin import Counts
from asya_transport.port import DELIVERY_LIMIT
from asya_transport.sqlite.admin import SqliteAdmin
from asya_transport.sqlite.bell import all_bells, wake_folder
from tests.support.sqlite_client import Process, processes
from tests.support.wait import until

Start = Callable[..., Process]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mesh.db"


@pytest.fixture
def admin(file: Path) -> Iterator[SqliteAdmin]:
    admin = SqliteAdmin(file)
    admin.declare("q")
    admin.declare("r")
    yield admin
    admin.close()


@pytest.fixture
def start(file: Path) -> Iterator[Start]:
    with processes() as started:

        def begin(*arguments: object) -> Process:
            started.append(Process(file, *arguments))
            return started[-1]

        yield begin


def test_messages_of_a_killed_consumer_come_back_when_its_lease_ends(
    file: Path, admin: SqliteAdmin, start: Start
) -> None:
    admin.publish("q", b"1")
    first = start("hold", "q", 1)
    assert first.line() == "got 1 1"
    second = start("hold", "q", 1)
    until(lambda: len(all_bells(wake_folder(file))) == 2)
    killed = time.monotonic()
    first.kill()
    assert second.line() == "got 1 2"
    assert time.monotonic() - killed <= 10.5


def test_messages_of_a_killed_consumer_come_back_at_once_when_somebody_says_so(
    admin: SqliteAdmin, start: Start
) -> None:
    admin.publish("q", b"1")
    admin.publish("q", b"2")
    first = start("hold", "q", 2)
    assert [first.line(), first.line()] == ["got 1 1", "got 2 1"]
    first.kill()
    assert admin.counts("q") == Counts(0, 2, 0)
    assert admin.release_dead() == 2
    assert admin.counts("q") == Counts(2, 0, 0)
    assert admin.release_dead() == 0


def test_a_consumer_that_starts_gives_back_what_its_dead_predecessor_held(admin: SqliteAdmin, start: Start) -> None:
    admin.publish("q", b"1")
    first = start("hold", "q", 1)
    first.line()
    first.kill()
    killed = time.monotonic()
    assert start("hold", "q", 1).line() == "got 1 2"
    assert time.monotonic() - killed < 6, "not by the end of the lease, which is 7 s away at least"


def test_a_sender_that_rings_a_dead_bell_gives_back_and_takes_it_down(
    file: Path, admin: SqliteAdmin, start: Start
) -> None:
    admin.publish("q", b"1")
    first = start("hold", "q", 1)
    first.line()
    second = start("hold", "q", 5)
    until(lambda: len(all_bells(wake_folder(file))) == 2)
    first.kill()
    sender = start("send", "q", 1)
    assert sender.line() == "0"
    assert {second.line(), second.line()} == {"got 0 1", "got 1 2"}
    until(lambda: len(all_bells(wake_folder(file))) == 1)


def test_a_message_that_kills_its_process_each_time_ends_in_the_dead_letter_queue(
    admin: SqliteAdmin, start: Start
) -> None:
    admin.publish("q", b"poison")
    for number in range(1, DELIVERY_LIMIT + 1):
        consumer = start("hold", "q", 1)
        assert consumer.line() == f"got poison {number}"
        consumer.kill()
    admin.release_dead()
    assert admin.counts("q") == Counts(0, 0, 0)
    assert [stored.body for stored in admin.peek("q-dlq")] == [b"poison"]


def test_a_frozen_consumer_is_not_dead_keeps_its_lease_and_loses_it_at_its_end(
    admin: SqliteAdmin, start: Start
) -> None:
    admin.publish("q", b"1")
    frozen = start("hold", "q", 1)
    assert frozen.line() == "got 1 1"
    os.kill(frozen.pid, signal.SIGSTOP)
    assert admin.release_dead() == 0
    assert admin.counts("q") == Counts(0, 1, 0)
    other = start("hold", "q", 1)
    assert other.line() == "got 1 2"
    os.kill(frozen.pid, signal.SIGCONT)
    assert frozen.ask("alive") == "alive False"
    assert frozen.ask("ack") == "ack False"
    assert other.ask("ack") == "ack True"


def test_a_lease_is_renewed_as_long_as_something_is_in_hand(admin: SqliteAdmin, start: Start) -> None:
    admin.publish("q", b"1")
    consumer = start("hold", "q", 1)
    assert consumer.line() == "got 1 1"
    time.sleep(11)  # one lease and a bit: what does not happen has no event
    assert admin.release_dead() == 0
    assert consumer.ask("ack") == "ack True"


def test_every_confirmed_message_survives_the_death_of_its_sender(admin: SqliteAdmin, start: Start) -> None:
    sender = start("send", "q", 100_000)
    confirmed = [sender.line() for _ in range(20)]
    sender.kill()
    confirmed += [line for line in sender.rest()[:-1] if line]
    stored = {int(found.body) for found in admin.peek("q", 1_000_000)}
    assert {int(number) for line in confirmed for number in line.split()} <= stored


def test_a_waiting_consumer_in_another_process_is_woken_within_20_ms(
    file: Path, admin: SqliteAdmin, start: Start
) -> None:
    consumer = start("hold", "q", 1000)
    until(lambda: all_bells(wake_folder(file)))
    took_ms = []
    for number in range(21):
        admin.publish("q", str(number).encode())
        began = time.monotonic()  # how long a disk takes to keep it is not meant
        assert consumer.line() == f"got {number} 1"
        took_ms.append((time.monotonic() - began) * 1000)
    assert statistics.median(took_ms) <= 20, took_ms


@pytest.mark.usefixtures("admin")
def test_a_waiting_consumer_costs_no_cpu(file: Path, start: Start) -> None:
    consumer = start("hold", "q", 1)
    until(lambda: all_bells(wake_folder(file)))
    watched = psutil.Process(consumer.pid)
    time.sleep(1)  # the start is not meant
    before, switches = watched.cpu_times(), watched.num_ctx_switches().voluntary
    time.sleep(6)
    after = watched.cpu_times()
    assert after.user + after.system - before.user - before.system <= 0.02
    assert watched.num_ctx_switches().voluntary - switches <= 10


@pytest.mark.timeout(300)
def test_consumers_that_compete_and_are_killed_lose_nothing_and_share_nothing(
    tmp_path: Path, admin: SqliteAdmin, start: Start
) -> None:
    folder, number, kills = tmp_path / "at-work", 3000, 12
    folder.mkdir()
    for index in range(number):
        admin.publish("q", str(index).encode())
    workers = [start("work", "q", folder) for _ in range(4)]
    victims = random.Random(4)
    for _ in range(kills):
        time.sleep(0.15)
        victim = workers.pop(victims.randrange(len(workers)))
        victim.kill()
        admin.release_dead()
        workers.append(start("work", "q", folder))
    until(lambda: admin.counts("q") == Counts(0, 0, 0), within_s=180)
    for worker in workers:
        worker.kill()
    arrived = [int(stored.body) for stored in admin.peek("r", 10 * number)]
    assert set(arrived) == set(range(number))
    assert len(arrived) - number <= kills * 8, "at most the deliveries in hand at each kill come twice"
    assert not admin.peek("q-dlq")


@pytest.mark.timeout(300)
def test_consumers_that_compete_never_hold_the_same_message_at_once(
    tmp_path: Path, admin: SqliteAdmin, start: Start
) -> None:
    folder, number = tmp_path / "at-work", 2000
    folder.mkdir()
    workers = [start("work", "q", folder) for _ in range(4)]
    for index in range(number):
        admin.publish("q", str(index).encode())
    until(lambda: admin.counts("q") == Counts(0, 0, 0), within_s=180)
    for worker in workers:
        worker.kill()
    assert [line for worker in workers for line in worker.rest() if line] == []
    assert sorted(int(stored.body) for stored in admin.peek("r", 10 * number)) == list(range(number))
