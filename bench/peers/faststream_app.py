"""One hop as a FastStream subscriber. `python -m bench.peers.faststream_app N` fills queue `a`."""

import asyncio
import os
import sys

from faststream import AckPolicy, FastStream
from faststream.rabbit import Channel, QueueType, RabbitBroker, RabbitQueue

broker = RabbitBroker(os.environ["BENCH_URL"], default_channel=Channel(prefetch_count=64))
app = FastStream(broker)
QUEUES = {name: RabbitQueue(name, queue_type=QueueType.QUORUM, durable=True) for name in ("a", "b")}


@broker.subscriber(QUEUES["a"], ack_policy=AckPolicy.NACK_ON_ERROR)
@broker.publisher(QUEUES["b"], persist=True, mandatory=True)
async def hop(payload: dict[str, str]) -> dict[str, str]:
    """The channel has publisher confirms; the acknowledgement follows the publish."""
    return payload


async def fill(messages: int) -> None:
    """Put so many into queue `a`, and make queue `b`."""
    async with broker:
        for queue in QUEUES.values():
            await broker.declare_queue(queue)
        for start in range(0, messages, 100):
            await asyncio.gather(
                *(
                    broker.publish({"text": "x" * 450}, queue="a", persist=True)
                    for _ in range(start, min(start + 100, messages))
                )
            )


if __name__ == "__main__":
    asyncio.run(fill(int(sys.argv[1])))
