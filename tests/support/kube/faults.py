"""What can go wrong between a controller and the API server, one fault each. A fault decides what becomes of one request.

Given to `ApiProxy.inject`. Each is a function of the exchange, which can be forwarded, answered, cut or left silent.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.kube.proxy import Exchange

Fault = Callable[["Exchange"], Awaitable[None]]
Lines = AsyncIterator[bytes]
REASONS = {409: "Conflict", 410: "Expired", 429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable"}


def answer(code: int, message: str = "a fault of the test", retry_after: int | None = None) -> Fault:
    """The request is not forwarded; this is the answer."""

    async def play(exchange: Exchange) -> None:
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        await exchange.reply(code, status(code, message), headers)

    return play


def status(code: int, message: str) -> dict[str, object]:
    """A Status object of a failure."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": REASONS.get(code, ""),
        "message": message,
    }


async def cut_before(exchange: Exchange) -> None:
    """The connection breaks; the server never hears of it."""
    exchange.cut()


async def cut_after(exchange: Exchange) -> None:
    """The server does it; the connection breaks before the controller is told."""
    await exchange.forward(deliver=False)
    exchange.cut()


def answered_late(seconds: float) -> Fault:
    """The server does it at once; the controller is told so much later."""

    async def play(exchange: Exchange) -> None:
        await exchange.forward(late_s=seconds)

    return play


async def silent(exchange: Exchange) -> None:
    """Half open: nobody answers, nobody hangs up."""
    await exchange.hang()


async def trickles(exchange: Exchange) -> None:
    """An answer that comes a byte at a time and has no end: no silence that a timeout could find."""
    await exchange.trickle()


def before(act: Callable[[], None]) -> Fault:
    """Something happens first, typically the controller's death; the request is lost with it."""

    async def play(exchange: Exchange) -> None:
        act()
        exchange.cut()

    return play


def after(act: Callable[[], None]) -> Fault:
    """The server does it, then something happens, and nobody is there to be told."""

    async def play(exchange: Exchange) -> None:
        await exchange.forward(deliver=False)
        act()
        exchange.cut()

    return play


def changed(lines: Callable[[Lines, Exchange], Lines]) -> Fault:
    """A watch whose events pass through `lines`."""

    async def play(exchange: Exchange) -> None:
        await exchange.forward(lines=lines)

    return play


def dropped(number: int = 1) -> Fault:
    """After `number` events the next one is lost, and its connection with it."""

    async def lines(source: Lines, exchange: Exchange) -> Lines:
        seen = 0
        async for line in source:
            if seen == number:
                exchange.cut()
            seen += not bookmark(line)
            yield line

    return changed(lines)


async def _duplicated(source: Lines, _exchange: Exchange) -> Lines:
    async for line in source:
        yield line
        yield line


duplicated = changed(_duplicated)
"""Every event comes twice."""


def delayed(seconds: float) -> Fault:
    """Every event comes so much later."""

    async def lines(source: Lines, _exchange: Exchange) -> Lines:
        async for line in source:
            await asyncio.sleep(seconds)
            yield line

    return changed(lines)


def gone(number: int = 0) -> Fault:
    """After `number` events the stream says 410 and ends."""

    async def lines(source: Lines, _exchange: Exchange) -> Lines:
        seen = 0
        if seen < number:
            async for line in source:
                yield line
                seen += not bookmark(line)
                if seen >= number:
                    break
        yield json.dumps({"type": "ERROR", "object": status(410, "too old resource version")}).encode() + b"\n"

    return changed(lines)


async def _half_a_line(source: Lines, exchange: Exchange) -> Lines:
    async for line in source:
        yield line[: len(line) // 2]
        exchange.cut()


half_a_line = changed(_half_a_line)
"""The first event breaks off in the middle, and the connection with it."""


def mute(number: int = 0) -> Fault:
    """After `number` events nothing comes any more, not even a bookmark, and the connection stays."""

    async def lines(source: Lines, exchange: Exchange) -> Lines:
        seen = 0
        async for line in source:
            if seen >= number:
                await exchange.hang()
            seen += not bookmark(line)
            yield line

    return changed(lines)


def bookmark(line: bytes) -> bool:
    """No event, only a version."""
    return b'"BOOKMARK"' in line[:40]
