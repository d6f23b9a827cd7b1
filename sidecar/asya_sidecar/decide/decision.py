"""A decision: everything that must happen with one delivery, as data.

Made by the other modules of this package, obeyed by act/consumer.py in the order sends, settlement, report, log. The shell has no
second opinion, so whatever is not written here does not happen.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final

import msgspec

from asya_schemas import limits, policies
from asya_schemas.envelope import Envelope
from asya_schemas.errors import ErrorInfo
from asya_sidecar.settings.model import Settings

EXIT_ASKED: Final = 0
EXIT_TIMEOUT: Final = 1
EXIT_CONFIGURATION: Final = 2
EXIT_RUNTIME_NOT_READY: Final = 3
EXIT_FAULT: Final = 4
EXIT_ACCESS_REFUSED: Final = 5
"""Exit codes (contract: sidecar, Variables)."""
HOLD_S: Final = 30.0


class Settle(Enum):
    """What becomes of the delivery when every send is confirmed."""

    ACK = "ack"
    RETURN = "return"
    COUNTED_RETURN = "counted return"
    HOLD = "hold"
    """Keep it and call when the runtime is healthy again; after HOLD_S return it."""
    AGAIN = "again"
    """End actors: keep it and call again after a wait that grows."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What decisions depend on and what does not change while the process lives."""

    settings: Settings
    sink_queue: str
    sump_queue: str
    max_message_bytes: int
    """What a handler may make."""
    reader_bytes: int
    """Largest body that may be sent: what every reader accepts."""
    max_delay_s: float | None
    """Longest wait of the transport; None: no limit."""

    @classmethod
    def of(cls, settings: Settings, transport_bytes: int | None = None, max_delay_s: float | None = None) -> "Rules":
        """`transport_bytes` is the hard limit of a broker."""
        made = settings.max_message_bytes
        rules = cls(settings, settings.sink_queue, settings.sump_queue, made, limits.reader_limit(made), max_delay_s)
        return rules if transport_bytes is None else rules.limited(transport_bytes)

    def limited(self, transport_bytes: int) -> "Rules":
        """The same for a broker that takes no more than this; the head the mesh adds must fit into it too."""
        if transport_bytes >= self.reader_bytes:
            return self
        room = max(transport_bytes - limits.HEAD_ALLOWANCE_BYTES, transport_bytes // 2)
        made = min(self.max_message_bytes, room)
        return replace(self, max_message_bytes=made, reader_bytes=transport_bytes)


def too_long_waits(rules: Rules) -> list[str]:
    """A sentence for each policy that asks for longer waits than the transport can keep; they are cut."""
    longest_s = rules.max_delay_s
    if longest_s is None:
        return []
    return [
        f"policy {name} may wait {policies.longest_delay(policy):g} s, the transport at most {longest_s:g} s: waits are cut"
        for name, policy in rules.settings.policies.items()
        if policies.longest_delay(policy) > longest_s
    ]


class Send(msgspec.Struct, frozen=True):
    """One message to publish. `message_type` is a value of `messages_sent_total`."""

    queue: str
    body: bytes
    id: str
    trace_id: str
    message_type: str
    delay_s: float = 0.0
    envelope: Envelope | None = None
    """What `body` encodes, where something may still be changed in it; None for an error envelope."""
    actor: str | None = None
    """Set when the destination was named by a route: it may have no queue, which is waited for and then given up (O19)."""
    longest_s: float | None = None
    """No wait may be rounded up beyond this: the policy's `maxInterval`."""


@dataclass(frozen=True, slots=True)
class Report:
    """What an end actor tells the gateway before it acknowledges."""

    kind: str
    """`final` or `paused`."""
    members: Mapping[str, Any]


class Decision(msgspec.Struct, frozen=True):
    """The words are values of metric labels (contract: sidecar, Outcomes and Metrics)."""

    processed: str
    """`processed{status}`."""
    sends: tuple[Send, ...] = ()
    settle: Settle = Settle.ACK
    reason: str | None = None
    """`status.reason` of what is sent, for the log line."""
    failed: str | None = None
    """`failed{reason}`."""
    runtime_error: str | None = None
    """`runtime_errors{error_type}`."""
    error: ErrorInfo | None = None
    """For the log line and the reports."""
    progress: str | None = None
    """Progress report, if the gateway wants any."""
    children: tuple[Envelope, ...] = ()
    """All envelopes of a result with several frames, for the children report."""
    frames: int = 0
    report: Report | None = None
    """End actors: must be settled by the gateway, if there is one, before the acknowledgement."""
    exit_code: int | None = None
    """Set when the process must end after this delivery."""
