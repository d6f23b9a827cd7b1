"""Lines reach their reader whole and in order, or are dropped and counted; nobody waits."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from asya_sidecar.act.log_writer import Writer
from tests.support.wait import until

LINE = b"x" * 999 + b"\n"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe: to read, to write."""
    reader, writer = os.pipe()
    yield reader, writer
    until(lambda: not still_writing(reader), what="the end of the log writer")
    for end in (reader, writer):
        try:
            os.close(end)
        except OSError:
            continue  # the test has closed it


def still_writing(reader: int) -> bool:
    """Take what a writer may be blocked on: its thread must not outlive the pipe, whose number another pipe may get."""
    with suppress(OSError):
        os.set_blocking(reader, False)
        os.read(reader, 1_000_000)
    return any(thread.name == "log-writer" for thread in threading.enumerate())


def read_all(descriptor: int) -> bytes:
    """Everything up to the end of the pipe."""
    chunks = []
    while chunk := os.read(descriptor, 1_000_000):
        chunks.append(chunk)
    return b"".join(chunks)


def test_lines_come_out_in_the_order_they_went_in(pipe: tuple[int, int]) -> None:
    reader, descriptor = pipe
    writer = Writer(descriptor)
    lines = [b"%d\n" % n for n in range(1_000)]
    for line in lines:
        writer.write(line)
    writer.close(5)
    os.close(descriptor)
    assert read_all(reader) == b"".join(lines)
    assert writer.dropped == 0


def test_a_line_comes_out_without_waiting_for_the_next(pipe: tuple[int, int]) -> None:
    reader, descriptor = pipe
    writer = Writer(descriptor)
    writer.write(b"one\n")
    assert os.read(reader, 100) == b"one\n"
    writer.close(5)


def test_a_pipe_nobody_reads_costs_lines_and_no_time(pipe: tuple[int, int]) -> None:
    _, descriptor = pipe
    writer = Writer(descriptor, limit_bytes=100_000)
    began = time.monotonic()
    for _ in range(10_000):
        writer.write(LINE)
    assert time.monotonic() - began < 2.0
    # 100 lines wait, and what the pipe itself holds (64 KiB) may have gone; the rest is dropped.
    assert 10_000 - 100 - 70 <= writer.dropped <= 10_000 - 100
    writer.close(0)


def test_lines_come_out_again_once_somebody_reads(pipe: tuple[int, int]) -> None:
    reader, descriptor = pipe
    writer = Writer(descriptor, limit_bytes=200_000)
    for _ in range(1_000):
        writer.write(LINE)
    dropped = writer.dropped
    held = 1_000 - dropped
    received = 0
    while received < held * len(LINE):
        received += len(os.read(reader, 1_000_000))

    def takes_a_line() -> bool:  # as soon as its thread has noted that what was read is written
        before = writer.dropped
        writer.write(b"again\n")
        return writer.dropped == before

    until(takes_a_line)
    assert os.read(reader, 100) == b"again\n"
    writer.close(5)


def test_a_reader_that_went_away_costs_lines_and_nothing_else(pipe: tuple[int, int]) -> None:
    reader, descriptor = pipe
    writer = Writer(descriptor)
    os.close(reader)
    writer.write(b"one\n")
    until(lambda: writer.dropped == 1)
    writer.write(b"two\n")
    until(lambda: writer.dropped == 2)
    writer.close(5)


def test_a_full_disk_costs_lines_and_nothing_else() -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        writer = Writer(full.fileno())
        writer.write(b"one\ntwo\n")
        until(lambda: writer.dropped == 2)
        writer.close(5)


def test_a_descriptor_that_does_not_block_loses_nothing(pipe: tuple[int, int]) -> None:
    reader, descriptor = pipe
    os.set_blocking(descriptor, False)
    writer = Writer(descriptor)
    for _ in range(500):
        writer.write(LINE)
    received = 0
    while received < 500 * len(LINE):
        received += len(os.read(reader, 10_000))
    writer.close(5)
    assert writer.dropped == 0


def test_closing_writes_what_waits_and_drops_what_comes_later(pipe: tuple[int, int]) -> None:
    reader, descriptor = pipe
    writer = Writer(descriptor)
    writer.write(b"one\n")
    writer.close(5)
    writer.write(b"two\n")
    os.close(descriptor)
    assert read_all(reader) == b"one\n"
    assert writer.dropped == 1


def test_closing_does_not_wait_for_a_reader_longer_than_it_may(pipe: tuple[int, int]) -> None:
    _, descriptor = pipe
    writer = Writer(descriptor)
    for _ in range(200):
        writer.write(LINE)
    began = time.monotonic()
    writer.close(0.1)
    assert time.monotonic() - began < 1.0
