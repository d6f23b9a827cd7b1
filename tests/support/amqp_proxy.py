"""A way to RabbitMQ that reads the frames and cuts at a point of the protocol: between a publish, its confirm, and the acknowledgement.

Used by tests/faults/test_amqp_cuts.py and the rows about lost connections. What it may not do: change a frame. A frame goes on whole, or it
does not go on. It answers by itself only where it plays a broker that has lost a queue (`ends_consumers`).
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from tests.support.tcp_proxy import TcpProxy

GREETING_BYTES: Final = 8
"""`AMQP` and a version, once, before the client's first frame."""
HEAD: Final = struct.Struct(">BHI")
METHOD_FRAME: Final = 1
CHANNEL_OPEN, FLOW_OK, CONSUME, CONSUME_OK, PUBLISH, ACK = (20, 10), (20, 21), (60, 20), (60, 21), (60, 40), (60, 80)
CONFIRM_SELECT_OK: Final = (85, 11)


@dataclass(eq=False)
class Cut:
    """Where to cut next, once. Exactly one of the first two is given."""

    publishes: int | None = None
    """Let so many messages reach the broker and wait until it has confirmed them; the client sees no confirm. 0: before the first."""
    ack: str | None = None
    """`before`: the acknowledgement does not reach the broker. `after`: it does, but the client is not told."""
    everything: bool = True
    """All connections end, not only the one where it happens."""
    sprung: threading.Event = field(default_factory=threading.Event)


class AmqpProxy(TcpProxy):
    """Cuts where `cut_at` says, and is a plain way otherwise."""

    cut_now: Cut | None = None
    swallowed: frozenset[tuple[int, int]] = frozenset()
    """Methods of the broker that no client gets to see: a server that lives and does not answer."""
    ends_consumers = False
    """Whoever wants to consume gets `connection.close` with 541: so answers a RabbitMQ whose queue has no process any more."""

    def __init__(self, host: str, port: int) -> None:
        self.ended_at: list[float] = []
        """When it did that, by the monotonic clock."""
        super().__init__(host, port)

    def cut_at(self, cut: Cut) -> Cut:
        """Wait for this point. To be called while no message is under way."""
        self.cut_now = cut
        return cut

    def joined(self, client: socket.socket, server: socket.socket) -> None:
        talk = Conversation(self, client, server)
        for source, sink, forward in ((client, server, talk.to_broker), (server, client, talk.to_client)):
            threading.Thread(target=self.pump, args=(source, sink, forward), daemon=True).start()


class Conversation:
    """One connection. Each direction has a thread; what both look at is guarded by the lock."""

    def __init__(self, proxy: AmqpProxy, client: socket.socket, broker: socket.socket) -> None:
        self._proxy = proxy
        self._client, self._broker = client, broker
        self._lock = threading.Lock()
        self._from_client, self._from_broker = Frames(GREETING_BYTES), Frames(0)
        self._next_tag: dict[int, int] = defaultdict(lambda: 1)
        self._unconfirmed: dict[int, set[int]] = defaultdict(set)
        self._cut: Cut | None = None
        """The one that the following is about."""
        self._passed = self._confirmed = 0
        self._acknowledged = self._mute = False

    def to_broker(self, data: bytes) -> None:
        """What the client has written."""
        with self._lock:
            self._look_for_cut()
            out = b"".join(raw for raw in self._from_client.complete(data) if self._passes_to_broker(raw))
        self._broker.sendall(out)

    def to_client(self, data: bytes) -> None:
        """What the broker has written."""
        with self._lock:
            self._look_for_cut()
            out = b"".join(raw for raw in self._from_broker.complete(data) if self._passes_to_client(raw))
        self._client.sendall(out)

    def _look_for_cut(self) -> None:
        if self._proxy.cut_now is not self._cut:
            self._cut = self._proxy.cut_now
            self._passed = self._confirmed = 0
            self._acknowledged = False

    def _passes_to_broker(self, raw: bytes) -> bool:
        channel, method = method_of(raw)
        if method == CHANNEL_OPEN:
            self._next_tag[channel] = 1
            self._unconfirmed[channel].clear()
        if method == CONSUME and self._proxy.ends_consumers:
            self._proxy.ended_at.append(time.monotonic())
            self._mute = True
            self._client.sendall(internal_error(method))
        cut = self._cut
        if method == PUBLISH and cut is not None and cut.publishes is not None:
            self._mute = self._mute or self._passed == cut.publishes
            self._passed += 1
            if cut.publishes == 0:
                self._spring(cut)
        if method == ACK and cut is not None and cut.ack is not None:
            self._acknowledged = True
            if cut.ack == "before":
                self._mute = True
                self._spring(cut)
        if method == PUBLISH and not self._mute:
            self._unconfirmed[channel].add(self._next_tag[channel])
            self._next_tag[channel] += 1
        return not self._mute

    def _passes_to_client(self, raw: bytes) -> bool:
        channel, method = method_of(raw)
        cut = self._cut
        if method in self._proxy.swallowed:
            return False
        if method == ACK:
            tag, multiple = struct.unpack_from(">QB", raw, HEAD.size + 4)
            asked = self._unconfirmed[channel]
            answered = {one for one in asked if one <= tag} if multiple else {tag}
            asked -= answered
            if cut is not None and cut.publishes is not None:
                self._confirmed += len(answered)
                if self._confirmed == cut.publishes:
                    self._spring(cut)
                return False
        if method == FLOW_OK and self._acknowledged and cut is not None and cut.ack == "after":
            self._spring(cut)
            return False
        return True

    def _spring(self, cut: Cut) -> None:
        self._proxy.cut_now = None
        if cut.everything:
            self._proxy.cut()
        for each in (self._client, self._broker):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        cut.sprung.set()


def internal_error(cause: tuple[int, int]) -> bytes:
    """The frame with which a broker ends a connection when `cause` was more than it can do."""
    text = b"INTERNAL_ERROR"
    close = struct.pack(">HHHB", 10, 50, 541, len(text)) + text + struct.pack(">HH", *cause)
    return HEAD.pack(METHOD_FRAME, 0, len(close)) + close + b"\xce"


class Frames:
    """Bytes in, whole frames out; the first `greeting` bytes are one, too."""

    def __init__(self, greeting: int) -> None:
        self._greeting = greeting
        self._rest = b""

    def complete(self, data: bytes) -> Iterator[bytes]:
        """What is complete now."""
        buffer, at = self._rest + data, 0
        if self._greeting and len(buffer) >= self._greeting:
            yield buffer[: self._greeting]
            at, self._greeting = self._greeting, 0
        while not self._greeting and len(buffer) - at >= HEAD.size:
            end = at + HEAD.size + HEAD.unpack_from(buffer, at)[2] + 1
            if end > len(buffer):
                break
            yield buffer[at:end]
            at = end
        self._rest = buffer[at:]


def method_of(raw: bytes) -> tuple[int, tuple[int, int] | None]:
    """Channel, and class and method where the frame holds one."""
    kind, channel, _ = HEAD.unpack_from(raw)
    return channel, struct.unpack_from(">HH", raw, HEAD.size) if kind == METHOD_FRAME else None
