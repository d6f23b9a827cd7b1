"""Everything the sidecar says to the gateway, and the one thing it asks (contract: sidecar, Gateway reports).

The consumer calls `Gateway` (front.py): quick methods that never wait, `final` for end actors, `is_stopped` before
slow calls. reports.py has the words, waiting.py what waits, outbox.py the task that sends it, client.py the
connection, token.py the secret, cancellation.py the memory of stopped runs. With `ASYA_GATEWAY_URL` unset there is no
Gateway at all (None), and callers skip it.
"""

from asya_sidecar.act.gateway.front import Gateway

__all__ = ["Gateway"]
