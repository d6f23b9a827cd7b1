"""What the mesh asks of a broker, in words: the port that every adapter keeps and the sidecar is written against.

Called by the sidecar (and by tests). Adapters are modules named by their technology; `open_transport` in `choose.py` picks one.
A transport knows queues and bytes. It must not read a body, decide about retries, write log lines or know what an actor is.

Promises (contract: sidecar, sections 1, 8, 9, 12)
--------------------------------------------------
One event loop. Every method is called on the loop that ran `start`, every callback comes on it. No method blocks: the disk and the
network belong to others, so heartbeats and leases are served however long a handler runs.

Publishing. Every message is persistent, mandatory and confirmed. Many are in flight at once, none waits for another, and messages for
one queue arrive in the order of the calls. The future never fails; its result is an `Outcome`:
    CONFIRMED   the message is safe: it survives the loss of every process and of power
    UNROUTABLE  there is no such queue; nothing was stored
    REFUSED     the broker answered no (too large, disk full, not allowed); nothing was stored
    UNKNOWN     no answer within 30 s, or the connection went away with the question open: it may or may not be stored
Without a connection a publish waits for one, 30 s at most: so "publish again" after UNKNOWN never spins. Cancelling the future withdraws
a message that has not left yet. The body may not change while the future is open; it is not copied.

Consuming. At most `window` deliveries are unsettled in a transport's hands; a settlement makes room at once. `pause` means that
`on_delivery` is not called again before `resume`: what was on its way is returned. An `on_delivery` that raises costs its delivery a
counted return and is told to the loop's exception handler; the others go on. Nothing is settled by itself: a delivery that
nobody settles comes back to its queue when the process closes the transport, dies or loses its connection, and that counts.

Generations. A delivery belongs to the connection it came through. When that is gone the generation is over: `alive` turns false for all
of its deliveries, `on_lost` is called once, the messages are handed out again (to anyone), and settling one of the old deliveries does
nothing: its awaitable gives False. `alive` looks at the clock too, so a process that was frozen past its lease knows it at once.

Settling. `ack`, `release` and `release_counted` may be called without awaiting the result; order is kept. The awaitable is done when
the settlement is safe at the broker (True), or when the delivery was lost before that was known (False: one that was under way may
still have been done, never to somebody else's delivery); it never fails. Awaiting may cost a round trip, calling does not. While the
broker cannot be reached a settlement waits, as long as the delivery is ours.
    ack               done, forget the message
    release           unchanged, at once, to the front; the delivery does not count (it brings no healthy message nearer to the fence)
    release_counted   the same, but it counts
After `DELIVERY_LIMIT` counted deliveries a message that comes back goes to the dead-letter queue `<queue>-dlq` instead.

Health. `reasons` says why the transport is not doing its work now, in the words of the contract (sidecar, section 3); `on_change` tells
each beginning with a sentence for the log, each end with None. Every reason ends by itself when its cause goes away: reconnecting,
waiting for a queue and consuming again are the adapter's work. Nothing that happens to a broker raises out of these methods.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    import asyncio

DELIVERY_LIMIT: Final = 10
"""Counted deliveries after which a message is dead-lettered (contract: sidecar, section 12)."""

PUBLISH_TIMEOUT_S: Final = 30.0
"""A publish without an answer for so long is UNKNOWN (contract: sidecar, P3)."""

STARTING: Final = "starting"
BROKER_UNREACHABLE: Final = "broker_unreachable"
ACCESS_REFUSED: Final = "access_refused"
QUEUE_MISSING: Final = "queue_missing"
CONSUMER_CANCELLED: Final = "consumer_cancelled"
PUBLISH_BLOCKED: Final = "publish_blocked"
PUBLISH_REFUSED: Final = "publish_refused"
DESTINATION_MISSING: Final = "destination_missing"


class Outcome(enum.Enum):
    """What became of a publish."""

    CONFIRMED = "confirmed"
    UNROUTABLE = "unroutable"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(slots=True, eq=False)
class Delivery:
    """A message in our hands. Not frozen only because that triples the cost of making one; nobody changes it."""

    body: bytes
    message_id: str | None
    deliveries: int | None
    """1 at the first; None when the broker has no counter."""
    redelivered: bool
    """It was handed out before, counted or not."""
    generation: int
    tag: Any
    """The adapter's own handle."""
    received_at: float
    """Loop clock, seconds."""


class Connected(NamedTuple):
    """Which ways to the broker are open: the one for receiving and acknowledging, the one for sending."""

    consume: bool
    publish: bool


class Transport(Protocol):
    """The asynchronous side, one per sidecar. See the module's text for the promises."""

    kind: str
    """`sqlite`, `memory`, `rabbitmq`, `sqs`: the value of metric labels."""
    max_message_bytes: int | None
    """A longer body is REFUSED; None: no limit of its own. It may fall when the broker says so."""
    max_delay_s: float | None
    """Longest `delay_s`; a longer one is cut to it. None: no limit."""
    on_change: Callable[[str, str | None], None]
    """(reason, sentence) when a reason begins or its sentence changes, (reason, None) when it ends. Set before `start`."""
    on_lost: Callable[[int], None]
    """(generation) when it is over. Set before `start`."""

    @property
    def reasons(self) -> frozenset[str]:
        """Why not everything works now; empty when all is well."""
        ...

    @property
    def consuming(self) -> bool:
        """A consumer is registered at the broker and not paused."""
        ...

    @property
    def connected(self) -> Connected:
        """Connections that are open, whether or not anything can be done with them."""
        ...

    def start(self) -> None:
        """Begin to connect, on the running loop. Publishing is possible at once."""
        ...

    async def close(self) -> None:
        """Stop: nothing more is delivered, what was asked before gets 1 s to be done (else UNKNOWN, False), the unsettled comes back."""
        ...

    def consume(self, queue: str, on_delivery: Callable[[Delivery], None], window: int = 1) -> None:
        """Register for `queue`, once in the life of a transport. A missing queue is waited for (`queue_missing`)."""
        ...

    def set_window(self, window: int) -> None:
        """At most so many unsettled deliveries from now on (at least 1). A smaller one returns nothing by itself."""
        ...

    def pause(self) -> None:
        """Fetch nothing more. Deliveries in hand stay in hand."""
        ...

    def resume(self) -> None:
        """Fetch again."""
        ...

    def publish(
        self,
        queue: str,
        body: bytes,
        *,
        message_id: str | None = None,
        trace_id: str | None = None,
        sender: str | None = None,
        delay_s: float = 0.0,
        longest_s: float | None = None,
    ) -> asyncio.Future[Outcome]:
        """Store a message; with `delay_s` it is handed out after that time, which a broker with fixed delays may round, but never to
        more than `longest_s`.
        """
        ...

    def alive(self, delivery: Delivery) -> bool:
        """The delivery is still ours to settle."""
        ...

    def ack(self, delivery: Delivery) -> Awaitable[bool]:
        """Done with it."""
        ...

    def release(self, delivery: Delivery) -> Awaitable[bool]:
        """Give it back unchanged, not counted."""
        ...

    def release_counted(self, delivery: Delivery) -> Awaitable[bool]:
        """Give it back so that the broker counts the delivery."""
        ...
