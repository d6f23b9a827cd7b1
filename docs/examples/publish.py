"""Put a payload into an actor's queue from inside a cluster, with what the sidecar of any actor of the namespace knows.

kubectl exec -i deploy/ANY_ACTOR -c asya-sidecar -- python3 - ACTOR 'PAYLOAD AS JSON' < docs/examples/publish.py

Prints the envelope's id, which is its trace id too. The queue must exist: a message that no queue takes is an error here, not a loss.
"""

import json
import os
import pathlib
import sys
import uuid

import pika

actor, payload = sys.argv[1], json.loads(sys.argv[2])
envelope_id = uuid.uuid4().hex
envelope = {
    "id": envelope_id,
    "route": {"prev": [], "curr": actor, "next": []},
    "headers": {"trace_id": envelope_id},
    "payload": payload,
}
password = pathlib.Path(os.environ["ASYA_RABBITMQ_PASSWORD_FILE"]).read_text().strip()
where = pika.ConnectionParameters(
    os.environ["ASYA_RABBITMQ_HOST"].split(",")[0],
    int(os.environ["ASYA_RABBITMQ_PORT"]),
    os.environ["ASYA_RABBITMQ_VHOST"],
    pika.PlainCredentials(os.environ["ASYA_RABBITMQ_USERNAME"], password),
)
queue = os.environ["ASYA_QUEUE_NAME_TEMPLATE"].format(namespace=os.environ["ASYA_NAMESPACE"], actor=actor)
with pika.BlockingConnection(where) as connection:
    channel = connection.channel()
    channel.confirm_delivery()  # from here on publishing returns when the broker has the message
    channel.basic_publish("", queue, json.dumps(envelope).encode(), mandatory=True)
sys.stdout.write(f"{envelope_id}\n")
