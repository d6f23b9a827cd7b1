"""The mesh file on a bad day: full, locked, damaged, missing, foreign, after a reboot. Reported, never a loss, over by itself.

Long because each bad day has its cause, what is said, and the recovery.
"""

import asyncio
import shutil
import sqlite3
import time
from collections.abc import Callable, Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from asya_transport.admin import Counts, Unreachable
from asya_transport.choose import open_admin, open_transport
from asya_transport.port import Outcome
from asya_transport.sqlite.admin import SqliteAdmin
from asya_transport.sqlite.bell import Turn, wake_folder
from asya_transport.sqlite.schema import PAGE_BYTES, now_ms
from asya_transport.sqlite.store import Store
from asya_transport.sqlite.transport import SqliteTransport
from tests.support.brokers import Client, holds
from tests.support.wait import until


def play(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scenario())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mesh.db"


def declared(file: Path) -> SqliteAdmin:
    admin = SqliteAdmin(file)
    admin.declare("q")
    return admin


def test_a_full_disk_refuses_is_named_stores_nothing_and_is_over_when_there_is_room(file: Path) -> None:
    async def scenario() -> None:
        with closing(declared(file)) as admin:
            client = Client(SqliteTransport(file, max_pages=40))
            outcomes = [(await client.send(b"x" * PAGE_BYTES * 4))[0] for _ in range(12)]
            confirmed = outcomes.index(Outcome.REFUSED)
            assert confirmed > 0
            await client.reason("publish_refused")
            assert "the disk is full" in client.sentences["publish_refused"]
            assert admin.counts("q") == Counts(confirmed, 0, 0)
            admin.purge("q")
            await client.reason()
            assert await client.send(b"x" * PAGE_BYTES * 4) == [Outcome.CONFIRMED]
            await client.transport.close()

    play(scenario)


def test_a_full_disk_does_not_stop_consuming_and_acknowledging_makes_room(file: Path) -> None:
    async def scenario() -> None:
        with closing(declared(file)) as admin:
            client = Client(SqliteTransport(file, max_pages=40))
            while await client.send(b"x" * PAGE_BYTES * 4) == [Outcome.CONFIRMED]:
                pass
            stored = admin.counts("q").queued
            client.consume()
            for _ in range(stored):
                assert await client.transport.ack(await client.next())
            assert await client.send(b"x" * PAGE_BYTES * 4) == [Outcome.CONFIRMED]
            await client.transport.close()

    play(scenario)


def test_a_locked_file_is_named_and_nothing_is_lost_or_taken_away(file: Path) -> None:
    async def scenario() -> None:
        with closing(declared(file)) as admin, closing(sqlite3.connect(file, isolation_level=None)) as foreign:
            client = Client(SqliteTransport(file)).consume()
            await client.send(b"1")
            delivery = await client.next()
            foreign.execute("BEGIN IMMEDIATE")
            sent = client.transport.publish("q", b"2")
            acknowledged = client.transport.ack(delivery)
            await client.reason("broker_unreachable")
            assert "keeps the file locked" in client.sentences["broker_unreachable"]
            assert client.transport.alive(delivery) is False, "its settlement is under way"
            foreign.execute("ROLLBACK")
            assert (await sent, await acknowledged) == (Outcome.CONFIRMED, True)
            await client.reason()
            assert client.lost == []
            assert (await client.next()).body == b"2"
            await client.transport.close()
            assert admin.counts("q") == Counts(1, 0, 0)

    play(scenario)


def test_a_file_locked_for_longer_than_a_lease_ends_the_generation_and_the_message_comes_again(file: Path) -> None:
    async def scenario() -> None:
        with closing(declared(file)), closing(sqlite3.connect(file, isolation_level=None)) as foreign:
            client = Client(SqliteTransport(file, lease_s=2.0, renew_s=0.5)).consume(window=2)
            await client.send(b"1", b"2")
            delivery, other = await client.take(2)
            foreign.execute("BEGIN IMMEDIATE")
            acknowledged = client.transport.ack(other)
            assert not await asyncio.wait_for(acknowledged, 10)
            await holds(lambda: client.lost == [delivery.generation])
            assert not client.transport.alive(delivery)
            assert not await client.transport.ack(delivery)
            foreign.execute("ROLLBACK")
            again = await client.next()
            assert (again.body, again.deliveries) == (b"1", 2)
            await client.transport.close()

    play(scenario)


def test_a_process_frozen_in_its_turn_is_named_and_the_others_go_on_when_it_does(file: Path) -> None:
    async def scenario() -> None:
        with closing(declared(file)):
            client = Client(SqliteTransport(file))
            await client.reason()
            turn = Turn(wake_folder(file))
            turn.take()
            sent = client.transport.publish("q", b"x")
            await client.reason("broker_unreachable")
            assert "frozen" in client.sentences["broker_unreachable"]
            turn.give()
            turn.close()
            assert await sent is Outcome.CONFIRMED
            await client.reason()
            await client.transport.close()

    play(scenario)


def test_a_missing_file_is_waited_for_and_never_made_by_a_sidecar(file: Path) -> None:
    async def scenario() -> None:
        client = Client(SqliteTransport(file)).consume()
        await client.reason("broker_unreachable")
        assert str(file) in client.sentences["broker_unreachable"]
        assert not file.exists()
        with closing(declared(file)) as admin:
            await client.reason()
            admin.publish("q", b"x")
            await client.next()
            await client.transport.close()

    play(scenario)


def test_a_folder_that_cannot_hold_a_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("a file")
    with pytest.raises(Unreachable, match="plain"):
        SqliteAdmin(tmp_path / "plain" / "mesh.db")
    with pytest.raises(Unreachable, match="cannot be opened"):
        SqliteAdmin(tmp_path)


def test_row_35_a_file_removed_under_a_waiting_consumer_is_noticed_and_its_successor_is_used(file: Path) -> None:
    async def scenario() -> None:
        admin = declared(file)
        client = Client(SqliteTransport(file)).consume()
        await client.reason()
        admin.close()
        for path in file.parent.glob("mesh.db*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        await client.reason("broker_unreachable")
        with closing(declared(file)) as successor:
            await client.reason()
            successor.publish("q", b"x")
            assert (await client.next()).body == b"x"
            await client.transport.close()

    play(scenario)


def test_a_consumer_hangs_up_its_bell_again_when_the_folder_was_removed(file: Path) -> None:
    async def scenario() -> None:
        with closing(declared(file)) as admin:
            client = Client(SqliteTransport(file)).consume()
            await client.reason()
            await holds(lambda: list(wake_folder(file).glob("q/*")))
            shutil.rmtree(wake_folder(file))
            await holds(lambda: list(wake_folder(file).glob("q/*")))
            admin.publish("q", b"x")
            await client.next(1.0)
            await client.transport.close()

    play(scenario)


def test_garbage_is_named_left_as_it_is_and_its_replacement_is_used(file: Path) -> None:
    file.write_bytes(b"this is no database. " * 1000)

    async def scenario() -> None:
        with pytest.raises(Unreachable, match="not a mesh file"):
            SqliteAdmin(file)
        client = Client(SqliteTransport(file))
        await client.reason("broker_unreachable")
        assert "not a mesh file" in client.sentences["broker_unreachable"]
        assert file.read_bytes().startswith(b"this is no database.")
        file.unlink()
        with closing(declared(file)):
            await client.reason()
            await client.transport.close()

    play(scenario)


def test_a_damaged_file_is_named_and_publishing_waits(file: Path) -> None:
    declared(file).close()
    damaged = bytearray(file.read_bytes())
    damaged[PAGE_BYTES:] = b"\xff" * (len(damaged) - PAGE_BYTES)
    file.write_bytes(damaged)

    async def scenario() -> None:
        client = Client(SqliteTransport(file, publish_timeout_s=0.5))
        assert await client.send(b"x") == [Outcome.UNKNOWN]
        await client.reason("broker_unreachable")
        assert "damaged" in client.sentences["broker_unreachable"]
        await client.transport.close()

    play(scenario)


def test_a_foreign_database_is_refused_and_not_touched(file: Path) -> None:
    with closing(sqlite3.connect(file)) as foreign:
        foreign.execute("CREATE TABLE precious (x)")
    with pytest.raises(Unreachable, match="not a mesh file"):
        SqliteAdmin(file)
    with closing(sqlite3.connect(file)) as foreign:
        assert foreign.execute("SELECT name FROM sqlite_master").fetchall() == [("precious",)]


def test_a_file_of_another_format_is_refused_with_both_numbers(file: Path) -> None:
    declared(file).close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(Unreachable, match="format 99, this program reads 2"):
        SqliteAdmin(file)


def test_after_a_reboot_leases_are_over_and_delays_are_measured_by_the_new_clock(file: Path) -> None:
    with closing(declared(file)) as admin:
        admin.publish("q", b"late", delay_s=60)
        admin.publish("q", b"held")

    store = Store(file)
    with store.writing():
        queue_id = store.queue_id("q")
        assert queue_id is not None
        assert [found.body for found in store.claim(queue_id, 7, 1, now_ms())] == [b"held"]
        store.lease(7, queue_id, "q/gone", now_ms() + 1_000_000_000)
    store.close()
    with closing(
        sqlite3.connect(file)
    ) as connection:  # the clock of another boot was far ahead; by the wall it is nearly time
        connection.execute("UPDATE meta SET boot = 'another'")
        connection.execute(
            "UPDATE message SET due = due + 1000000000, due_wall = ? WHERE due IS NOT NULL", (time.time() + 0.5,)
        )
        connection.commit()

    async def after() -> None:
        client = Client(SqliteTransport(file)).consume(window=2)
        assert [(found.body, found.deliveries) for found in await client.take(2)] == [(b"held", 2), (b"late", 1)]
        await client.transport.close()

    play(after)


def test_the_file_is_in_wal_mode_with_full_synchronisation(file: Path) -> None:
    declared(file).close()
    store = Store(file)
    pragmas = [store.db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    store.close()
    assert pragmas == ["wal", 2]


def test_queue_names_that_are_no_file_names_work(file: Path) -> None:
    async def scenario() -> None:
        with closing(SqliteAdmin(file)) as admin:
            for queue in ("../up", "a/b", "ä" * 200, "."):
                admin.declare(queue)
                client = Client(SqliteTransport(file)).consume(queue)
                await client.reason()
                await client.send(b"x", queue=queue)
                await client.next()
                await client.transport.close()
        assert {path.name for path in file.parent.iterdir()} <= {
            "mesh.db",
            "mesh.db-wal",
            "mesh.db-shm",
            "mesh.db.wake",
        }

    play(scenario)


def test_adapters_are_chosen_by_name_and_a_wrong_name_lists_the_right_ones(file: Path) -> None:
    assert open_transport("sqlite", sqlite_path=file).kind == "sqlite"
    assert open_transport("memory").kind == "memory"
    open_admin("sqlite", sqlite_path=file).close()
    with pytest.raises(ValueError, match="memory, sqlite"):
        open_transport("kafka")
    with pytest.raises(ValueError, match="needs a file"):
        open_transport("sqlite")


def test_a_loop_that_stands_still_loses_its_messages_to_the_others(file: Path) -> None:
    async def scenario() -> None:
        with closing(declared(file)) as admin:
            client = Client(SqliteTransport(file, lease_s=3.0, renew_s=0.5)).consume()
            await client.send(b"x")
            delivery = await client.next()
            until(lambda: admin.release_dead() == 1)  # blocks this loop, as a mistake of ours would
            assert not client.transport.alive(delivery)
            assert not await client.transport.ack(delivery)
            assert (await client.next()).deliveries == 2
            await client.transport.close()

    play(scenario)


def test_what_was_claimed_before_a_pause_and_arrives_after_it_goes_back_unseen_and_uncounted(file: Path) -> None:
    async def scenario() -> None:
        with closing(declared(file)) as admin:
            for _ in range(5):
                admin.publish("q", b"x")
            client = Client(SqliteTransport(file)).consume(window=5)
            await asyncio.sleep(0)
            until(lambda: admin.counts("q").processing == 5)  # blocks this loop: what was claimed cannot have arrived
            client.transport.pause()
            await holds(lambda: admin.counts("q") == Counts(5, 0, 0))
            assert client.seen == []
            assert [stored.deliveries for stored in admin.peek("q")] == [0] * 5
            await client.transport.close()

    play(scenario)


def test_row_53_what_was_claimed_before_closing_and_arrives_in_it_goes_back_uncounted(file: Path) -> None:
    async def scenario() -> None:
        with closing(declared(file)) as admin:
            for _ in range(5):
                admin.publish("q", b"x")
            client = Client(SqliteTransport(file)).consume(window=5)
            await asyncio.sleep(0)
            until(lambda: admin.counts("q").processing == 5)  # blocks this loop: what was claimed cannot have arrived
            await client.transport.close()
            assert client.seen == []
            assert [stored.deliveries for stored in admin.peek("q")] == [0] * 5

    play(scenario)


def test_a_transport_whose_loop_was_closed_under_it_gives_everything_back(file: Path) -> None:
    async def scenario() -> None:
        client = Client(SqliteTransport(file, renew_s=0.2)).consume()
        await client.send(b"x")
        await client.next()

    with closing(declared(file)) as admin:
        play(scenario)
        until(lambda: admin.counts("q") == Counts(1, 0, 0))


def test_closing_takes_less_than_two_seconds_whatever_the_file_does(file: Path) -> None:
    async def scenario() -> None:
        client = Client(SqliteTransport(file)).consume()
        await client.reason("broker_unreachable")
        client.transport.publish("q", b"x")
        began = time.monotonic()
        await client.transport.close()
        assert time.monotonic() - began < 2

    play(scenario)
