"""The trace context of one message.

Pure. Called by act/sender.py, and only when tracing is on: each message carries the context of the span that sent it.
"""

from msgspec.structs import replace

from asya_schemas import envelope as envelopes
from asya_schemas import headers, strictjson
from asya_sidecar.decide.decision import Send


def with_traceparent(send: Send, traceparent: str, max_bytes: int) -> Send:
    """The same message with this `traceparent`; unchanged where it would no longer fit (a trace is worth less than a message)."""
    envelope = send.envelope if send.envelope is not None else envelopes.parse(send.body, max_bytes)
    named = headers.with_header(envelope.headers, headers.TRACEPARENT, strictjson.text(traceparent))
    envelope = replace(envelope, headers=named)
    body = envelopes.encode(envelope)
    return replace(send, body=body, envelope=envelope) if len(body) <= max_bytes else send
