"""Large bodies in files of their own: as safe as small ones, and gone with their messages."""

import asyncio
import os
import resource
import shutil
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from asya_schemas.names import dead_letter_queue
from asya_transport.admin import Counts
from asya_transport.port import DELIVERY_LIMIT, Outcome
from asya_transport.sqlite.admin import SqliteAdmin
from asya_transport.sqlite.bodies import FREE_FILES_KEPT, LARGE_BYTES
from asya_transport.sqlite.store import Message, Store
from asya_transport.sqlite.transport import SqliteTransport
from tests.support.brokers import Client

LARGE = os.urandom(LARGE_BYTES)


def play(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scenario())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mesh.db"


@pytest.fixture
def admin(file: Path) -> Iterator[SqliteAdmin]:
    with closing(SqliteAdmin(file)) as admin:
        admin.declare("q")
        yield admin


def files(file: Path) -> list[Path]:
    folder = file.with_name(file.name + ".bodies")
    return sorted(folder.iterdir()) if folder.exists() else []


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_only_a_large_body_gets_a_file(file: Path, admin: SqliteAdmin) -> None:
    admin.publish("q", LARGE[1:])
    assert files(file) == []
    admin.publish("q", LARGE)
    assert [path.read_bytes() for path in files(file)] == [LARGE]
    assert [stored.body for stored in admin.peek("q")] == [LARGE[1:], LARGE]


def test_a_returned_one_comes_again_whole_and_an_acknowledged_one_leaves_no_file(
    file: Path, admin: SqliteAdmin
) -> None:
    async def scenario() -> None:
        client = Client(SqliteTransport(file)).consume()
        admin.publish("q", LARGE)
        await client.transport.release_counted(await client.next())
        delivery = await client.next()
        assert (delivery.body, delivery.redelivered) == (LARGE, True)
        await client.transport.ack(delivery)
        await client.transport.close()

    play(scenario)
    assert files(file) == []


def test_freed_files_are_written_over_by_longer_and_shorter_bodies_and_few_are_kept(
    file: Path, admin: SqliteAdmin
) -> None:
    assert admin.exists("q")
    bodies = [LARGE * 3, LARGE, LARGE * 2, *[LARGE] * FREE_FILES_KEPT * 2]

    async def scenario() -> None:
        client = Client(SqliteTransport(file)).consume(window=100)
        for _ in range(2):
            assert await client.send(*bodies) == [Outcome.CONFIRMED] * len(bodies)
            for body in bodies:
                delivery = await client.next()
                assert delivery.body == body
                await client.transport.ack(delivery)
            assert len(files(file)) == FREE_FILES_KEPT
        await client.transport.close()

    play(scenario)
    assert files(file) == []


def test_a_body_outlives_the_process_that_wrote_it(file: Path, admin: SqliteAdmin) -> None:
    assert admin.exists("q")

    async def scenario() -> None:
        writer = Client(SqliteTransport(file))
        await writer.send(LARGE)
        await writer.transport.close()
        reader = Client(SqliteTransport(file)).consume()
        assert (await reader.next()).body == LARGE
        await reader.transport.close()

    play(scenario)


def test_a_dead_letter_keeps_its_body(file: Path, admin: SqliteAdmin) -> None:
    async def scenario() -> None:
        client = Client(SqliteTransport(file)).consume()
        await client.send(LARGE)
        for _ in range(DELIVERY_LIMIT):
            await client.transport.release_counted(await client.next())
        await client.transport.close()

    play(scenario)
    assert [stored.body for stored in admin.peek(dead_letter_queue("q"))] == [LARGE]


def test_purging_and_deleting_a_queue_remove_the_files(file: Path, admin: SqliteAdmin) -> None:
    for destroy in (admin.purge, admin.delete):
        for _ in range(FREE_FILES_KEPT + 3):
            admin.publish("q", LARGE)
        assert destroy("q") == FREE_FILES_KEPT + 3
        assert len(files(file)) == FREE_FILES_KEPT
    SqliteAdmin(file).close()
    assert files(file) == [], "the next start sweeps free ones too"


def test_a_full_disk_refuses_is_named_leaves_no_file_and_is_over_when_there_is_room(
    file: Path, admin: SqliteAdmin
) -> None:
    async def scenario() -> None:
        client = Client(SqliteTransport(file))
        await client.reason()
        with no_file_above(LARGE_BYTES - 1):
            assert await client.send(LARGE) == [Outcome.REFUSED]
            await client.reason("publish_refused")
        assert "the disk is full" in client.sentences["publish_refused"]
        assert admin.counts("q") == Counts(0, 0, 0)
        assert files(file) == []
        await client.reason()
        assert await client.send(LARGE) == [Outcome.CONFIRMED]
        await client.transport.close()

    play(scenario)
    with no_file_above(LARGE_BYTES - 1):
        assert admin.publish("q", LARGE) is Outcome.REFUSED


def test_a_transaction_that_is_undone_frees_its_files(file: Path, admin: SqliteAdmin) -> None:
    def undone() -> None:
        with closing(Store(file)) as store, store.writing():
            store.put([Message("q", LARGE, None, None, None, None, None)])
            raise RuntimeError("undone")

    with pytest.raises(RuntimeError, match="undone"):
        undone()
    assert files(file) == []
    assert admin.counts("q") == Counts(0, 0, 0)


def test_what_a_killed_process_left_is_removed_at_the_next_start_and_nothing_else(
    file: Path, admin: SqliteAdmin
) -> None:
    admin.publish("q", LARGE)
    (kept,) = files(file)
    (kept.parent / "left-behind").write_bytes(LARGE)
    with closing(SqliteAdmin(file)) as next_start:
        assert files(file) == [kept]
        assert next_start.peek("q")[0].body == LARGE


def test_a_body_somebody_removed_is_delivered_empty_and_does_not_stop_its_queue(file: Path, admin: SqliteAdmin) -> None:
    admin.publish("q", LARGE)
    admin.publish("q", b"next")
    shutil.rmtree(files(file)[0].parent)

    async def scenario() -> None:
        client = Client(SqliteTransport(file)).consume(window=2)
        first, second = await client.take(2)
        assert (first.body, second.body) == (b"", b"next")
        assert await client.transport.ack(first)
        await client.transport.close()

    play(scenario)
