"""One hop as a Celery task. `python -m bench.peers.celery_app N` fills queue `a`."""

import os
import sys

from celery import Celery
from kombu import Queue

QUORUM = {"x-queue-type": "quorum"}

app = Celery("bench", broker=os.environ["BENCH_URL"])
app.conf.update(
    broker_transport_options={"confirm_publish": True},
    task_queues=[Queue(name, durable=True, queue_arguments=QUORUM) for name in ("a", "b")],
    task_default_queue="a",
    task_default_queue_type="quorum",
    task_default_delivery_mode="persistent",
    task_acks_late=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=64,
)


@app.task(name="hop")
def hop(payload: dict[str, str]) -> None:
    """With confirm_publish the send returns when the broker has confirmed; with acks_late the ack comes after that."""
    app.send_task("next", (payload,), queue="b")


if __name__ == "__main__":
    with app.connection_for_write() as connection:
        for queue in app.conf.task_queues:
            queue(connection.default_channel).declare()
    for _ in range(int(sys.argv[1])):
        hop.apply_async(({"text": "x" * 450},), queue="a")
