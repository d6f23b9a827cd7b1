"""One hop as a Dramatiq actor. `python -m bench.peers.dramatiq_app N` fills queue `a`."""

import os
import sys
from typing import Any

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker


class QuorumBroker(RabbitmqBroker):
    """Dramatiq declares classic queues; this is the smallest change that makes them quorum queues."""

    def _build_queue_arguments(self, queue_name: str) -> dict[str, Any]:
        return {**super()._build_queue_arguments(queue_name), "x-queue-type": "quorum"}


broker = QuorumBroker(url=os.environ["BENCH_URL"], confirm_delivery=True)
dramatiq.set_broker(broker)


@dramatiq.actor(queue_name="b")
def result(payload: dict[str, str]) -> None:
    """Only its queue is used: this worker serves queue `a`."""


@dramatiq.actor(queue_name="a")
def hop(payload: dict[str, str]) -> None:
    """With confirm_delivery the send returns when the broker has confirmed; the worker acknowledges afterwards."""
    result.send(payload)


if __name__ == "__main__":
    broker.declare_queue("b", ensure=True)
    for _ in range(int(sys.argv[1])):
        hop.send({"text": "x" * 450})
