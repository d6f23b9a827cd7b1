"""Handlers in payload mode for the tests of the runtime; they run on Python 3.7 too.

`f` does what the payload's member `do` says, so that one process serves many tests.
Long because one module holds every kind of result, so that one process serves all tests of an interpreter.
"""

import asyncio
import base64
import dataclasses
import datetime
import decimal
import enum
import functools
import os
import sys
import time
import uuid
from collections import namedtuple

Point = namedtuple("Point", "x y")


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Order:
    number: int
    tags: tuple = ()


class LooksLikePydantic2:
    def model_dump(self, mode="python"):
        return {"mode": mode, "when": "2026-01-02"}


class LooksLikePydantic1:
    __fields__ = {"n": int}

    def dict(self):
        return {"n": object()}

    def json(self):
        return '{"n": 1}'


class Widget:
    pass


class Parent(RuntimeError):
    pass


class Grandchild(Parent):
    pass


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("not printable")


def deep(levels):
    value = []
    for _ in range(levels - 1):
        value = [value]
    return value


def cycle():
    value = {}
    value["self"] = value
    return value


def recurse():
    return recurse() + 1


VALUES = {
    "none": lambda: None,
    "empty_list": list,
    "empty_tuple": tuple,
    "one": lambda: {"y": 2},
    "three_list": lambda: [{"n": 1}, {"n": 2}, {"n": 3}],
    "three_tuple": lambda: ({"n": 1}, {"n": 2}, {"n": 3}),
    "list_in_list": lambda: [[1, 2]],
    "named_tuple": lambda: Point(1, 2),
    "zero": int,
    "empty_text": str,
    "empty_object": dict,
    "false": bool,
    "list_of_none": lambda: [None],
    "widget": Widget,
    "nan": lambda: float("nan"),
    "nan_key": lambda: {float("nan"): 1},
    "tuple_key": lambda: {(1, 2): 1},
    "cycle": cycle,
    "deep_5000": lambda: deep(5000),
    "deep_199": lambda: [deep(199)],
    "deep_200": lambda: [deep(200)],
    "lone_surrogate": lambda: "\ud800",
    "lone_surrogate_key": lambda: {"\ude00": 1},
    "text_like_surrogate": lambda: "\\ud800",
    "long_integer": lambda: 10**4300,
    "longest_integer": lambda: 10**4299,
    "digits_text": lambda: "9" * 5000,
    "third_bad": lambda: [1, 2, Widget()],
    "dataclass": lambda: Order(5, (1, 2)),
    "datetime": lambda: datetime.datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=datetime.timezone.utc),
    "date": lambda: datetime.date(2026, 1, 2),
    "time": lambda: datetime.time(3, 4, 5),
    "timedelta": lambda: datetime.timedelta(minutes=1, milliseconds=500),
    "uuid": lambda: uuid.UUID("a606e246-d58c-56b3-88d3-b2b7992f662a"),
    "enum": lambda: Colour.RED,
    "decimal": lambda: decimal.Decimal("1.10"),
    "bytes": lambda: b"hello",
    "bytearray": lambda: bytearray(b"hello"),
    "memoryview": lambda: memoryview(b"hello"),
    "set": lambda: {3, 1, 2},
    "set_mixed": lambda: {"a", 1},
    "frozenset": lambda: frozenset(["b", "a"]),
    "keys": lambda: {1: "int", 1.5: "float", False: "bool", None: "none", "t": "text"},
    "pydantic2": LooksLikePydantic2,
    "pydantic1": LooksLikePydantic1,
    "nested": lambda: {"order": Order(1), "ids": [uuid.UUID(int=1)], "raw": b"x"},
}


def value_error():
    raise ValueError("Invalid input")


def key_error():
    return {}["missing"]


def grandchild():
    raise Grandchild("third")


def chained():
    try:
        key_error()
    except KeyError as error:
        raise ValueError("outer") from error


def memory_error():
    raise MemoryError


def keyboard_interrupt():
    raise KeyboardInterrupt


def generator_exit():
    raise GeneratorExit


def big_message():
    raise ValueError("m" * 1_000_000)


def unprintable():
    raise Unprintable


FAILURES = {
    "value_error": value_error,
    "key_error": key_error,
    "grandchild": grandchild,
    "chained": chained,
    "system_exit": lambda: sys.exit(0),
    "keyboard_interrupt": keyboard_interrupt,
    "generator_exit": generator_exit,
    "memory_error": memory_error,
    "recursion": recurse,
    "unprintable": unprintable,
    "big_message": big_message,
}


# ---------------------------------------------------------------- streams


def nothing():
    return
    yield


def two_a_second_apart():
    yield {"n": 1}
    time.sleep(1)
    yield {"n": 2}


def yields_a_list():
    yield [1, 2]
    yield None
    return 5


def fails_after_one():
    yield {"n": 1}
    raise ValueError("second")


def fails_at_once():
    raise ValueError("first")
    yield


def bad_second():
    yield 1
    yield Widget()
    yield 3


def partial_and_frame():
    yield ("FLY", "tok")
    yield {"n": 1}


CLOSED = []


def endless():
    """Yields until it is closed, which it remembers."""
    del CLOSED[:]
    try:
        while True:
            yield {"n": 1}
            time.sleep(0.02)
    except GeneratorExit:
        CLOSED.append("closed")
        raise


def silent_and_endless():
    """Like `endless`, but with nothing to send."""
    del CLOSED[:]
    yield 1
    try:
        while True:
            yield None
            time.sleep(0.02)
    except GeneratorExit:
        CLOSED.append("closed")
        raise


def big_stream():
    for _ in range(200):
        yield "x" * 50000


async def async_nothing():
    return
    yield


async def async_partial_and_frame():
    yield ("FLY", "tok")
    await asyncio.sleep(0)
    yield {"n": 1}


async def async_fails_after_one():
    yield {"n": 1}
    await asyncio.sleep(0)
    raise ValueError("second")


async def async_endless():
    del CLOSED[:]
    try:
        while True:
            yield {"n": 1}
            await asyncio.sleep(0.02)
    finally:
        await asyncio.sleep(0)
        CLOSED.append("closed")


STREAMS = {
    "nothing": nothing,
    "two_a_second_apart": two_a_second_apart,
    "yields_a_list": yields_a_list,
    "fails_after_one": fails_after_one,
    "fails_at_once": fails_at_once,
    "bad_second": bad_second,
    "partial_and_frame": partial_and_frame,
    "endless": endless,
    "silent_and_endless": silent_and_endless,
    "big_stream": big_stream,
    "async_nothing": async_nothing,
    "async_partial_and_frame": async_partial_and_frame,
    "async_fails_after_one": async_fails_after_one,
    "async_endless": async_endless,
}


# ---------------------------------------------------------------- coroutines


class LoopClient:
    """Like a database client: made in one loop, useless in another."""

    def __init__(self):
        self.loop = asyncio.get_event_loop()
        self.queue = asyncio.Queue()

    async def ask(self):
        assert asyncio.get_event_loop() is self.loop, "the loop has changed"
        self.queue.put_nowait("answer")
        return await self.queue.get()


CLIENT = []


async def use_loop_client():
    if not CLIENT:
        CLIENT.append(LoopClient())
    return {"said": await CLIENT[0].ask()}


async def async_value_error():
    await asyncio.sleep(0)
    raise ValueError("Invalid input")


async def async_system_exit():
    await asyncio.sleep(0)
    sys.exit(0)


async def returns_a_generator():
    await asyncio.sleep(0)
    return yields_a_list()


COROUTINES = {
    "loop_client": use_loop_client,
    "async_value_error": async_value_error,
    "async_system_exit": async_system_exit,
    "returns_a_generator": returns_a_generator,
}


def sleeps(payload):
    """Sleeps, says when."""
    began = time.monotonic()
    time.sleep(payload["for_s"])
    return {"began": began, "ended": time.monotonic(), "pid": os.getpid()}


def echo(payload):
    return [payload["value"]]


def decode(payload):
    return {"length": len(base64.b64decode(payload["value"]))}


WITH_PAYLOAD = {"sleep": sleeps, "echo": echo, "closed": lambda _: {"closed": CLOSED}}
WITHOUT = {}
for table in (VALUES, FAILURES, STREAMS, COROUTINES):
    WITHOUT.update(table)


def f(payload):
    """The handler."""
    name = payload["do"]
    if name in WITH_PAYLOAD:
        return WITH_PAYLOAD[name](payload)
    return WITHOUT[name]()


# ---------------------------------------------------------------- other forms of handlers


async def coroutine(payload):
    await asyncio.sleep(0)
    return {"got": payload}


def decorated(function):
    @functools.wraps(function)
    def wrapper(*arguments):
        return function(*arguments)

    return wrapper


@decorated
async def decorated_coroutine(payload):
    return {"got": payload}


class Plain:
    """No constructor of its own."""

    async def async_method(self, payload):
        await asyncio.sleep(0)
        return {"got": payload}

    @staticmethod
    def static(payload):
        return {"got": payload}

    @classmethod
    def of_class(cls, payload):
        return {"got": payload, "class": cls.__name__}


class Counter:
    """State, and defaults in the constructor."""

    def __init__(self, start=10, *, step=1):
        self.value = start
        self.step = step

    def count(self, payload):
        self.value += self.step
        return {"count": self.value}
