"""One hop as a Taskiq task. `python -m bench.peers.taskiq_app N` fills queue `a`."""

import asyncio
import os
import sys

from taskiq import TaskiqEvents, TaskiqState
from taskiq_aio_pika import AioPikaBroker, Queue, QueueType

URL = os.environ["BENCH_URL"]
broker = AioPikaBroker(URL, qos=64, task_queues=[Queue(name="a", type=QueueType.QUORUM)])
onward = AioPikaBroker(URL, task_queues=[Queue(name="b", type=QueueType.QUORUM)])


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def connect(_state: TaskiqState) -> None:
    """A worker consumes every queue of its broker, so results go through one that only publishes."""
    await onward.startup()


@onward.task(task_name="next")
async def result(payload: dict[str, str]) -> None:
    """Only its queue is used."""


@broker.task(task_name="hop")
async def hop(payload: dict[str, str]) -> None:
    """The channel has publisher confirms; with ack type `when_executed` the acknowledgement follows."""
    await result.kiq(payload)


async def fill(messages: int) -> None:
    """Put so many into queue `a`, and make queue `b`."""
    await onward.startup()
    await broker.startup()
    for start in range(0, messages, 100):
        await asyncio.gather(*(hop.kiq({"text": "x" * 450}) for _ in range(start, min(start + 100, messages))))
    await broker.shutdown()
    await onward.shutdown()


if __name__ == "__main__":
    asyncio.run(fill(int(sys.argv[1])))
