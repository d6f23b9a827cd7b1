"""RabbitMQ, 3.10 and newer (contract: sidecar, section 12).

`transport.py` is the port, `admin.py` the synchronous side; `address.py` says where the broker is and knows no pika, so that settings may
hold it. pika does the handshake, channels and everything rare; the four frames of every hop are read and written by `frames.py`.
"""
