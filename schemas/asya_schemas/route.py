"""Where an envelope has been, is and goes, in both shapes (contract: envelope, Route).

Used by the envelope, the sidecar's decisions and the command line. Must not know the sink, the sump or any queue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Route:
    """A valid route. `old_shape` is kept on every hop; `extra` are other members as JSON text, carried along."""

    prev: tuple[str, ...]
    curr: str
    next: tuple[str, ...]
    old_shape: bool = False
    extra: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def hops(self) -> int:
        """Hops done: the position."""
        return len(self.prev)

    @property
    def finished(self) -> bool:
        """Whether nobody is left to be served."""
        return self.curr == ""

    def advanced(self, ahead: tuple[str, ...] | None = None) -> Route:
        """The route one hop further; `ahead` replaces `next` first, as an envelope-mode handler may."""
        raise NotImplementedError

    def redirect(self, first: str, rest: tuple[str, ...] = ()) -> Route:
        """The route that leaves this actor for `first`, then `rest`: a policy's `onExhausted`."""
        raise NotImplementedError

    def encode(self) -> bytes:
        """JSON text in the route's own shape."""
        raise NotImplementedError


def parse_route(raw: bytes) -> Route:
    """Read the JSON text of a route. Raises Refused; the text must already be strict JSON (strictjson.check)."""
    raise NotImplementedError


def follows(before: Route, after: Route) -> bool:
    """Whether `after` is one hop behind `before` with the same history: the check of a runtime's frame."""
    raise NotImplementedError
